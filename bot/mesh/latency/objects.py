"""The objects of a measurement: a namespace of its own, two servers, and a Job for each run."""

from __future__ import annotations

from collections.abc import Sequence

from bot.clients.kubernetes import Manifest
from bot.mesh.latency import fortio
from bot.mesh.latency.model import Load, Variant
from components.placement import Toleration

NAMESPACE = "linkerd-platform-latency"
# Whose run it is; a namespace without it is somebody else's.
LABEL = "linkerd-platform.io/latency"
RUN_LABEL = f"{LABEL}-run"
INJECT = "linkerd.io/inject"
LOAD = "load"
_NATIVE = "config.linkerd.io/proxy-enable-native-sidecar"
_POLICY = "config.linkerd.io/default-inbound-policy"


def namespace(stack: str, run: str, *, cni: bool) -> Manifest:
    """The namespace, in which clients without a proxy get in whatever the cluster's policy is.

    cni: without Linkerd's CNI plugin a pod sets up its own network, which only `privileged` allows.
    """
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {
                LABEL: stack,
                RUN_LABEL: run,
                "pod-security.kubernetes.io/enforce": "restricted" if cni else "privileged",
            },
            "annotations": {_POLICY: "all-unauthenticated"},
        },
    }


def server_of(variant: Variant) -> str:
    """The name of the server that a variant calls."""
    return "server-plain" if variant == "none" else "server-meshed"


def server(name: str, image: str, node: str, tolerations: Sequence[Toleration]) -> Manifest:
    """A server on this node."""
    spec = _pod_spec(image, fortio.server(), node, tolerations, "server")
    spec["containers"][0]["ports"] = [{"containerPort": fortio.PORT}]
    spec["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": fortio.PORT}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app": name},
            "annotations": _injected(meshed=name == server_of("both")),
        },
        "spec": spec,
    }


def service(name: str) -> Manifest:
    """What the clients call: both kinds of client by the same address."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": fortio.PORT, "targetPort": fortio.PORT}],
        },
    }


def job(
    name: str,
    variant: Variant,
    image: str,
    node: str,
    wanted: Load,
    tolerations: Sequence[Toleration],
) -> Manifest:
    """One run, its warm-up first: an init container, which a native sidecar serves already."""
    url = f"http://{server_of(variant)}.{NAMESPACE}.svc.cluster.local:{fortio.PORT}/"
    spec = _pod_spec(image, fortio.load(url, wanted, wanted.seconds), node, tolerations, LOAD)
    if wanted.warm_up:
        warm_up = _container("warm-up", image, fortio.load(url, wanted, wanted.warm_up))
        spec["initContainers"] = [warm_up]
    spec["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": wanted.seconds + wanted.warm_up + 300,
            "template": {
                "metadata": {
                    "labels": {"app": name},
                    "annotations": _injected(meshed=variant == "both"),
                },
                "spec": spec,
            },
        },
    }


def _injected(*, meshed: bool) -> dict[str, str]:
    if not meshed:
        return {INJECT: "disabled"}
    # A sidecar of the old kind would start after the warm-up, and keep a Job from its end.
    return {INJECT: "enabled", _NATIVE: "true"}


def _pod_spec(
    image: str, arguments: list[str], node: str, tolerations: Sequence[Toleration], name: str
) -> Manifest:
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    return {
        "containers": [_container(name, image, arguments)],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "tolerations": [each.model_dump(by_alias=True, exclude_none=True) for each in tolerations],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchFields": [field]}]
                }
            }
        },
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _container(name: str, image: str, arguments: list[str]) -> Manifest:
    return {
        "name": name,
        "image": image,
        "args": arguments,
        # fortio keeps its results where it is started, unless it is told where.
        "workingDir": "/tmp",  # noqa: S108
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
