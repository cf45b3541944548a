"""Nothing is retired while a leaf below it may be in use, and one round of restarts is enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.mesh.trust.check import retire
from bot.mesh.trust.leaves import switched_at
from bot.mesh.trust.model import Issued, StepVerdict, TrustState
from bot.mesh.trust.restart import phases
from bot.mesh.trust.stage import derive
from tests.unit.bot_trust_samples import (
    DAY,
    HOUR,
    NOW,
    chain,
    control_plane,
    marked,
    seen,
    with_pods,
)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FIVE_HOURS_AGO = NOW - 5 * HOUR


def judged_retire(cluster: TrustState, *remaining: str) -> StepVerdict:
    return retire(cluster, derive(cluster), remaining or ("b",))


def switched_cluster(**changes: object) -> TrustState:
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
    cluster = switched_cluster(pods=control_plane(NOW - 8 * HOUR), ttls=(43 * 3600.0,))
    verdict = judged_retire(cluster)
    assert "3 control plane pods may hold a leaf of the old issuer until" in verdict.reasons[0]
    assert sum(pod.control_plane for pod in verdict.restart) == 3


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
    assert verdict.reasons[0] == (
        "1 control plane pod may sign with the old issuer until it restarts: nothing shows that it "
        "has followed: linkerd/linkerd-identity-0"
    )
    assert "until it restarts after identity has, or for 1 day, 0:00:00" in verdict.reasons[1]
    assert len(verdict.restart) == 3
    assert "not readable (status 503)" in verdict.notes[0]
    assert "pods/proxy" in verdict.notes[1]


@pytest.mark.parametrize("ttl", [None, 43 * 3600.0])
@pytest.mark.parametrize("age", [HOUR, 20 * DAY])
def test_one_round_of_restarts_is_enough_for_retire(ttl: float | None, age: timedelta) -> None:
    """A second one costs the mesh as much as the first, and nobody expects it.

    A pod from after the switch is not in doubt by itself, but would be once identity has restarted.
    """
    cluster = seen("a", "b", signer="b", changed=NOW - 30 * DAY, pods=control_plane(NOW - 9 * DAY),
                   ttls=(ttl,))  # fmt: skip
    cluster = marked(cluster, "web", started=NOW - HOUR)
    cluster = marked(cluster, "old", started=NOW - age)
    first = judged_retire(cluster)
    assert not first.safe
    order = [p.workloads for p in phases(first.restart, leaves=True)]
    names = [workload.name for some in order for workload in some]
    assert names[0] == "linkerd-identity"
    again = []
    for pod in cluster.pods:
        # A second per phase, in the order of the plan.
        place = next((at for at, some in enumerate(order) if pod.owner in some), None)
        moved = pod if place is None else replace(pod, started=NOW + place * SECOND)
        again.append(moved)
    after = replace(cluster, pods=tuple(again), now=NOW + MINUTE, identities=())
    second = judged_retire(after)
    assert second.safe, second.reasons
    assert second.restart == ()


def test_a_pod_that_got_its_leaf_before_identity_restarted_is_in_doubt() -> None:
    """Of the control plane too: its predecessor may have missed the switch."""
    young, old = control_plane(NOW - HOUR), control_plane(NOW - 2 * HOUR)
    identity = next(each for each in young if each.is_identity)
    pods = (identity, *(each for each in old if not each.is_identity))
    verdict = judged_retire(seen("a", "b", signer="b", pods=pods))
    assert not verdict.safe
    assert {each.owner.name for each in verdict.restart} == {
        "linkerd-destination", "linkerd-proxy-injector",
    }  # fmt: skip


def test_what_follows_from_a_restart_of_identity_is_told() -> None:
    """A plan that restarts more than the reasons name must say why."""
    cluster = seen("a", "b", signer="b", pods=control_plane(NOW - 9 * DAY), ttls=(43 * 3600.0,))
    cluster = marked(cluster, "web", started=NOW - HOUR)
    verdict = judged_retire(cluster)
    assert not [reason for reason in verdict.reasons if "shop/web" in reason]
    assert "web" in [pod.name for pod in verdict.restart]
    assert "1 more pod restart after it in the same round" in verdict.notes[-1]


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
    assert "when the issuer changed is not known" in judged_retire(unknown).reasons[-1]
