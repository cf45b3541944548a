"""Where the policies of a stack file do not fit what runs in the cluster.

Each is bad input: applied, it would close a port that pods serve, or deny the kubelet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bot.mesh.authorization.model import KubeService, RunningNamespace, ServingWorkload
from components.policy import look_up as policy
from components.policy.section import GRPC_HEALTH, Service, ServicePort
from schema.faults import Fault
from stack.config import StackConfig


def find(config: StackConfig, running: RunningNamespace) -> list[Fault]:
    """The faults of the policies of a namespace, with the key and the fix of each."""
    section = config.policy.namespaces.get(running.name)
    found: list[Fault] = []
    for index, service in enumerate(section.services if section else ()):
        path = ("policy", "namespaces", running.name, "services", index)
        pods = list(running.behind(service.selector))
        if not pods:
            found.append(Fault((*path, "selector"), _nothing(running, service)))
            continue
        for at, port in enumerate(service.ports):
            here = (*path, "ports", at)
            found += _port(here, running, service, port, pods)
            found += _probes(config, here, running.name, service, port, pods)
    return found + list(_twice(config, running))


def _twice(config: StackConfig, running: RunningNamespace) -> Iterator[Fault]:
    """A port of a workload that two Servers select, such as by its number and by its name.

    Linkerd takes one of them, and nobody knows which.
    """
    section = config.policy.namespaces.get(running.name)
    seen: dict[tuple[str, str, int], str] = {}
    for index, service in enumerate(section.services if section else ()):
        for at, port in enumerate(service.ports):
            taken: set[str] = set()
            for pod in running.behind(service.selector):
                number = pod.number(port.port)
                if number is not None:
                    own = f"port {port.port} of {service.name!r}"
                    first = seen.setdefault((pod.kind, pod.name, number), own)
                    if first != own:
                        taken.add(f"{pod.kind}/{pod.name} has it as {first}")
            if taken:
                path = ("policy", "namespaces", running.name, "services", index, "ports", at)
                message = f"is guarded twice: {'; '.join(sorted(taken))}; keep one of the two"
                yield Fault((*path, "port"), message)


def _nothing(running: RunningNamespace, service: Service) -> str:
    same = next((each for each in running.services if each.name == service.name), None)
    if same is not None and same.selector:
        labels = ", ".join(f"{key}: {value}" for key, value in sorted(same.selector.items()))
        return f"no workload has these labels; the Service {service.name!r} selects {{{labels}}}"
    known = ", ".join(sorted(each.name for each in running.services)) or "none"
    return f"no workload has these labels, and no Service is called so; there are: {known}"


def _port(
    path: tuple[str | int, ...],
    running: RunningNamespace,
    service: Service,
    port: ServicePort,
    pods: list[ServingWorkload],
) -> Iterator[Fault]:
    """A port that neither a Service nor a container has: its rule would guard nothing."""
    served = {number for pod in pods for number in _served(running, pod)}
    wanted = {number for pod in pods if (number := pod.number(port.port)) is not None}
    if not wanted & served:
        known = ", ".join(map(str, sorted(served))) or "none"
        yield Fault(
            (*path, "port"),
            f"no Service has port {port.port} of {service.name!r}, nor has a container of it; "
            f"there are: {known} (a container's port, not the Service's own)",
        )


def _served(running: RunningNamespace, pod: ServingWorkload) -> Iterator[int]:
    yield from pod.ports
    yield from pod.probes
    for each in running.services:
        if pod.selected(each.selector):
            yield from _targets(each, pod)


def _targets(service: KubeService, pod: ServingWorkload) -> Iterator[int]:
    for target in service.targets:
        number = pod.number(target)
        if number is not None:
            yield number


def _probes(
    config: StackConfig,
    path: tuple[str | int, ...],
    namespace: str,
    service: Service,
    port: ServicePort,
    pods: list[ServingWorkload],
) -> Iterator[Fault]:
    """Probes that Linkerd does not allow by itself, and that nobody listed."""
    inbound = policy.inbound_policy(config, namespace, service)
    probed = {p for pod in pods for p in pod.probes.get(pod.number(port.port) or 0, ())}
    listed = set(port.probes or ())
    for probe in sorted(probed - listed):
        # With routes, what is not listed is part of `rest`, where the kubelet is one more client.
        if port.routed or probe == GRPC_HEALTH:
            why = "routes take the automatic allowance away" if port.routed else "gRPC has none"
            denied = inbound in ("all-authenticated", "deny")
            message = (
                f"the kubelet probes {probe}, which default inbound policy {inbound!r} would deny "
                f"({why}): list it"
            )
            if denied:
                yield Fault((*path, "probes"), message)


def shared_accounts(running: RunningNamespace) -> list[str]:
    """Workloads without a service account of their own, one line each.

    A rule for an account lets in every workload that runs as it.
    """
    used = Counter(each.account for each in running.workloads)
    lines = []
    for each in sorted(running.workloads, key=lambda w: (w.kind, w.name)):
        name = f"{running.name}: {each.kind}/{each.name}"
        if each.account == "default":
            lines.append(f"{name} runs as the account default: give it one of its own")
        elif used[each.account] > 1:
            others = used[each.account] - 1
            lines.append(f"{name} shares the account {each.account} with {others} more")
    return lines
