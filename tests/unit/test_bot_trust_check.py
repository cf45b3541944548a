"""A step is safe when nothing that runs would be cut off by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.trust_check import between, old_bundle, retire, switch, switched_at
from bot.trust_model import Issued, Seen, Verdict
from bot.trust_stage import derive
from tests.unit.bot_trust_samples import (
    DAY,
    HOUR,
    NOW,
    chain,
    control_plane,
    pod,
    seen,
)

MINUTE = timedelta(minutes=1)
FIVE_HOURS_AGO = NOW - 5 * HOUR


def judged_switch(cluster: Seen, to: str = "b") -> Verdict:
    return switch(cluster, derive(cluster), to)


def judged_retire(cluster: Seen, *remaining: str) -> Verdict:
    return retire(cluster, derive(cluster), remaining or ("b",))


def marked(cluster: Seen, *names: str, **changes: object) -> Seen:
    """The cluster with pods that hold its bundle."""
    assert cluster.bundle
    more = tuple(pod(name, mark=cluster.bundle.sha256, **changes) for name in names)  # type: ignore[arg-type]
    return replace(cluster, pods=(*cluster.pods, *more))


def with_pods(cluster: Seen, *more: object) -> Seen:
    return replace(cluster, pods=(*cluster.pods, *more))  # type: ignore[arg-type]


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


def switched_cluster(**changes: object) -> Seen:
    """Switched five hours ago; control plane and pods are as old as the sample's, an hour."""
    return marked(seen("a", "b", signer="b", **changes), "web", started=NOW - HOUR)  # type: ignore[arg-type]


def test_retire_is_safe_when_everything_has_restarted_since_the_switch() -> None:
    """Restarting is the quick way: no leaf's lifetime has passed yet."""
    verdict = judged_retire(switched_cluster())
    assert verdict.safe, verdict.reasons
    assert verdict.generations == ("a",)


def test_retire_waits_for_the_issuer_to_lead_to_what_remains() -> None:
    """Retiring the signer ends the mesh at the next handshake."""
    verdict = judged_retire(seen("a", "b", signer="a"))
    assert len(verdict.reasons) == 1
    assert "does not lead to b alone: switch first" in verdict.reasons[0]


def test_retire_waits_for_a_control_plane_from_before_the_switch() -> None:
    """Its leaves are of the old issuer until it restarts, or their lifetime is over."""
    cluster = switched_cluster(pods=control_plane(NOW - 8 * HOUR))
    verdict = judged_retire(cluster)
    assert "3 control plane pods may hold a leaf of the old issuer until" in verdict.reasons[0]
    assert len(verdict.restart) == 3


def test_retire_waits_for_a_pod_from_before_the_switch_until_its_leaf_has_ended() -> None:
    """The text says when waiting is enough, for whoever may not restart."""
    cluster = with_pods(seen("a", "b", signer="b"))
    cluster = marked(cluster, "old", started=NOW - 6 * HOUR)
    (reason,) = judged_retire(cluster).reasons
    # The newest identity pod started at 11:00, an hour ago: a leaf's lifetime of 24 h from then.
    assert reason == (
        "1 meshed pod may hold a leaf of the old issuer until 2026-03-11 11:00 UTC, or until it "
        "restarts: shop/old"
    )


def test_retire_needs_a_pod_to_have_started_after_identity_did() -> None:
    """An identity pod may have replaced one that had missed the new issuer."""
    cluster = seen("a", "b", signer="b")
    before = marked(cluster, "web", started=NOW - HOUR - MINUTE)
    after = marked(cluster, "web", started=NOW - HOUR)
    assert not judged_retire(before).safe
    assert judged_retire(after).safe


def test_a_pod_within_two_minutes_of_the_switch_may_have_an_old_leaf() -> None:
    """A kubelet takes that long to bring the Secret to identity."""
    for minutes, safe in ((1, False), (3, True)):
        started = FIVE_HOURS_AGO + minutes * MINUTE
        cluster = seen("a", "b", signer="b", pods=control_plane(started))
        assert judged_retire(cluster).safe is safe


def test_retire_is_safe_by_time_when_identity_is_seen_to_follow() -> None:
    """Whoever cannot restart waits for the lifetime of a leaf."""
    pods = control_plane(NOW - 20 * DAY)
    cluster = seen(
        "a", "b", signer="b", changed=NOW - 30 * DAY, switched=NOW - 30 * HOUR,
        pods=pods, ttls=(18 * 3600.0,),
    )  # fmt: skip
    assert judged_retire(marked(cluster, "web", started=NOW - 20 * DAY)).safe


def test_time_proves_nothing_where_identity_cannot_be_read() -> None:
    """It may have missed the switch, and sign with the old issuer to this day."""
    cluster = seen(
        "a", "b", signer="b", changed=NOW - 30 * DAY, switched=NOW - 30 * HOUR,
        pods=control_plane(NOW - 20 * DAY),
    )  # fmt: skip
    verdict = judged_retire(cluster)
    assert not verdict.safe
    assert [each.owner.name for each in verdict.restart] == ["linkerd-identity"]
    assert "not readable (status 503)" in verdict.notes[0]


def test_the_switch_is_the_first_of_an_unbroken_line_of_requests() -> None:
    """An issuer renewed every 23 h would otherwise never be older than a leaf."""
    times = (NOW - 60 * HOUR, NOW - 37 * HOUR, NOW - 14 * HOUR)
    line = tuple(Issued(at, chain("b", at)) for at in times)
    old = Issued(NOW - 83 * HOUR, chain("a", NOW - 83 * HOUR))
    cluster = replace(seen("a", "b", signer="b", switched=times[-1]), requests=(old, *line))
    assert switched_at(cluster) == times[0]
    returned = replace(cluster, requests=(line[0], old, *line[1:]))
    assert switched_at(returned) == times[1]


def test_without_any_request_the_write_to_the_secret_counts() -> None:
    """Somebody cleaned up: the latest that it can have been."""
    cluster = replace(seen("a", "b", signer="b"), requests=())
    assert switched_at(cluster) == FIVE_HOURS_AGO
    unknown = replace(cluster, issuer_changed=None)
    assert switched_at(unknown) is None
    assert "when the issuer changed is not known" in judged_retire(unknown).reasons[0]


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
