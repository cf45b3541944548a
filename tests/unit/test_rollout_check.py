"""Whether the next wave is safe: soak, gates, restarts, dates, order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.clients.prometheus import PrometheusApi, PrometheusError
from bot.mesh.rollout import check, step
from bot.mesh.rollout.check import WaveVerdict
from bot.mesh.rollout.model import Namespace, Pod
from bot.mesh.rollout.restart import ANNOTATION
from bot.mesh.rollout.text import verdict_document, verdict_lines
from tests.unit.fake_prometheus import fake_prometheus, vector
from tests.unit.rollout_samples import NOW, config, namespace, pod, seen

IN = {"state": "on", "namespaces": ["shop"]}
NEXT = {"namespaces": ["pay"]}
POLICY_OF_SHOP = {("policy", "namespaces"): {"pay": {"defaultInboundPolicy": "deny"}}}
NOT_LOOKED = "success rate and latency were not looked at: set viz.prometheusUrl or --prometheus"
GOOD: tuple[Namespace | Pod, ...] = (
    namespace("shop", "on"),
    pod("shop", "a", meshed=True),
    namespace("pay"),
)


def judged(
    *found: Any,
    waves: tuple[Any, ...] = (IN, NEXT),
    more: Any = None,
    failures: Any = None,
    prometheus: PrometheusApi | None = None,
    direction: Any = "next",
    wave: str | None = None,
) -> WaveVerdict:
    """The verdict on the next step."""
    made = config(*waves, more=more)
    cluster = seen(*(found or GOOD), failures=failures)
    return check.judge(made, cluster, step.choose(made, cluster, direction, wave), prometheus)


def test_a_wave_whose_soak_is_over_and_gates_hold_lets_the_next_follow() -> None:
    """Every test below takes one thing away from this."""
    verdict = judged()
    assert verdict.safe
    assert verdict.remarks == (NOT_LOOKED,)


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (
            (namespace("shop", "on", hours=47),),
            "watched for 48h since its last change or restart: until 2026",
        ),
        ((namespace("shop"),), "shop: the plan (on) is not applied"),
        ((namespace("shop", "opt-in"),), "shop: the plan (on) is not applied"),
        ((), "shop: the plan (on) is not applied"),
        (
            (namespace("shop", "on"), pod("shop", "a")),
            "shop: 1 pods have to restart, such as a-1 (enters the mesh)",
        ),
        (
            (namespace("shop", "on"), pod("shop", "a", meshed=True, version="old")),
            "proxy old, control plane edge-26.4.1",
        ),
    ],
)
def test_the_wave_before_must_be_in_and_watched(found: tuple[Any, ...], part: str) -> None:
    """Half a wave shows nothing of what the next one would suffer."""
    verdict = judged(*found, namespace("pay"))
    assert len(verdict.against) == 1
    assert part in verdict.against[0]


def test_the_soak_is_the_waves_own() -> None:
    """The hours of a test environment are the days of production."""
    fresh = (namespace("shop", "on", hours=2), *GOOD[1:])
    assert judged(*fresh, waves=({**IN, "soak": "1h"}, NEXT)).safe
    assert not judged(*fresh, waves=({**IN, "soak": "3h"}, NEXT)).safe


def test_the_soak_begins_when_the_pods_were_restarted_into_the_mesh() -> None:
    """An update that waited for its restarts until an hour ago has shown nothing yet."""

    def restarted(text: str, *, meshed: bool = True) -> WaveVerdict:
        known = {ANNOTATION: text}
        return judged(GOOD[0], pod("shop", "a", meshed=meshed, annotations=known), GOOD[2])

    assert restarted("2026-12-08T11:00:00Z").safe
    late = restarted("2026-12-09T13:00:00+01:00").against
    assert late == (
        "wave w0 is watched for 48h since its last change or restart: until 2026-12-11 12:00 UTC",
    )
    # Whatever somebody wrote there by hand.
    assert restarted("yesterday").safe
    assert restarted("2026-12-10").safe


def test_a_step_whose_stack_file_would_be_refused_is_not_safe() -> None:
    """In the bad hour in which a wave goes back, the refusal of `up` comes too late."""
    allow = [{"serviceAccounts": ["shop/cart"]}]
    port = {"port": 8080, "allow": allow}
    service = {"name": "till", "selector": {"app": "till"}, "ports": [port]}
    more = {
        ("policy", "namespaces"): {"pay": {"defaultInboundPolicy": "deny", "services": [service]}}
    }
    both = {"state": "on", "namespaces": ["pay"]}
    verdict = judged(waves=(both, IN), more=more, direction="back")
    (why,) = verdict.against
    assert why.startswith("the stack file would be refused: linkerd-platform:policy.namespaces.pay")
    assert "serviceAccounts[0]: pods of 'shop' have no mesh identity (its wave 'w1' is off)" in why
    assert "policy.namespaces asks for an identity in pay: what has left" in verdict.remarks[-1]
    # A namespace with a policy of its own goes back: nobody of it is denied by that.
    assert judged(waves=(IN, both), more=more | POLICY_OF_SHOP, direction="back").safe


def test_a_wave_before_its_day_is_refused() -> None:
    """Owners were told a date."""
    assert judged(waves=(IN, {**NEXT, "date": "2026-12-10"})).safe
    verdict = judged(waves=(IN, {**NEXT, "date": "2026-12-11"}))
    assert verdict.against == ("wave w1 is for 2026-12-11, and today is 2026-12-10",)


def test_a_wave_out_of_order_is_refused() -> None:
    """The order of the plan is the order of trust in it."""
    verdict = judged(
        *GOOD, namespace("late"), waves=(IN, NEXT, {"namespaces": ["late"]}), wave="w2"
    )
    assert verdict.against == ("wave w1 comes before w2 and is off",)


def test_a_namespace_that_is_not_there_is_refused_before_the_update_makes_it() -> None:
    """Server-side apply makes what is not there: an empty one of a misspelt name."""
    assert judged(*GOOD[:2]).against == ("pay: is not there: make it, or take it out of the wave",)


def test_a_wave_that_finds_nothing_is_refused() -> None:
    """Its labels are misspelt, most likely."""
    verdict = judged(*GOOD[:2], waves=(IN, {"labels": {"team": "wbe"}}))
    assert verdict.against == ("wave w1 finds no namespace by its labels or as the rest",)


def test_without_a_control_plane_nothing_is_meshed() -> None:
    """With failure policy `Fail` no pod of the wave would start."""
    made = config(IN, NEXT)
    cluster = seen(*GOOD)
    down = type(cluster)(cluster.now, cluster.namespaces, cluster.pods)
    verdict = check.judge(made, down, step.choose(made, down, "next"))
    assert verdict.against == (
        "no proxy of the control plane runs: look at it first (`linkerd check`)",
    )


def restarting(count: int, minutes: int) -> Pod:
    """A meshed pod that restarted so often, last so many minutes ago."""
    ago = NOW - timedelta(minutes=minutes)
    return pod("shop", "a", meshed=True, restarts=count, recent=ago)


@pytest.mark.parametrize(
    ("count", "minutes", "safe"), [(3, 1, True), (4, 1, False), (4, 61, True), (400, 59, False)]
)
def test_restarts_of_late_speak_against(count: int, minutes: int, safe: bool) -> None:
    """A pod that restarted in the night before the wave says nothing of it."""
    verdict = judged(GOOD[0], restarting(count, minutes), GOOD[2])
    assert verdict.safe == safe
    assert safe or "(tolerated: 3)" in verdict.against[0]


def test_the_thresholds_are_the_configs() -> None:
    """A value that is read and ignored is found in an outage."""
    more = {("rollout", "gates"): {"restarts": 4, "window": "2h", "injectorFailures": 1}}
    assert judged(GOOD[0], restarting(4, 1), GOOD[2], more=more).safe
    assert not judged(GOOD[0], restarting(5, 119), GOOD[2], more=more).safe
    assert judged(failures={"shop": 1}, more=more).safe
    assert not judged(failures={"shop": 2}, more=more).safe


def test_failures_of_the_injector_speak_against() -> None:
    """Each is a pod that did not start."""
    verdict = judged(failures={"shop": 1, "elsewhere": 9})
    assert verdict.against == ("shop: the injector failed 1 times for pods that were to be made",)


def measured(rate: str, p95: str, webhook: str = "0") -> Any:
    """A Prometheus in which namespace shop has these figures."""

    def answer(query: str) -> Any:
        if "apiserver" in query:
            return vector(("", webhook))
        return vector(("shop", p95 if "quantile" in query else rate))

    return fake_prometheus(answer)


@pytest.mark.parametrize(
    ("rate", "p95", "webhook", "against"),
    [
        ("0.99", "1000", "0", []),
        ("0.989", "10", "0", ["shop: success rate 98.90 % (least: 99 %)"]),
        ("1", "1001", "0", ["shop: 95th percentile 1001 ms (greatest: 1000 ms)"]),
        ("0", "10", "0", ["shop: success rate 0.00 % (least: 99 %)"]),
        ("1", "+Inf", "0", ["shop: 95th percentile inf ms (greatest: 1000 ms)"]),
    ],
)
def test_requests_are_held_to_rate_and_latency(
    rate: str, p95: str, webhook: str, against: list[str]
) -> None:
    """The two that users notice."""
    with measured(rate, p95, webhook) as url:
        verdict = judged(prometheus=PrometheusApi(url))
    assert list(verdict.against) == against
    assert NOT_LOOKED not in verdict.remarks


def test_the_api_servers_count_of_the_webhook_speaks_against() -> None:
    """The injector itself counts no errors."""
    with measured("1", "1", "2") as url:
        verdict = judged(prometheus=PrometheusApi(url))
    assert [text.split(" for ")[0] for text in verdict.against] == [
        f"the API server counts 2 of apiserver_admission_webhook_{name}"
        for name in ("rejection_count", "fail_open_count")
    ]


def test_a_namespace_without_requests_is_told_and_does_not_fail() -> None:
    """Batch namespaces have none for days."""
    with fake_prometheus(lambda _: vector()) as url:
        verdict = judged(prometheus=PrometheusApi(url))
    assert verdict.safe
    assert verdict.remarks == ("shop: had no request in 1h",)


def test_the_window_of_the_config_is_asked_for() -> None:
    """An hour's average hides ten bad minutes."""
    asked: list[str] = []
    with fake_prometheus(lambda query: asked.append(query) or vector()) as url:
        judged(prometheus=PrometheusApi(url), more={("rollout", "gates", "window"): "10m"})
    assert asked
    assert all("[600s]" in query for query in asked)


