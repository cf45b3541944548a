"""A step is safe when nothing that runs would be cut off by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.mesh.trust.check import between, old_bundle, switch
from bot.mesh.trust.model import StepVerdict, TrustState
from bot.mesh.trust.stage import derive
from tests.unit.bot_trust_samples import (
    DAY,
    HOUR,
    NOW,
    marked,
    pod,
    seen,
    with_pods,
)

MINUTE = timedelta(minutes=1)


def judged_switch(cluster: TrustState, to: str = "b") -> StepVerdict:
    return switch(cluster, derive(cluster), to)


def test_switch_is_safe_when_everybody_holds_the_new_bundle() -> None:
    """The case that must come through, else the check is worth nothing."""
    verdict = judged_switch(marked(seen("a", "b"), "web", "db"))
    assert verdict.safe
    assert verdict.generations == ("b",)
    assert verdict.restart == ()


def test_switch_waits_for_the_anchor_in_the_bundle() -> None:
    """A leaf below an anchor that nobody trusts is refused everywhere."""
    (reason,) = judged_switch(seen("a")).reasons
    assert reason == "ConfigMap lacks anchor b: it holds a"


def test_switch_waits_for_a_control_plane_older_than_the_bundle() -> None:
    """Identity reads the roots once: it would refuse the new issuer and go on with the old."""
    young = seen("a", "b", changed=NOW - MINUTE)
    verdict = judged_switch(young)
    assert not verdict.safe
    assert "3 control plane pods hold an old bundle" in verdict.reasons[0]
    assert {each.owner.name for each in verdict.restart} == {
        "linkerd-identity", "linkerd-destination", "linkerd-proxy-injector",
    }  # fmt: skip


@pytest.mark.parametrize("mark", ["0" * 64, None])
def test_switch_waits_for_a_pod_with_another_mark_or_none(mark: str | None) -> None:
    """A proxy takes its roots at injection; one without a mark proves nothing."""
    old = pod("web", mark=mark)
    verdict = judged_switch(with_pods(seen("a", "b"), old))
    assert verdict.reasons == ("1 meshed pod holds an old bundle: shop/web",)
    assert verdict.restart == (old,)


def test_a_pod_that_started_in_the_second_of_the_write_counts_as_old() -> None:
    """`managedFields` has whole seconds: within one, either may have come first."""
    at = NOW - HOUR
    assert len(old_bundle(seen("a", changed=at))) == 3
    assert old_bundle(seen("a", changed=at - timedelta(seconds=1))) == []


def test_switch_is_unsafe_where_there_is_no_bundle() -> None:
    """A cluster that is half deployed is not ready."""
    assert judged_switch(seen()).reasons == ("no ConfigMap with trust roots",)


@pytest.mark.parametrize(
    ("off", "safe"), [(0.0, True), (59.0, True), (-59.0, True), (61.0, False), (-7200.0, False)]
)
def test_identity_with_another_issuer_than_the_secret_s_is_unsafe(off: float, safe: bool) -> None:
    """Its watch of the file may have died (linkerd2 #15109): nothing else shows it."""
    left = 43 * 3600.0
    cluster = seen("a", ttls=(left + off,))
    for verdict in (between(cluster, derive(cluster)), judged_switch(cluster, "a")):
        assert verdict.safe is safe
        if not safe:
            assert "signs with another issuer" in verdict.reasons[0]
            assert [each.owner.name for each in verdict.restart] == ["linkerd-identity"]


def test_a_secret_that_has_just_changed_asks_to_wait() -> None:
    """A restart would be in vain: the file comes by itself."""
    cluster = seen("a", switched=NOW - MINUTE, ttls=(3600.0,))
    (reason,) = between(cluster, derive(cluster)).reasons
    assert reason.endswith("wait two minutes, the Secret has just changed")


def test_a_figure_that_cannot_be_read_is_never_called_healthy() -> None:
    """Silence is what a dead process says too."""
    verdict = between(seen("a"), derive(seen("a")))
    assert verdict.safe
    assert "issuer_cert_ttl_seconds is not readable" in verdict.notes[0]
    nobody = seen("a", pods=())
    assert "no identity pod is there" in between(nobody, derive(nobody)).notes[0]


def test_an_expired_issuer_is_unsafe_even_where_no_step_is_due() -> None:
    """`check` is what a job runs every hour."""
    cluster = replace(seen("a"), now=NOW + 3 * DAY)
    assert not between(cluster, derive(cluster)).safe
