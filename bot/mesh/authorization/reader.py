"""Reads the workloads and Services of a namespace from the API server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.clients.https import Client
from bot.clients.kubernetes import list_objects
from bot.mesh.authorization.model import KubeService, RunningNamespace, ServingWorkload
from components.policy.section import GRPC_HEALTH

_KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
Object = Mapping[str, Any]


def read(api: Client, name: str) -> RunningNamespace:
    """The namespace as it is now; raises Unreadable."""
    workloads = [
        _workload(kind, item)
        for plural, kind in _KINDS.items()
        for item in list_objects(api, f"/apis/apps/v1/namespaces/{name}/{plural}")
    ]
    services = list_objects(api, f"/api/v1/namespaces/{name}/services")
    return RunningNamespace(name, tuple(workloads), tuple(_service(item) for item in services))


def _workload(kind: str, item: Object) -> ServingWorkload:
    template = item["spec"]["template"]
    spec = template.get("spec") or {}
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    probes: dict[int, set[str]] = {}
    for container in containers:
        for port, path in _probes(container):
            probes.setdefault(port, set()).add(path)
    return ServingWorkload(
        kind=kind,
        name=item["metadata"]["name"],
        labels=(template.get("metadata") or {}).get("labels") or {},
        account=spec.get("serviceAccountName") or "default",
        ports={p["containerPort"]: p.get("name", "") for c in containers for p in _ports(c)},
        probes={port: frozenset(paths) for port, paths in probes.items()},
    )


def _ports(container: Object) -> list[Object]:
    return [p for p in container.get("ports") or () if p.get("protocol", "TCP") == "TCP"]


def _probes(container: Object) -> Iterator[tuple[int, str]]:
    named = {port.get("name"): port["containerPort"] for port in _ports(container)}
    for kind in _PROBES:
        probe = container.get(kind) or {}
        http, grpc = probe.get("httpGet"), probe.get("grpc")
        if http:
            port = named.get(http["port"], http["port"])
            if isinstance(port, int):
                yield port, (http.get("path") or "/").partition("?")[0]
        elif grpc:
            yield grpc["port"], GRPC_HEALTH


def _service(item: Object) -> KubeService:
    spec = item["spec"]
    targets = [
        str(port.get("targetPort") or port["port"])
        for port in spec.get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    ]
    return KubeService(item["metadata"]["name"], spec.get("selector") or {}, tuple(targets))
