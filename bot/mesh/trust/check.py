"""Whether a step of a rotation is safe now, and what must restart first. Data in, words out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from bot.mesh.trust.chain import anchor_of, names_of
from bot.mesh.trust.leaves import after_identity, old_leaf, switched_at, unproven, until
from bot.mesh.trust.model import PROPAGATION, IdentityPod, MeshedPod, Stage, StepVerdict, TrustState

# A gauge is read some time after it was computed, and clocks differ.
_TOLERANCE_SECONDS = 60.0
_NAMED = 5
_WHY_ALL = (
    "with issuer_cert_ttl_seconds readable (get on pods/proxy in linkerd) identity would not be in "
    "doubt, and only what is older than the switch would have to restart"
)
_WHY_MORE = (
    "identity restarts, and nothing tells afterwards what it has signed: {} more {} restart after "
    "it in the same round"
)


def switch(seen: TrustState, stage: Stage, generation: str) -> StepVerdict:
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
    return StepVerdict(
        seen.stack, "switch", (generation,), (*reasons, *behind), tuple(notes), tuple(restart)
    )


def between(seen: TrustState, stage: Stage) -> StepVerdict:
    """What is wrong with a cluster in which no step is due."""
    old = old_bundle(seen)
    behind, notes = identity_faults(seen)
    broken = [stage.why] if stage.name in ("unknown", "broken") else []
    notes = [*_held_back(old, "holds an old bundle", "hold an old bundle"), *notes]
    restart = _with(old, stale_identities(seen))
    return StepVerdict(seen.stack, None, (), (*broken, *behind), tuple(notes), tuple(restart))


def retire(seen: TrustState, stage: Stage, remaining: Sequence[str]) -> StepVerdict:
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
        doubted = unproven(seen, switched)
        one = "may sign with the old issuer until it restarts: nothing shows that it has followed"
        reasons += _held_back(doubted, one, one)
        old = [pod for pod in old_leaf(seen, switched) if pod not in (*restart, *doubted)]
        one = f"may hold a leaf of the old issuer until {until(seen, switched)}"
        reasons += _held_back(old, one, one)
        restart = [*restart, *(pod for pod in doubted if pod not in restart), *old]
        if doubted:
            notes.append(_WHY_ALL)
        if again := after_identity(seen, restart):
            notes.append(_WHY_MORE.format(len(again), _pods(again)))
            restart += again
    return StepVerdict(seen.stack, "retire", leaving, tuple(reasons), tuple(notes), tuple(restart))


def old_bundle(seen: TrustState) -> list[MeshedPod]:
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


def identity_faults(seen: TrustState) -> tuple[list[str], list[str]]:
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


def stale_identities(seen: TrustState) -> list[MeshedPod]:
    """The identity pods that sign with another issuer than the Secret's."""
    names = {each.pod for each in _stale(seen)}
    return [pod for pod in seen.pods if str(pod) in names]


def _stale(seen: TrustState) -> list[IdentityPod]:
    left = _issuer_left(seen)
    return [
        each
        for each in seen.identities
        if each.ttl is not None and seen.issuer and abs(each.ttl - left) > _TOLERANCE_SECONDS
    ]


def _issuer_left(seen: TrustState) -> float:
    if not seen.issuer:
        return 0.0
    return (seen.issuer[0].not_valid_after_utc - seen.now).total_seconds()


def _with(pods: Sequence[MeshedPod], more: Sequence[MeshedPod]) -> list[MeshedPod]:
    return [*pods, *(pod for pod in more if pod not in pods)]


def _behind(seen: TrustState, pod: str, ttl: float) -> str:
    fresh = seen.issuer_changed and seen.now < seen.issuer_changed + PROPAGATION
    advice = "wait two minutes, the Secret has just changed" if fresh else "restart it"
    has, wanted = (str(timedelta(seconds=round(each))) for each in (ttl, _issuer_left(seen)))
    return f"{pod} signs with another issuer ({has} left) than the Secret's ({wanted}): {advice}"


def _held_back(pods: Iterable[MeshedPod], one: str, many: str) -> list[str]:
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


def _pods(pods: Sequence[MeshedPod]) -> str:
    return "pod" if len(pods) == 1 else "pods"
