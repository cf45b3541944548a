"""The viz extension: metrics API, tap, dashboard, and a Prometheus unless there is one already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import pulumi
from pydantic import Field

from components.base import Component
from components.chart import Chart, ChartRef, ChartsArgs, Shape, helm_chart, published_chart
from components.cluster import ClusterSection
from components.linkerd import REGISTRY, HasLinkerd, LogLevel
from components.names import LINKERD, LINKERD_VIZ
from components.namespaces import of_viz
from components.trust import HasTrust
from components.webhook_certificates import (
    VIZ_WEBHOOKS,
    WebhookCertificatesArgs,
    certificate,
    from_cert_manager,
)
from schema.section import Section
from schema.values import HttpUrl


class VizSection(Section):
    """The viz extension: metrics, tap and the dashboard."""

    shapes: ClassVar[dict[str, Shape]] = {
        "linkerd-viz": Shape(
            pods=("", "metricsAPI", "tap", "tapInjector", "dashboard", "prometheus"),
            priority=(),
            images={"defaultRegistry": REGISTRY, "prometheus.image.registry": "docker.io/prom"},
            owned={
                "clusterDomain": "cluster.domain",
                "identityTrustDomain": "trust.domain",
                "linkerdNamespace": "the program",
                "createNamespaceMetadataJob": "the program, which labels the namespace itself",
                "defaultLogLevel": "linkerd.logLevel",
                "prometheusUrl": "viz.prometheusUrl",
                "prometheus.enabled": "viz.prometheusUrl",
                "jaegerUrl": "observability.tracing",
                "tap.replicas": "linkerd.replicas",
                **{
                    f"{webhook}.{key}": "trust.webhooks"
                    for webhook in ("tap", "tapInjector")
                    for key in ("externalSecret", "injectCaFrom", "caBundle", "keyPEM", "crtPEM")
                },
            },
        ),
    }

    enabled: bool = Field(True, description="Installs linkerd-viz.")
    ha: bool = Field(True, description="Upstream's HA values of viz.")
    prometheus_url: HttpUrl | None = Field(
        None, description="An existing Prometheus; without it viz brings one that keeps 6 h."
    )

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return ("linkerd-viz",) if self.enabled else ()


class HasViz(Protocol):
    """A config with the section `viz`."""

    @property
    def viz(self) -> VizSection: ...  # noqa: D102


class VizArgs(ChartsArgs):
    """What viz is set to.

    jaeger: host and port of the Jaeger that its dashboard links to. create_namespace: False where
    the namespace is there already.
    """

    chart: ChartRef = published_chart("linkerd-viz")
    ha: bool = True
    replicas: int = 3
    cluster_domain: str = "cluster.local"
    trust_domain: str = "cluster.local"
    prometheus_url: str | None = None
    log_level: LogLevel = "info"
    image_registry: str = "cr.l5d.io/linkerd"
    jaeger: str | None = None
    create_namespace: bool = True


class Viz(Component, area="mesh"):
    """`linkerd-viz` in the namespace `linkerd-viz`; `certificates` are those of its webhooks.

    None has them signed here by the webhooks' CA, which a `Linkerd` without certificates of others
    has made.
    """

    chart: Chart

    def __init__(
        self,
        name: str,
        args: VizArgs | None = None,
        certificates: Sequence[pulumi.Resource] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        args = args or VizArgs()
        before: list[pulumi.Resource] = []
        if args.create_namespace:
            before.append(self.apply(of_viz(args.prometheus_url), name="namespace"))
        before += self._own(before) if certificates is None else certificates
        self.chart = helm_chart(self, args.chart, LINKERD_VIZ, values(args), *before)
        self.done(
            version=args.chart.version,
            namespace=LINKERD_VIZ,
            prometheus=args.prometheus_url or "linkerd-viz",
        )

    def _own(self, namespace: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        return [
            self.apply(
                certificate(WebhookCertificatesArgs(), secret, service, LINKERD_VIZ),
                *namespace,
                wait_for="condition=Ready",
            )
            for secret, service in VIZ_WEBHOOKS.items()
        ]


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


class _Config(HasViz, HasLinkerd, HasTrust, Protocol):
    """The sections that viz is made from."""


def arguments(
    config: _Config,
    cluster: ClusterSection,
    charts: Mapping[str, ChartRef],
    jaeger: str | None,
) -> VizArgs:
    """Arguments of `Viz` in a stack."""
    return VizArgs(
        chart=charts["linkerd-viz"],
        ha=config.viz.ha,
        replicas=config.linkerd.replicas,
        cluster_domain=cluster.domain,
        trust_domain=config.trust.domain,
        prometheus_url=config.viz.prometheus_url,
        log_level=config.linkerd.log_level,
        image_registry=config.linkerd.image_registry,
        jaeger=jaeger,
        create_namespace=False,
    )
