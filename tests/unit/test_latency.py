"""`bot latency`: what is run where, what is reported, and that nothing stays behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bot.cli import dispatch
from bot.clients.https import Answer
from bot.clients.target import Target
from bot.exit_codes import BAD_INPUT, DONE, FAILED, INTERRUPTED, REFUSED, BotError
from bot.mesh.latency import cluster, command, fortio, text
from bot.mesh.latency.model import LatencyReport, Load, Run
from bot.mesh.latency.objects import LABEL, NAMESPACE
from bot.mesh.latency.rounds import rounds
from bot.stacks import PROJECT_DIR
from stack import load as stack_file
from tests.unit.latency_samples import JOBS, OWN, SAID, FakeCluster, log, measured, node, report
from tests.unit.stack_files import REPO

Ran = tuple[int, str, str]
SHORT = ("--rounds", "2", "--seconds", "5", "--warm-up", "1")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command against a cluster that a test makes up; exit code, stdout, stderr."""

    def body(api: FakeCluster, *words: str, config: Any = None) -> Ran:
        made = config or stack_file.from_file(REPO / "Pulumi.staging.yaml")

        @contextmanager
        def client(_: Target) -> Iterator[FakeCluster]:
            yield api

        monkeypatch.setattr(
            command.trust_fleet,
            "target_of",
            lambda stack: Target(stack, PROJECT_DIR, made, None, {}),
        )
        monkeypatch.setattr(command, "api_server", client)
        monkeypatch.setattr(cluster.time, "sleep", lambda _: None)
        code = dispatch.main(["latency", "--stack", "staging", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return body


def test_each_round_has_every_variant_and_begins_with_another() -> None:
    """What drifts on a node over minutes would else meet one variant more than the others."""
    made = rounds(_Instant(), Load(rounds=3), lambda _: None)
    assert [each.variant for each in made] == [
        *("none", "server", "both"),
        *("server", "both", "none"),
        *("both", "none", "server"),
    ]


class _Instant:
    def measure(self, _variant: Any, _number: int) -> Any:
        return measured(1.0)


def test_differences_are_those_of_one_round() -> None:
    """Medians of different rounds have different neighbours on the node."""
    made = report(none=(1.0, 5.0), server=(1.5, 5.5), both=(2.0, 6.0))
    assert made.added("both", 50).median == 1.0
    assert (made.added("server", 50).least, made.added("server", 50).greatest) == (0.5, 0.5)


def test_throughput_is_a_share_of_that_without_proxies() -> None:
    """Requests a second of two machines are not comparable; their shares are."""
    runs = [Run(1, "none", measured(1, 2000.0)), Run(1, "both", measured(1, 1500.0))]
    made = report(runs=[*runs, Run(1, "server", measured(1, 1900.0))], load=Load(rate=0))
    assert made.throughput("both").median == pytest.approx(-25.0)
    assert made.doubts == []


def test_a_difference_that_is_not_above_the_noise_is_told() -> None:
    """A figure with the wrong sign is taken for a gain otherwise."""
    told = text.lines(report())
    assert "not above the noise of this run: p50 of server's proxy, p95 of" in "\n".join(told)
    assert any("+0.50 (+0.50 to +0.60)" in each for each in told)
    assert "client's proxy: 60 us of CPU a request, 24 MiB" in told


@pytest.mark.parametrize(
    ("seen", "doubt"),
    [
        (measured(1, errors=3), "round 1, both proxies: 3 of 15,000 requests failed"),
        (measured(1, 400.0), "round 1, both proxies: reached 400 requests a second of 500"),
    ],
)
def test_a_run_that_is_no_pair_is_doubted(seen: Any, doubt: str) -> None:
    """Refused requests are quick, and a lower rate waits less: both look like good figures."""
    base = [Run(1, "none", measured(1)), Run(1, "server", measured(1))]
    made = report(runs=[*base, Run(1, "both", seen)])
    assert [each.startswith(doubt) for each in made.doubts] == [True]
    assert any(each.startswith(f"doubt: {doubt}") for each in text.lines(made))


def test_the_report_of_fortio_is_found_between_other_lines() -> None:
    """Both streams of a container are one log."""
    found = fortio.measured(log(0.0004, {"200": 14998, "503": 2}))
    assert found.latency == {50: pytest.approx(0.4), 95: pytest.approx(0.8), 99: pytest.approx(1.6)}
    assert (found.requests, found.errors) == (15000, 2)


@pytest.mark.parametrize("output", ["", SAID, "{\n}", '{\n"RetCodes": 1\n}', "Aborting\n"])
def test_no_report_of_fortio_is_an_error(output: str) -> None:
    """Zeros would be the best figures of all."""
    with pytest.raises(BotError, match="fortio gave no report"):
        fortio.measured(output)


def test_a_measurement_leaves_nothing(run: Callable[..., Ran]) -> None:
    """Six Jobs, each client on one node and the servers on the other, all in one namespace."""
    api = FakeCluster(looks=2)
    code, out, err = run(api, *SHORT)
    assert code == DONE, err
    assert api.namespace is None
    assert "left behind: nothing" in out
    assert "round 2 of 2" in err
    jobs = [body for method, path, body in api.heard if (method, path) == ("POST", JOBS)]
    assert len(jobs) == 6
    assert {_node(each["spec"]["template"]["spec"]) for each in jobs} == {"a"}
    pods = [body for method, path, body in api.heard if (method, path) == ("POST", f"{OWN}/pods")]
    assert {_node(each["spec"]) for each in pods} == {"b"}
    changed = {path for method, path, _ in api.heard if method != "GET"}
    assert {each for each in changed if NAMESPACE not in each} == {"/api/v1/namespaces"}


def _node(spec: Any) -> str:
    affinity = spec["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return str(terms[0]["matchFields"][0]["values"][0])


def test_a_report_for_programs_has_every_run(run: Callable[..., Ran]) -> None:
    """Who wants another statistic than a median makes it from these."""
    code, out, _ = run(FakeCluster(), *SHORT, "--json")
    document = json.loads(out)
    assert code == DONE
    assert len(document["runs"]) == 6
    assert document["added"]["both"]["p50"]["median"] == 0
    assert document["proxies"]["client"]["memoryMiB"]["median"] == 24
    assert document["places"]["image"] == f"{fortio.IMAGE}:{fortio.VERSION} (pinned by version)"


def test_the_image_comes_from_the_mirror_of_the_stack_file(run: Callable[..., Ran]) -> None:
    """A cluster without a way out can pull from nowhere else."""
    config = stack_file.from_file(REPO / "Pulumi.staging.yaml")
    images = config.images.model_copy(update={"registry": "mirror.example.com/all"})
    api = FakeCluster()
    assert run(api, *SHORT, config=config.model_copy(update={"images": images}))[0] == DONE
    image = next(
        body["spec"]["containers"][0]["image"]
        for method, path, body in api.heard
        if (method, path) == ("POST", f"{OWN}/pods")
    )
    assert image == f"mirror.example.com/all/fortio/fortio:{fortio.VERSION}"


@pytest.mark.parametrize(
    ("labels", "told"),
    [({LABEL: "staging"}, "--clean"), ({}, "is somebody else's: nothing is run in it")],
)
def test_a_namespace_that_is_there_is_not_used(
    run: Callable[..., Ran], labels: dict[str, str], told: str
) -> None:
    """Nor deleted at the end: a run that is under way would end, or somebody's work be lost."""
    there = {"metadata": {"name": NAMESPACE, "labels": labels, "uid": "other"}}
    api = FakeCluster(namespace=there)
    code, _, err = run(api, *SHORT)
    assert code == REFUSED
    assert told in err
    assert [method for method, path, _ in api.heard if path == OWN and method != "GET"] == []


def test_ctrl_c_cleans_up(run: Callable[..., Ran]) -> None:
    """Load that nobody watches would go on in the cluster."""
    api = FakeCluster()

    def interrupted() -> Answer:
        raise KeyboardInterrupt

    api.odd["POST", JOBS] = interrupted
    code, _, err = run(api, *SHORT)
    assert (code, api.namespace) == (INTERRUPTED, None), err


def test_ctrl_c_before_the_answer_cleans_up_too(run: Callable[..., Ran]) -> None:
    """The namespace is made although its answer never came."""
    api = FakeCluster()

    def interrupted() -> Answer:
        api.namespace = {**api.heard[-1][2]}
        api.namespace["metadata"]["uid"] = "uid-1"
        raise KeyboardInterrupt

    api.odd["POST", "/api/v1/namespaces"] = interrupted
    assert run(api, *SHORT)[0] == INTERRUPTED
    assert api.namespace is None


def test_what_is_left_is_told(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C, or a finalizer, must not end in silence."""
    api = FakeCluster()
    api.odd["DELETE", OWN] = lambda: Answer(403, {"message": "no"})
    code, out, err = run(api, *SHORT)
    assert code == FAILED
    assert f"left behind: namespace {NAMESPACE} (status 403): look again with" in out + err

    def again(*_: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "remove", again)
    code, out, _ = run(FakeCluster(), *SHORT)
    assert code == FAILED
    assert "of which the deletion was not awaited" in out


def test_what_a_killed_run_left_is_deleted_on_command(run: Callable[..., Ran]) -> None:
    """And nothing of anybody else's."""
    api = FakeCluster(namespace={"metadata": {"labels": {LABEL: "staging"}, "uid": "old"}})
    assert run(api, "--clean")[0] == DONE
    assert api.namespace is None
    assert run(FakeCluster(), "--clean")[0] == DONE
    others = FakeCluster(namespace={"metadata": {"uid": "old"}})
    assert run(others, "--clean")[0] == REFUSED
    assert others.namespace is not None


WAITING = {"name": "load", "image": "x/fortio:1", "state": {"waiting": {}}}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"injects": False}, "pod server-meshed: got no proxy"),
        (
            {
                "status": {
                    "containerStatuses": [
                        {**WAITING, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
                    ]
                }
            },
            "image x/fortio:1 cannot be pulled (ImagePullBackOff): set `images`",
        ),
        ({"logs": lambda _: "Aborting because of error -1"}, "fortio gave no report; its last"),
    ],
)
def test_a_run_that_cannot_be_is_an_error_that_cleans_up(
    run: Callable[..., Ran], given: Any, told: str
) -> None:
    """Each of these would be a figure that says nothing, or a wait without end."""
    api = FakeCluster(**given)
    code, out, err = run(api, *SHORT)
    assert code == FAILED
    assert told in err
    assert out == ""
    assert api.namespace is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rate", "-1"), "must be a whole number from 0"),
        (("--rate", "1e3"), "must be a whole number"),
        (("--rounds", "1"), "from 2 to 50"),
        (("--seconds", "\u0665"), "from 5 to 900"),
        (("--image", "a b"), "write it like"),
        (("--client-node", "c"), "--client-node c: the cluster has no such node; known: a, b"),
        (("--server-node", "down"), "--server-node down: this node is not ready"),
    ],
)
def test_bad_input_makes_nothing(
    run: Callable[..., Ran],
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    told: str,
) -> None:
    """Exit code 2, and a line that names the option."""
    nodes = [node("a"), node("b")] + ([node("down", ready=False)] if "down" in words else [])
    api = FakeCluster(nodes=nodes)
    try:
        code, _, err = run(api, *SHORT, *words)
    except SystemExit as ended:
        code, err = int(str(ended.code)), capsys.readouterr().err
    assert code == BAD_INPUT
    assert told in err
    assert all(method == "GET" for method, _, _ in api.heard)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("a", ready=False)],
        [node("a", unschedulable=True)],
        [node("a", taints=[{"key": "x", "effect": "NoSchedule"}])],
    ],
)
def test_without_a_node_nothing_is_made(run: Callable[..., Ran], nodes: Any) -> None:
    """A pod that is pending for ever is a bad answer to the question."""
    api = FakeCluster(nodes=nodes)
    assert run(api, *SHORT)[0] == REFUSED
    assert all(method == "GET" for method, _, _ in api.heard)