def test_a_prometheus_that_does_not_answer_is_no_gate_that_holds() -> None:
    """It is down when things go wrong."""
    with fake_prometheus(lambda _: None) as url:
        pass
    with pytest.raises(PrometheusError):
        judged(prometheus=PrometheusApi(url))


def test_going_back_is_never_refused() -> None:
    """In an outage nobody has time for gates; what stays as it is until a restart is said."""
    bad = (namespace("shop", "on", hours=0), restarting(99, 1))
    verdict = judged(*bad, direction="back", failures={"shop": 5})
    assert verdict.safe
    assert verdict.remarks == ("1 pods keep their proxy until they restart: `bot rollout restart`",)
    more = {("linkerd", "defaultInboundPolicy"): "all-authenticated"}
    assert "is denied where" in judged(*bad, direction="back", more=more).remarks[1].replace(
        "\n", ""
    )


def test_the_verdict_is_the_first_line_and_the_documents_safe() -> None:
    """A pipeline reads the exit code, a human the first line."""
    verdict = judged(GOOD[0], restarting(4, 1), GOOD[2])
    lines = verdict_lines(verdict)
    assert lines[0] == "wave w1: off to on: not safe"
    assert lines[1].startswith("against: shop: pod a-1 restarted 4 times")
    assert verdict_document(verdict)["safe"] is False
    assert verdict_lines(judged())[0] == "wave w1: off to on: safe"
