"""Whether a step of a rotation is safe now, and what must restart first. Data in, words out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.trust_chain import anchor_of, fingerprint, names_of
from bot.trust_model import PROPAGATION, IdentityPod, Pod, Seen, Stage, Verdict

# A gauge is read some time after it was computed, and clocks differ.
_TOLERANCE_SECONDS = 60.0
_NAMED = 5


def switch(seen: Seen, stage: Stage, generation: str) -> Verdict:
    """Whether this cluster is ready for leaves below `generation`, here and from its peers.

    Each proxy, and each identity process, must hold the bundle with it before the first is signed.
    """
    reasons: list[str] = []
    if seen.bundle is None or stage.name == "broken":
        reasons.append(stage.why)
    elif generation not in stage.bundle:
        reasons.append(
            f"ConfigMap lacks anchor {generation}: it holds {', '.join(stage.bundle) or 'none'}"
        )
    old = old_bundle(seen)
    reasons += _held_back(old, "holds an old bundle", "hold an old bundle")
    behind, notes = identity_faults(seen)
    restart = _with(old, stale_identities(seen))
    return Verdict(
        seen.stack, "switch", (generation,), (*reasons, *behind), tuple(notes), tuple(restart)
    )


def between(seen: Seen, stage: Stage) -> Verdict:
    """What is wrong with a cluster in which no step is due."""
    old = old_bundle(seen)
    behind, notes = identity_faults(seen)
    broken = [stage.why] if stage.name in ("unknown", "broken") else []
    notes = [*_held_back(old, "holds an old bundle", "hold an old bundle"), *notes]
    restart = _with(old, stale_identities(seen))
    return Verdict(seen.stack, None, (), (*broken, *behind), tuple(notes), tuple(restart))


def retire(seen: Seen, stage: Stage, remaining: Sequence[str]) -> Verdict:
    """Whether nothing in this cluster needs an anchor that is not among `remaining`.

    Until a leaf's lifetime after the switch, a proxy may present a leaf of the old issuer; one that
    started since got its leaf from the new one.
    """
    leaving = tuple(name for name in stage.bundle if name not in remaining)
    reasons: list[str] = []
    anchors = [seen.anchors[name] for name in remaining if name in seen.anchors]
    restart = _with(old_bundle(seen), stale_identities(seen))
    reasons += _held_back(old_bundle(seen), "holds an old bundle", "hold an old bundle")
    unread, notes = identity_faults(seen)
    reasons += unread
    if seen.bundle is None or not seen.issuer:
        reasons.append(stage.why)
    elif anchor_of(seen.issuer, anchors, seen.now) is None:
        held = names_of([seen.issuer[0]], {})[0]
        reasons.append(
            f"the identity issuer ({held}) does not lead to {', '.join(remaining)} alone: switch "
            "first"
        )
    else:
        switched = switched_at(seen)
        old = [pod for pod in old_leaf(seen, switched) if pod not in restart]
        until = _until(seen, switched)
        one = f"may hold a leaf of the old issuer until {until}"
        reasons += _held_back(old, one, one)
        restart = [*restart, *old]
    return Verdict(seen.stack, "retire", leaving, tuple(reasons), tuple(notes), tuple(restart))


def old_bundle(seen: Seen) -> list[Pod]:
    """The pods that hold another bundle than the ConfigMap's.

    Outside the control plane the injector's annotation says so; a meshed pod without one counts as
    old. The control plane has no annotation: its proxies take the bundle from the ConfigMap when
    they start, and identity reads it once, so its pods are judged by their start against the last
    write to the ConfigMap's data. That time is from `managedFields`: it has whole seconds, and a
    write of something else by the same manager moves it on, so that a pod may be called old which
    is not; the reverse cannot be, but for a hand that edits the ConfigMap's status of ownership.
    """
    if seen.bundle is None:
        return []
    sha, changed = seen.bundle.sha256, seen.bundle.changed
    return [
        pod
        for pod in seen.pods
        if (pod.started <= changed if pod.control_plane else pod.bundle != sha)
    ]


def switched_at(seen: Seen) -> datetime | None:
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


def settled(seen: Seen, switched: datetime) -> datetime:
    """From when on every leaf is of the present issuer.

    That is when the Secret has reached the identity pods. One that started later may have replaced
    one that had missed the new issuer, so what its predecessor signed counts until then.
    """
    reached = switched + PROPAGATION
    return max([reached, *(pod.started for pod in seen.pods if pod.is_identity)])


def old_leaf(seen: Seen, switched: datetime | None) -> list[Pod]:
    """The pods that may present a leaf of the issuer before the switch.

    The control plane must have started since the switch, any other pod since all of identity
    signs with the new issuer; or a leaf's lifetime has passed since then.
    """
    if switched is None:
        return list(seen.pods)
    if seen.now >= settled(seen, switched) + seen.leaf:
        # Renewal is up to identity: one that has not been seen to follow proves nothing by time.
        proven = {each.pod for each in seen.identities if each.ttl is not None}
        return [
            pod
            for pod in seen.pods
            if pod.is_identity and pod.started < switched + PROPAGATION and str(pod) not in proven
        ]
    since = settled(seen, switched)
    return [
        pod
        for pod in seen.pods
        if pod.started < (switched + PROPAGATION if pod.control_plane else since)
    ]


def _until(seen: Seen, switched: datetime | None) -> str:
    if switched is None:
        return "it restarts: when the issuer changed is not known"
    end = settled(seen, switched) + seen.leaf
    return f"{end:%Y-%m-%d %H:%M} UTC, or until it restarts" if end > seen.now else "it restarts"


def identity_faults(seen: Seen) -> tuple[list[str], list[str]]:
    """Identity processes that sign with another issuer than the Secret's, and those unread.

    A process whose watch on the file has died goes on with the issuer it has, up to its end
    (https://github.com/linkerd/linkerd2/issues/15109). What cannot be read is never called healthy.
    """
    if not seen.issuer:
        return [], []
    faults = [_behind(seen, each.pod, each.ttl or 0.0) for each in _stale(seen)]
    notes = [
        f"{each.pod}: issuer_cert_ttl_seconds is not readable ({each.unreadable})"
        for each in seen.identities
        if each.ttl is None
    ]
    if not seen.identities:
        notes.append("no identity pod is there: who signs leaves is not known")
    return faults, notes


def stale_identities(seen: Seen) -> list[Pod]:
    """The identity pods that sign with another issuer than the Secret's."""
    names = {each.pod for each in _stale(seen)}
    return [pod for pod in seen.pods if str(pod) in names]


def _stale(seen: Seen) -> list[IdentityPod]:
    left = _issuer_left(seen)
    return [
        each
        for each in seen.identities
        if each.ttl is not None and seen.issuer and abs(each.ttl - left) > _TOLERANCE_SECONDS
    ]


def _issuer_left(seen: Seen) -> float:
    if not seen.issuer:
        return 0.0
    return (seen.issuer[0].not_valid_after_utc - seen.now).total_seconds()


def _with(pods: Sequence[Pod], more: Sequence[Pod]) -> list[Pod]:
    return [*pods, *(pod for pod in more if pod not in pods)]


def _behind(seen: Seen, pod: str, ttl: float) -> str:
    fresh = seen.issuer_changed and seen.now < seen.issuer_changed + PROPAGATION
    advice = "wait two minutes, the Secret has just changed" if fresh else "restart it"
    has, wanted = (str(timedelta(seconds=round(each))) for each in (ttl, _issuer_left(seen)))
    return f"{pod} signs with another issuer ({has} left) than the Secret's ({wanted}): {advice}"


def _held_back(pods: Iterable[Pod], one: str, many: str) -> list[str]:
    """A line for the control plane and one for the rest, in the order in which they restart."""
    found = list(pods)
    parts = {
        "control plane": [pod for pod in found if pod.control_plane],
        "meshed": [pod for pod in found if not pod.control_plane],
    }
    lines = []
    for what, some in parts.items():
        names = ", ".join(map(str, some[:_NAMED])) + (" …" if len(some) > _NAMED else "")
        if some:
            verb = one if len(some) == 1 else many
            lines.append(f"{len(some)} {what} {_pods(some)} {verb}: {names}")
    return lines


def _pods(pods: Sequence[Pod]) -> str:
    return "pod" if len(pods) == 1 else "pods"
