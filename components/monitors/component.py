"""What Prometheus scrapes of the platform, for one that prometheus-operator runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pydantic import Field

from components.base import Args, Component, Manifest
from components.envoy_gateway import proxies_of
from components.names import (
    CERT_MANAGER,
    CERT_MANAGER_PODS,
    EGRESS_GATEWAY,
    EXTERNAL_SECRETS,
    EXTERNAL_SECRETS_PODS,
    INGRESS,
    LINKERD,
    LINKERD_EGRESS_GATEWAY,
    LINKERD_INGRESS,
    LINKERD_TRACING,
    LINKERD_VIZ,
    TRUST_MANAGER_PODS,
    Operators,
)

Relabelings = list[dict[str, Any]]
# Ports by the names that the charts give them; tests/charts finds each in the rendered pods.
CERT_MANAGER_PORT = "http-metrics"
TRUST_MANAGER_PORT = "metrics"
EXTERNAL_SECRETS_PORT = "metrics"
COLLECTOR_PORT = "metrics"
PROXY_PORT = "linkerd-admin"
ENVOY_PORT = "metrics"
_PORT = "__meta_kubernetes_pod_container_port_name"
_CONTAINER = "__meta_kubernetes_pod_container_name"
_PROXY_LABEL = "__meta_kubernetes_pod_label_linkerd_io_proxy_"


class MonitorsArgs(Args):
    """Labels by which Prometheus selects them, how often it scrapes, and whether viz is there.

    tracing: whether a collector of ours is; ingress, egress_gateway: whether that gateway is.
    """

    labels: dict[str, str] = Field({})
    interval: str = "30s"
    viz: bool = True
    tracing: bool = False
    ingress: bool = False
    egress_gateway: bool = False
    operators: Operators = Operators()


class Monitors(Component, area="observability"):
    """PodMonitors of control plane, proxies, cert-manager, trust-manager and External Secrets."""

    def __init__(
        self, name: str, args: MonitorsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        made = manifests(args)
        for manifest in made:
            self.apply(manifest)
        self.done(names=[manifest["metadata"]["name"] for manifest in made])


def manifests(args: MonitorsArgs) -> list[Manifest]:
    """The PodMonitors.

    PodMonitors, because not every part has a Service for its metrics.
    Follows https://prometheus-operator.dev/docs/api-reference/api/ PodMonitor.
    """
    made = [
        _controller(args),
        _multicluster(args),
        _proxies(args),
        *_operators(args),
    ]
    if args.tracing:
        names = _named("collector", "jaeger")
        made.append(_operator(args, "trace-collector", LINKERD_TRACING, names, COLLECTOR_PORT))
    if args.ingress:
        made.append(_gateway(args, INGRESS, "ingress-gateway", LINKERD_INGRESS))
    if args.egress_gateway:
        made.append(_gateway(args, EGRESS_GATEWAY, EGRESS_GATEWAY, LINKERD_EGRESS_GATEWAY))
    return made


def _gateway(args: MonitorsArgs, gateway: str, name: str, namespace: str) -> Manifest:
    """Envoy of a gateway, whose port Envoy Gateway names."""
    labels = {"matchLabels": proxies_of(gateway)}
    endpoint = {"port": ENVOY_PORT, "path": "/stats/prometheus", "relabelings": [_job(gateway)]}
    return _pod_monitor(args, name, namespace, labels, [namespace], endpoint)


def _operators(args: MonitorsArgs) -> list[Manifest]:
    places = args.operators
    return [
        _operator(args, name, namespace, _named(*pods), port)
        for name, namespace, pods, port in (
            (CERT_MANAGER, places.cert_manager, CERT_MANAGER_PODS, CERT_MANAGER_PORT),
            ("trust-manager", places.trust_manager, TRUST_MANAGER_PODS, TRUST_MANAGER_PORT),
            (
                EXTERNAL_SECRETS,
                places.external_secrets,
                EXTERNAL_SECRETS_PODS,
                EXTERNAL_SECRETS_PORT,
            ),
        )
    ]


def _named(*names: str) -> dict[str, Any]:
    key = "app.kubernetes.io/name"
    return {"matchExpressions": [{"key": key, "operator": "In", "values": list(names)}]}


def _operator(
    args: MonitorsArgs, name: str, namespace: str, selector: dict[str, Any], port: str
) -> Manifest:
    """Of an operator, whose series carry the name and namespace of what they are about."""
    endpoint = {
        "port": port,
        # Else `namespace` would be that of the operator's pod, and the rules would find nothing.
        "honorLabels": True,
        "relabelings": [_job(name)],
    }
    return _pod_monitor(args, name, namespace, selector, [namespace], endpoint)


def _controller(args: MonitorsArgs) -> Manifest:
    """Every admin port of the control plane and of viz, but those of their proxies.

    Follows linkerd2 charts/linkerd-control-plane/templates/podmonitor.yaml. The job is called as
    in viz's own Prometheus, which the dashboard's queries know.
    """
    namespaces = [LINKERD, *([LINKERD_VIZ] if args.viz else [])]
    relabelings = [
        _keep([_PORT], ".*admin"),
        _drop([_PORT], PROXY_PORT),
        _replace([_CONTAINER], "component"),
        _job("linkerd-controller"),
    ]
    endpoint = {"relabelings": relabelings}
    return _pod_monitor(args, "linkerd-controller", LINKERD, {}, namespaces, endpoint)


def _multicluster(args: MonitorsArgs) -> Manifest:
    """The service mirrors of other clusters, wherever they run."""
    component = "__meta_kubernetes_pod_label_linkerd_io_control_plane_component"
    relabelings = [
        _keep([component, _PORT], "(linkerd-service-mirror|controller);.*-admin"),
        _drop([_PORT], PROXY_PORT),
        _replace([_CONTAINER], "component"),
        _job("linkerd-multicluster-controller"),
    ]
    endpoint = {"relabelings": relabelings}
    return _pod_monitor(args, "linkerd-multicluster-controller", LINKERD, {}, None, endpoint)


def _proxies(args: MonitorsArgs) -> Manifest:
    """Every proxy, with its workload as a label.

    Labels of the pods themselves are not copied, as upstream does: one called `direction` or `job`
    would take the place of the proxy's own.
    """
    namespace = "__meta_kubernetes_pod_label_linkerd_io_control_plane_ns"
    relabelings = [
        _keep([_CONTAINER, _PORT, namespace], f"linkerd-proxy;{PROXY_PORT};{LINKERD}"),
        _replace(["__meta_kubernetes_namespace"], "namespace"),
        _replace(["__meta_kubernetes_pod_name"], "pod"),
        # `job` is Prometheus' own.
        _replace([f"{_PROXY_LABEL}job"], "k8s_job"),
        {"action": "labeldrop", "regex": f"{_PROXY_LABEL}job"},
        {"action": "labelmap", "regex": f"{_PROXY_LABEL}(.+)"},
        _replace([namespace], "control_plane_ns"),
        _job("linkerd-proxy"),
    ]
    endpoint = {"relabelings": relabelings}
    return _pod_monitor(args, "linkerd-proxy", LINKERD, {}, None, endpoint)


def _pod_monitor(
    args: MonitorsArgs,
    name: str,
    namespace: str,
    selector: dict[str, Any],
    namespaces: Sequence[str] | None,
    endpoint: dict[str, Any],
) -> Manifest:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if args.labels:
        metadata["labels"] = dict(args.labels)
    where = {"matchNames": list(namespaces)} if namespaces else {"any": True}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata,
        "spec": {
            "namespaceSelector": where,
            "selector": selector,
            "podMetricsEndpoints": [
                {"interval": args.interval, "scrapeTimeout": "10s", **endpoint}
            ],
        },
    }


def _keep(sources: Sequence[str], regex: str) -> dict[str, Any]:
    return {"sourceLabels": list(sources), "action": "keep", "regex": regex}


def _drop(sources: Sequence[str], regex: str) -> dict[str, Any]:
    return {"sourceLabels": list(sources), "action": "drop", "regex": regex}


def _replace(sources: Sequence[str], target: str) -> dict[str, Any]:
    return {"sourceLabels": list(sources), "action": "replace", "targetLabel": target}


def _job(name: str) -> dict[str, Any]:
    return {"action": "replace", "targetLabel": "job", "replacement": name}
