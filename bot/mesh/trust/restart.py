"""What must restart, in order, as commands for a human or a job; nothing is run here."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.mesh.trust.model import IDENTITY, INJECTOR, MeshedPod, PodOwner
from components.names import LINKERD

# kubectl restarts these: https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_WAIT = "--timeout=15m"


@dataclass(frozen=True)
class Phase:
    """One step of the plan: its commands one after the other; without any, it is for a human.

    goes_on: a command that fails does not end the plan; it is told at the end. hints: what a human
    has to do for each of the workloads.
    """

    title: str
    why: str
    workloads: tuple[PodOwner, ...]
    commands: tuple[str, ...] = ()
    goes_on: bool = False
    hints: tuple[str, ...] = ()


def by_hand(kind: str, manifest: Mapping[str, Any] | None) -> str:
    """Why a restart on command does not replace the pods of a workload; empty where it does.

    kubectl refuses a paused Deployment, and to wait for OnDelete; the others it lets pass though
    pods stay. None: the workload is not there.
    https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#update-strategies
    """
    if manifest is None:
        return "is gone, its pods are not: delete them"
    spec = manifest.get("spec") or {}
    strategy = spec.get("updateStrategy") or {}
    if "deletionTimestamp" in (manifest.get("metadata") or {}):
        return "is being deleted: wait until its pods are gone"
    if spec.get("paused"):
        return "is paused: resume it first"
    if kind != "DaemonSet" and spec.get("replicas") == 0:
        return "has no replicas: its last pods end by themselves"
    if strategy.get("type") == "OnDelete":
        return "its update strategy is OnDelete: delete its pods one by one"
    kept = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if kind == "StatefulSet" and kept:
        return f"partition {kept} keeps its first pods as they are: delete them one by one"
    return ""


def phases(
    pods: Iterable[MeshedPod],
    kubectl: Sequence[str] = ("kubectl",),
    *,
    fresh_bundle: bool = False,
    leaves: bool = False,
    held: Mapping[PodOwner, str] | None = None,
) -> list[Phase]:
    """The phases that these pods ask for; none where nothing must restart.

    The injector comes before any workload: a pod that is admitted with a bundle from before the
    change has to restart again. It restarts too where the bundle is so fresh that its mounted file
    may be the old one. leaves: it is about leaves, not about the bundle, so identity goes before
    the injector: else that one may have its new leaf from an identity process that is replaced
    next. kubectl: the program with its global options. held: the workloads that no restart on
    command replaces, each with the reason; they are for a human, and hold up nothing else.
    """
    found = list(pods)
    aside = held or {}
    own = {pod.owner for pod in found if pod.control_plane and pod.owner not in aside}
    rest = sorted({p.owner for p in found if not p.control_plane and p.owner not in aside})
    injector = {each for each in own if each.name == INJECTOR}
    if fresh_bundle and rest:
        injector |= {PodOwner(LINKERD, "Deployment", INJECTOR)}
    identity = {each for each in own if each.name == IDENTITY}
    planned = [
        _phase(
            "proxy injector",
            "it writes the bundle into each new pod, so it comes before every workload; the "
            "rollout is awaited, since a new pod mounts the ConfigMap as it is now",
            injector,
            kubectl,
        ),
        _phase(
            "identity",
            "it reads bundle and issuer at its start, and signs every leaf from then on",
            identity,
            kubectl,
        ),
        _phase(
            "rest of the control plane",
            "its proxies take bundle and leaf at their start",
            {each for each in own - injector - identity if each.kind in KINDS},
            kubectl,
        ),
    ]
    if leaves:
        planned[0], planned[1] = planned[1], planned[0]
    for kind in KINDS:
        some = [each for each in rest if each.kind == kind]
        planned.append(_phase(f"{kind}s", "meshed workloads", some, kubectl, goes_on=True))
    jobs = {each for each in [*own, *rest] if each.kind in ("Job", "CronJob")}
    planned.append(Phase("Jobs", "let each finish, or delete it and run it again", _sorted(jobs)))
    others = {each for each in [*own, *rest] if each.kind not in (*KINDS, "Job", "CronJob")}
    others |= {pod.owner for pod in found if pod.owner in aside}
    hand = _sorted(others)
    planned.append(
        Phase(
            "by hand",
            "no rollout is known for these: delete and make a bare pod again, restart any other "
            "kind as its operator says",
            hand,
            hints=tuple(hint(each, found, aside.get(each, ""), kubectl) for each in hand),
        )
    )
    return [phase for phase in planned if phase.workloads]


def hint(
    owner: PodOwner, pods: Iterable[MeshedPod], why: str, kubectl: Sequence[str] = ("kubectl",)
) -> str:
    """What a human has to do for a workload, as a sentence and the command."""
    words = [*kubectl, "-n", owner.namespace]
    if "paused" in why:
        return f"{why}: {shlex.join([*words, 'rollout', 'resume', f'deployment/{owner.name}'])}"
    if owner.kind == "Pod":
        command = shlex.join([*words, "delete", f"pod/{owner.name}"])
        return f"nothing makes it again: {command}, then apply its own manifest"
    if "by themselves" in why or "wait until" in why:
        return why
    if own := _own_way(owner, kubectl):
        return f"its own way: {shlex.join(own)}"
    names = sorted({pod.name for pod in pods if pod.owner == owner})
    commands = [shlex.join([*words, "delete", f"pod/{name}"]) for name in names]
    return f"{why or 'as its operator says, or'}: {'; '.join(commands)}"


def _own_way(owner: PodOwner, kubectl: Sequence[str]) -> list[str]:
    """The restart that the controller of a kind of its own has; empty where none is known.

    https://argo-rollouts.readthedocs.io/en/stable/features/restart/,
    https://strimzi.io/docs/operators/latest/deploying (rolling updates by an annotation)
    """
    # A plugin, and another program, take the options of kubectl at their end.
    name, end = owner.name, ["-n", owner.namespace, *kubectl[1:]]
    ways = {
        "Rollout": [kubectl[0], "argo", "rollouts", "restart", name, *end],
        "DeploymentConfig": ["oc", "rollout", "latest", f"dc/{name}", *end],
        "StrimziPodSet": [
            *(*kubectl, "-n", owner.namespace, "annotate", "strimzipodset", name),
            "strimzi.io/manual-rolling-update=true",
        ],
    }
    return ways.get(owner.kind, [])


def _sorted(workloads: Iterable[PodOwner]) -> tuple[PodOwner, ...]:
    return tuple(sorted(workloads))


def _phase(
    title: str,
    why: str,
    some: Iterable[PodOwner],
    kubectl: Sequence[str],
    *,
    goes_on: bool = False,
) -> Phase:
    workloads = _sorted(some)
    commands = []
    for action, *options in (("restart",), ("status", _WAIT)):
        for each in workloads:
            target = f"{each.kind.lower()}/{each.name}"
            words = [*kubectl, "-n", each.namespace, "rollout", action, target, *options]
            commands.append(shlex.join(words))
    return Phase(title, why, workloads, tuple(commands), goes_on)
