"""How far each namespace is, and which pods have to restart to be as the cluster now wants them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from bot.clients.kubernetes import moment
from bot.mesh.rollout import select
from bot.mesh.rollout.model import Mesh, Namespace, Pod, Restart, RolloutState, Standing
from bot.mesh.rollout.restart import ANNOTATION
from components.rollout.component import INJECT, OPT_OUT
from components.rollout.section import Wave, WaveNamespace
from components.rollout.workloads import as_annotations
from stack.config import StackConfig

INJECTED = ("enabled", "ingress")
_POLICY = "config.linkerd.io/default-inbound-policy"
_NATIVE = "config.linkerd.io/proxy-enable-native-sidecar"
NO_WAVE = "-"


def standings(config: StackConfig, seen: RolloutState) -> list[Standing]:
    """Every namespace of the plan in its order, then those that no wave has.

    What a wave would find by labels or as the rest counts as in it, and as `off`.
    """
    by_namespace: dict[str, list[Pod]] = defaultdict(list)
    for pod in seen.pods:
        by_namespace[pod.namespace].append(pod)
    found = []
    known = set()
    for wave in config.rollout.waves:
        later = [WaveNamespace(name=name) for name in select.found(config, seen, wave)]
        for each in (*wave.namespaces, *later):
            # What only was found is not applied yet, whatever its wave is.
            state = planned(wave, each) if each in wave.namespaces else "off"
            known.add(each.name)
            pods = by_namespace[each.name]
            found.append(_standing(config, seen, pods, each, wave, state))
    for name in sorted(seen.namespaces.keys() - known):
        if select.forbidden(config, name) is None:
            pods = by_namespace[name]
            none = WaveNamespace(name=name)
            found.append(_standing(config, seen, pods, none, None, "off"))
    return found


def planned(wave: Wave, namespace: WaveNamespace) -> str:
    """The state that the plan gives to a namespace: that of the label, or `off`."""
    return OPT_OUT if namespace.opt_out and wave.state != "off" else wave.state


def _standing(
    config: StackConfig,
    seen: RolloutState,
    pods: Sequence[Pod],
    plan: WaveNamespace,
    wave: Wave | None,
    state: str,
) -> Standing:
    there = seen.namespaces.get(plan.name)
    countable = [pod for pod in pods if not pod.host_network]
    proxies = [pod.proxy for pod in pods if pod.proxy]
    return Standing(
        namespace=plan.name,
        wave=wave.name if wave else NO_WAVE,
        state=state,
        mesh=_mesh(there, len(proxies), len(countable)),
        meshed=len(proxies),
        pods=len(countable),
        versions=tuple(sorted({each.version for each in proxies})),
        policies=tuple(sorted({each.policy for each in proxies})),
        native=bool(proxies) and all(each.native for each in proxies),
        restarts=tuple(_restarts(config, seen, pods, there)) if there else (),
        notes=tuple(_notes(config, pods, plan, state, there)),
        owner=(wave.owner if wave else None) or "",
        entered=max(_restarted(pods), default=None),
    )


def _restarted(pods: Iterable[Pod]) -> Iterator[datetime]:
    """When the workloads of meshed pods were restarted on command: then they entered anew."""
    for pod in pods:
        # Whoever wrote it by hand may have written anything.
        with suppress(KeyError, ValueError):
            found = moment(pod.annotations[ANNOTATION])
            if pod.proxy and found.tzinfo:
                yield found


def _mesh(there: Namespace | None, meshed: int, pods: int) -> Mesh:
    if there is None:
        return "not there"
    if not pods:
        return "no pods"
    if not meshed:
        return "not meshed"
    return "meshed" if meshed >= pods else "partly meshed"


def would_inject(pod: Pod, namespace: Namespace) -> bool:
    """Whether the injector would give this pod a proxy if it were made now.

    linkerd2 pkg/inject/report.go: a pod's own annotation wins over its namespace's.
    """
    if pod.host_network:
        return False
    return (pod.inject or namespace.annotations.get(INJECT, "")) in INJECTED


def _restarts(
    config: StackConfig, seen: RolloutState, pods: Iterable[Pod], there: Namespace
) -> Iterator[Restart]:
    for pod in pods:
        if why := _why_restart(config, seen.version, pod, there):
            yield Restart(pod, why)


def _why_restart(config: StackConfig, version: str, pod: Pod, there: Namespace) -> str:
    """What a restart would change of a pod; empty where it would change nothing."""
    wanted = would_inject(pod, there)
    if pod.proxy is None:
        return "enters the mesh" if wanted else ""
    if not wanted:
        return "leaves the mesh"
    if version and pod.proxy.version and pod.proxy.version != version:
        return f"proxy {pod.proxy.version}, control plane {version}"
    default = config.linkerd.default_inbound_policy
    policy = pod.annotations.get(_POLICY) or there.annotations.get(_POLICY) or default
    if pod.proxy.policy and pod.proxy.policy != policy:
        return f"default policy {pod.proxy.policy}, wanted {policy}"
    own = {**there.annotations, **pod.annotations}.get(_NATIVE)
    if config.linkerd.native_sidecar and not own and not pod.proxy.native:
        return "proxy is no native sidecar yet"
    return ""


def _notes(
    config: StackConfig,
    pods: Sequence[Pod],
    plan: WaveNamespace,
    state: str,
    there: Namespace | None,
) -> Iterator[str]:
    if there is None:
        if state != "off":
            yield "is not there: make it, or take it out of its wave"
        return
    if (there.state or "off") != state:
        yield f"the plan says {state}, the cluster has {there.state or 'nothing'}: `bot up`"
    if state == "off" and any(pod.proxy for pod in pods):
        yield "has proxies though its wave is off: a pod's own annotation, or not restarted yet"
    by_workload: dict[str, list[Pod]] = defaultdict(list)
    for pod in pods:
        by_workload[f"{pod.owner.kind}/{pod.owner.name}"].append(pod)
    allowed = plan.workloads.opt_out
    for workload, own in sorted(by_workload.items()):
        out = all(pod.inject == "disabled" for pod in own)
        if state == "on" and workload in allowed and not out:
            yield f"{workload} is to stay outside: set {INJECT}: disabled on its pod template"
        if state == "on" and out and workload not in allowed:
            yield f"{workload} opts out, which the plan does not name"
        if state in ("on", "opt-in") and any(pod.host_network for pod in own):
            yield f"{workload} runs in the host's network, where no proxy can be"
    if state == "on":
        for workload in allowed:
            if workload not in by_workload:
                yield f"{workload} may stay outside, and has no pod: take it out of the plan"
    yield from _overrides(config, plan.name, by_workload)
    if state in ("on", "opt-in"):
        yield from _accounts(by_workload)


def _overrides(
    config: StackConfig, namespace: str, by_workload: Mapping[str, Sequence[Pod]]
) -> Iterator[str]:
    """What is to be written on the pod templates that override the namespace's defaults."""
    defaults = config.workloads.namespaces.get(namespace)
    for workload, override in (defaults.overrides if defaults else {}).items():
        wanted = as_annotations(override)
        for pod in by_workload.get(workload, ())[:1]:
            missing = {k: v for k, v in wanted.items() if pod.annotations.get(k) != v}
            for key, value in sorted(missing.items()):
                yield f"{workload}: set {key}: {value} on its pod template"


def _accounts(by_workload: Mapping[str, Sequence[Pod]]) -> Iterator[str]:
    """Workloads that the mesh cannot tell apart, for they share a service account."""
    users: dict[str, list[str]] = defaultdict(list)
    for workload, pods in sorted(by_workload.items()):
        for account in sorted({pod.account for pod in pods}):
            users[account].append(workload)
    for account, workloads in sorted(users.items()):
        if len(workloads) > 1 or account == "default":
            yield f"service account {account} is that of {', '.join(workloads)}: give each its own"