def test_one_node_has_both(run: Callable[..., Ran]) -> None:
    """A small cluster has no second one; the report says so."""
    code, out, _ = run(FakeCluster(nodes=[node("only")]), *SHORT)
    assert code == DONE
    assert "client on only, server on only" in out


def test_where_no_pod_runs_nothing_is_measured(run: Callable[..., Ran]) -> None:
    """The sandbox's pods are objects; an owner stack has no cluster at all."""
    config = stack_file.from_file(REPO / "Pulumi.staging.yaml")
    simulated = config.sandbox.model_copy(update={"open_webhooks": True})
    code, _, err = run(FakeCluster(), config=config.model_copy(update={"sandbox": simulated}))
    assert code == REFUSED
    assert "no pod runs there" in err
    owner = stack_file.from_file(REPO / "Pulumi.trust.yaml")
    assert run(FakeCluster(), config=owner)[0] == BAD_INPUT


def test_without_metrics_of_the_proxy_the_latency_is_reported(run: Callable[..., Ran]) -> None:
    """An account without `pods/proxy` gets what it may read."""
    api = FakeCluster()
    for pod in ("server-meshed", "load-both-1-x", "load-both-2-x"):
        api.odd["GET", f"{OWN}/pods/{pod}:4191/proxy/metrics"] = lambda: Answer(403)
    code, out, _ = run(api, *SHORT)
    assert code == DONE
    assert "client's proxy: CPU and memory could not be read" in out


def test_a_report_can_be_made_of_any_bench() -> None:
    """The sandbox's processes are measured by the same rounds and lines."""
    load = Load(rounds=2)
    made = LatencyReport("sandbox", "sandbox", load, rounds(_Instant(), load, lambda _: None))
    assert text.lines(made)[-1] == "left behind: nothing"
