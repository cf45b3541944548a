"""What must restart, in order, as commands for a human or a job; nothing is run here."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.mesh.trust.model import IDENTITY, INJECTOR, MeshedPod, MeshedWorkload
from components.names import LINKERD

# kubectl restarts these: https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_WAIT = "--timeout=15m"


@dataclass(frozen=True)
class Phase:
    """One step of the plan: its commands one after the other; without any, it is for a human."""

    title: str
    why: str
    workloads: tuple[MeshedWorkload, ...]
    commands: tuple[str, ...] = ()


def phases(
    pods: Iterable[MeshedPod],
    kubectl: Sequence[str] = ("kubectl",),
    *,
    fresh_bundle: bool = False,
    leaves: bool = False,
) -> list[Phase]:
    """The phases that these pods ask for; none where nothing must restart.

    The injector comes before any workload: a pod that is admitted with a bundle from before the
    change has to restart again. It restarts too where the bundle is so fresh that its mounted file
    may be the old one. leaves: it is about leaves, not about the bundle, so identity goes before
    the injector: else that one may have its new leaf from an identity process that is replaced
    next. kubectl: the program with its global options.
    """
    found = list(pods)
    own = {pod.owner for pod in found if pod.control_plane}
    rest = sorted({pod.owner for pod in found if not pod.control_plane})
    injector = {each for each in own if each.name == INJECTOR}
    if fresh_bundle and rest:
        injector |= {MeshedWorkload(LINKERD, "Deployment", INJECTOR)}
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
        planned.append(_phase(f"{kind}s", "meshed workloads", some, kubectl))
    jobs = {each for each in [*own, *rest] if each.kind in ("Job", "CronJob")}
    planned.append(Phase("Jobs", "let each finish, or delete it and run it again", _sorted(jobs)))
    others = [each for each in [*own, *rest] if each.kind not in (*KINDS, "Job", "CronJob")]
    planned.append(
        Phase(
            "by hand",
            "no rollout is known for these: delete and make a bare pod again, restart any other "
            "kind as its operator says",
            _sorted(others),
        )
    )
    return [phase for phase in planned if phase.workloads]


def _sorted(workloads: Iterable[MeshedWorkload]) -> tuple[MeshedWorkload, ...]:
    return tuple(sorted(workloads))


def _phase(title: str, why: str, some: Iterable[MeshedWorkload], kubectl: Sequence[str]) -> Phase:
    workloads = _sorted(some)
    commands = []
    for action, *options in (("restart",), ("status", _WAIT)):
        for each in workloads:
            target = f"{each.kind.lower()}/{each.name}"
            words = [*kubectl, "-n", each.namespace, "rollout", action, target, *options]
            commands.append(shlex.join(words))
    return Phase(title, why, workloads, tuple(commands))
