"""Which pods may hold a leaf of an issuer from before the switch. Data in, data out."""

from __future__ import annotations

from datetime import datetime

from bot.mesh.trust.chain import anchor_of, fingerprint
from bot.mesh.trust.model import PROPAGATION, MeshedPod, TrustState


def switched_at(seen: TrustState) -> datetime | None:
    """Since when the present anchor signs the issuer, at the latest; None when nothing tells.

    The oldest request of the uninterrupted line up to now that leads to the same anchor.
    cert-manager keeps a few (`revisionHistoryLimit`), so the truth may be earlier, never later.
    Without any, the last write to the Secret.
    """
    anchors = [*seen.anchors.values(), *(seen.bundle.certificates if seen.bundle else ())]
    root = anchor_of(seen.issuer, anchors, seen.now)
    since = seen.issuer_changed
    for issued in reversed(seen.requests):
        # An earlier issuer may have ended: it is judged at the time of its making.
        then = max(issued.at, *(each.not_valid_before_utc for each in issued.chain))
        found = anchor_of(issued.chain, anchors, then)
        if root is None or found is None or fingerprint(found) != fingerprint(root):
            break
        since = min(issued.at, since) if since else issued.at
    return since


def settled(seen: TrustState, switched: datetime) -> datetime:
    """From when on every leaf is of the present issuer.

    That is when the Secret has reached the identity pods. One that started later may have replaced
    one that had missed the new issuer, so what its predecessor signed counts until then.
    """
    reached = switched + PROPAGATION
    return max([reached, *(pod.started for pod in seen.pods if pod.is_identity)])


def unproven(seen: TrustState, switched: datetime | None) -> list[MeshedPod]:
    """The identity pods that may sign with the old issuer to this day.

    Those from before the switch of which `issuer_cert_ttl_seconds` cannot be read: a process whose
    watch on the file has died says nothing, and goes on.
    """
    proven = {each.pod for each in seen.identities if each.ttl is not None}
    return [
        pod
        for pod in seen.pods
        if pod.is_identity
        and (switched is None or pod.started < switched + PROPAGATION)
        and str(pod) not in proven
    ]


def old_leaf(seen: TrustState, switched: datetime | None) -> list[MeshedPod]:
    """The pods that may present a leaf of the issuer before the switch.

    A pod must have started since all of identity signs with the new issuer, or a leaf's lifetime
    must have passed since then; identity, which signs its own, since the switch alone. While one
    identity pod is unproven, neither proves anything: it may have signed a leaf a minute ago.
    """
    if switched is None:
        return list(seen.pods)
    doubted = unproven(seen, switched)
    if not doubted and seen.now >= settled(seen, switched) + seen.leaf:
        return []
    reached, since = switched + PROPAGATION, settled(seen, switched)
    return [
        pod
        for pod in seen.pods
        if (pod.started < reached if pod.is_identity else doubted or pod.started < since)
    ]


def after_identity(seen: TrustState, restart: list[MeshedPod]) -> list[MeshedPod]:
    """What must restart again once identity has, unless it does so in the same round.

    Nothing tells afterwards what an identity pod signed that is gone. So where one is to restart,
    all that got a leaf from it restarts after it, once, instead of in a second round.
    """
    if not any(pod.is_identity for pod in restart):
        return []
    return [pod for pod in seen.pods if not pod.is_identity and pod not in restart]


def until(seen: TrustState, switched: datetime | None) -> str:
    """Until when a pod may hold such a leaf, for a sentence."""
    if switched is None:
        return "it restarts: when the issuer changed is not known"
    if unproven(seen, switched):
        return f"it restarts after identity has, or for {seen.leaf} after that"
    end = settled(seen, switched) + seen.leaf
    return f"{end:%Y-%m-%d %H:%M} UTC, or until it restarts" if end > seen.now else "it restarts"
