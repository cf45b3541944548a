"""The objects that collector and Jaeger run as, as functions that return dicts.

Follows https://kubernetes.io/docs/concepts/security/pod-security-standards/ (restricted, but for
the proxy's init container) and https://kubernetes.io/docs/tasks/run-application/configure-pdb/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from components.base import Args, Manifest
from components.names import LINKERD_TRACING
from components.placement import PlacementSection, scheduled

# The collector's own names for its ports, and those of OTLP:
# https://opentelemetry.io/docs/specs/otlp/
OTLP_GRPC, OTLP_HTTP, HEALTH, METRICS = 4317, 4318, 13133, 8888
COLLECTOR, JAEGER = "collector", "jaeger"
CONFIG_FOLDER, CONFIG_FILE = "/etc/trace-collector", "config.yaml"
# The user of both images: Dockerfiles of opentelemetry-collector-releases and of jaeger.
_USER = 10001
_NAME = "app.kubernetes.io/name"
# A port of a Service with any other word here is opaque to Linkerd 2.20, `grpc` too: linkerd2
# policy-controller/core/src/outbound.rs.
H2C, HTTP = "kubernetes.io/h2c", "http"


class Port(Args):
    """A port by name; app_protocol: where a Service has it too."""

    name: str
    number: int
    app_protocol: str | None = None


class CollectorWorkload(Args):
    """A Deployment with one config. files: of its ConfigMap, by name.

    secret: by variable, Secret and its entry. scratch: whether it writes to /tmp. memory: both
    request and limit, for what goes beyond it is refused by the collector and not by the kernel.
    """

    name: str
    image: str
    replicas: int
    cpu_request: str
    memory: str
    ports: tuple[Port, ...]
    health_path: str
    files: dict[str, str]
    secret: dict[str, tuple[str, str]]
    scratch: bool = False
    placement: PlacementSection = PlacementSection()


def as_yaml(config: Mapping[str, Any]) -> str:
    """The text of a config; the same for the same config, with its keys in their order."""
    return yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False, width=1000)


def selector(name: str) -> dict[str, str]:
    """The label of its pods."""
    return {_NAME: name}


def service_account(name: str) -> Manifest:
    """The account whose name is its identity in the mesh; it may do nothing in the API server."""
    made = _object("v1", "ServiceAccount", name, {})
    return made | {"automountServiceAccountToken": False}


def config_map(workload: CollectorWorkload) -> Manifest:
    """Its config; credentials are in no file of it."""
    return _object("v1", "ConfigMap", workload.name, {"data": dict(workload.files)})


def service(workload: CollectorWorkload) -> Manifest:
    """Its Service. Not headless: of one, proxies would call each port, as its SRV records say."""
    ports = [
        {
            "name": port.name,
            "port": port.number,
            "targetPort": port.name,
            "appProtocol": port.app_protocol,
        }
        for port in workload.ports
        if port.app_protocol
    ]
    spec = {"selector": selector(workload.name), "ports": ports}
    return _object("v1", "Service", workload.name, {"spec": spec})


def disruption_budget(workload: CollectorWorkload) -> list[Manifest]:
    """One pod at a time may go in a drain; none for a single replica, which could never go."""
    if workload.replicas < 2:
        return []
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(workload.name)}}
    return [_object("policy/v1", "PodDisruptionBudget", workload.name, {"spec": spec})]


def deployment(workload: CollectorWorkload) -> Manifest:
    """Its Deployment; a change of its config makes new pods."""
    digest = hashlib.sha256(json.dumps(workload.files, sort_keys=True).encode()).hexdigest()
    pod: dict[str, Any] = {
        "serviceAccountName": workload.name,
        # The proxy has a token of its own; the process needs none.
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(workload)],
        "volumes": [{"name": "config", "configMap": {"name": workload.name}}],
        **scheduled(workload.placement),
    }
    if workload.scratch:
        pod["volumes"].append({"name": "tmp", "emptyDir": {}})
    if workload.replicas > 1:
        pod["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector(workload.name)},
            }
        ]
    spec = {
        "replicas": workload.replicas,
        "selector": {"matchLabels": selector(workload.name)},
        "template": {
            "metadata": {
                "labels": selector(workload.name),
                "annotations": {"checksum/config": digest},
            },
            "spec": pod,
        },
    }
    return _object("apps/v1", "Deployment", workload.name, {"spec": spec})


def _container(workload: CollectorWorkload) -> dict[str, Any]:
    mounts = [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}]
    if workload.scratch:
        mounts.append({"name": "tmp", "mountPath": "/tmp"})  # noqa: S108  (in the container)
    container: dict[str, Any] = {
        "name": workload.name,
        "image": workload.image,
        "args": [f"--config={CONFIG_FOLDER}/{CONFIG_FILE}"],
        "ports": [{"name": port.name, "containerPort": port.number} for port in workload.ports],
        "resources": {
            "requests": {"cpu": workload.cpu_request, "memory": workload.memory},
            "limits": {"memory": workload.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": _probe(workload, failures=30),
        "livenessProbe": _probe(workload, failures=3),
        "readinessProbe": _probe(workload, failures=1),
        "volumeMounts": mounts,
    }
    if workload.secret:
        container["env"] = [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
            for name, (secret, key) in sorted(workload.secret.items())
        ]
    return container


def _probe(workload: CollectorWorkload, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": workload.health_path, "port": "health"},
        "periodSeconds": 5,
        "failureThreshold": failures,
    }


def own_ports() -> Sequence[Port]:
    """The ports that both have, and no Service."""
    return (Port(name="health", number=HEALTH), Port(name="metrics", number=METRICS))


def _object(api_version: str, kind: str, name: str, rest: Mapping[str, Any]) -> Manifest:
    metadata = {"name": name, "namespace": LINKERD_TRACING, "labels": selector(name)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}
