"""The viz extension: metrics API, tap, dashboard, and a Prometheus unless there is one already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi

from components.base import Args, Component
from components.chart import Chart, ChartRef, helm_chart
from components.names import LINKERD, LINKERD_VIZ
from components.webhook_certificates import from_cert_manager


class VizArgs(Args):
    """What viz is set to. jaeger: host and port of the Jaeger that its dashboard links to."""

    chart: ChartRef
    ha: bool
    replicas: int
    cluster_domain: str
    trust_domain: str
    prometheus_url: str | None
    log_level: str
    image_registry: str
    jaeger: str | None = None


class Viz(Component, area="mesh"):
    """`linkerd-viz` in the namespace `linkerd-viz`; `certificates` are those of its webhooks."""

    chart: Chart

    def __init__(
        self,
        name: str,
        args: VizArgs,
        certificates: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        self.chart = helm_chart(self, args.chart, LINKERD_VIZ, values(args), *certificates)
        self.done(
            version=args.chart.version,
            namespace=LINKERD_VIZ,
            prometheus=args.prometheus_url or "linkerd-viz",
        )


def values(args: VizArgs) -> dict[str, Any]:
    """Values of the chart `linkerd-viz`.

    Follows linkerd2 viz/charts/linkerd-viz/values.yaml and values-ha.yaml.
    """
    made: dict[str, Any] = {
        "clusterDomain": args.cluster_domain,
        "identityTrustDomain": args.trust_domain,
        "linkerdNamespace": LINKERD,
        "defaultRegistry": args.image_registry,
        "defaultLogLevel": args.log_level,
        # A hook, which the engine does not run: the labels are on our own Namespace.
        "createNamespaceMetadataJob": False,
        "tap": from_cert_manager("tap-k8s-tls", LINKERD_VIZ),
        "tapInjector": from_cert_manager("tap-injector-k8s-tls", LINKERD_VIZ),
    }
    if args.ha:
        resources = {
            "cpu": {"limit": "", "request": "100m"},
            "memory": {"limit": "250Mi", "request": "50Mi"},
        }
        made |= {
            "enablePodAntiAffinity": True,
            "enablePodDisruptionBudget": True,
            "tap": {**made["tap"], "replicas": args.replicas, "resources": resources},
            "dashboard": {"resources": resources},
            "prometheus": {
                "resources": {
                    "cpu": {"limit": "", "request": "300m"},
                    "memory": {"limit": "8192Mi", "request": "300Mi"},
                }
            },
        }
    if args.prometheus_url:
        made["prometheusUrl"] = args.prometheus_url
        made["prometheus"] = {"enabled": False}
    if args.jaeger:
        made["jaegerUrl"] = args.jaeger
    return made
