"""The Linkerd control plane and its CRDs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

import pulumi
from pydantic import Field

from components.base import Args, Component
from components.chart import (
    Chart,
    ChartRef,
    ChartsArgs,
    Shape,
    crd_release,
    helm_chart,
    merged,
    published_chart,
)
from components.cluster import PRIVATE_NETWORKS, ClusterSection
from components.names import LINKERD
from components.namespaces import of_linkerd
from components.own_anchor import OwnAnchor, OwnAnchorArgs
from components.trust import HasTrust
from components.webhook_certificates import (
    WebhookCertificates,
    WebhookCertificatesArgs,
    from_cert_manager,
)
from schema.faults import Fault
from schema.section import Section
from schema.values import Replicas, Text

InboundPolicy = Literal[
    "all-unauthenticated",
    "all-authenticated",
    "cluster-authenticated",
    "cluster-unauthenticated",
    "audit",
    "deny",
]
LogLevel = Literal["debug", "info", "warn", "error"]
HA_REPLICAS = 3
# linkerd2 charts/linkerd-control-plane/values.yaml `proxyInjector.namespaceSelector`
NOT_LOOKED_AT = ("kube-system", "cert-manager")
REGISTRY = "cr.l5d.io/linkerd"


class LinkerdSection(Section):
    """The Linkerd control plane."""

    shapes: ClassVar[dict[str, Shape]] = {
        "linkerd-control-plane": Shape(
            images={
                "controllerImage": f"{REGISTRY}/controller",
                "debugContainer.image.name": f"{REGISTRY}/debug",
                "proxy.image.name": f"{REGISTRY}/proxy",
            },
            owned={
                "clusterDomain": "cluster.domain",
                "clusterNetworks": "cluster.networks",
                "disableIPv6": "cluster.ipv6",
                "identityTrustDomain": "trust.domain",
                "identityTrustAnchorsPEM": "trust.generations",
                "identity.externalCA": "trust.generations",
                "identity.issuer": "trust.issuer",
                "controllerReplicas": "linkerd.replicas",
                "controllerLogLevel": "linkerd.logLevel",
                "webhookFailurePolicy": "linkerd.webhookFailurePolicy",
                "proxy.await": "linkerd.proxyAwait",
                "proxy.nativeSidecar": "linkerd.nativeSidecar",
                "proxy.defaultInboundPolicy": "linkerd.defaultInboundPolicy",
                "proxy.tracing": "observability.tracing",
                "controller.tracing": "observability.tracing",
                "disableHeartBeat": "linkerd.heartbeat",
                "heartbeatSchedule": "linkerd.heartbeat",
                "highAvailability": "linkerd.ha",
                "cniEnabled": "cniPlugin.enabled",
                "linkerdVersion": "charts.yaml, the version of the chart",
                "proxyInjector.namespaceSelector": "rollout.never",
                # Values of older charts: since edge-26 one image is all three, and the init
                # container takes the proxy's resources (templates/_proxy-init.tpl).
                "proxyInit.image": "images.registries",
                "policyController.image": "images.registries",
                "proxyInit.resources": "charts.linkerd-control-plane.values.proxy.resources",
                **{
                    f"{webhook}.{key}": "trust.webhooks"
                    for webhook in ("proxyInjector", "profileValidator", "policyValidator")
                    for key in ("externalSecret", "injectCaFrom", "caBundle", "keyPEM", "crtPEM")
                },
            },
        ),
    }

    ha: bool = Field(True, description="Upstream's HA values; false only for a small cluster.")
    replicas: Replicas = Field(3, description="Replicas of each control plane Deployment.")
    default_inbound_policy: InboundPolicy = Field(
        "all-unauthenticated", description="Who may call a meshed pod where no policy says more."
    )
    webhook_failure_policy: Literal["Fail", "Ignore"] = Field(
        "Fail",
        description="Whether a pod may start while the injector is away: `Ignore` lets it start "
        "outside the mesh, unnoticed.",
    )
    proxy_await: bool = Field(
        True, description="A workload's containers start only when its proxy is ready."
    )
    native_sidecar: bool = Field(
        True, description="The proxy runs as a native sidecar (Kubernetes 1.29 and newer)."
    )
    heartbeat: bool = Field(False, description="Linkerd's daily version check calls home.")
    log_level: LogLevel = Field("info", description="Log level of the control plane.")
    image_registry: Text = Field(
        REGISTRY, description="Registry of Linkerd's images, or of a mirror."
    )

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return ("linkerd-crds", "linkerd-control-plane")


class HasLinkerd(Protocol):
    """A config with the section `linkerd`."""

    @property
    def linkerd(self) -> LinkerdSection: ...  # noqa: D102


class ProxyTracing(Args):
    """Where proxies send spans to, and what they say of themselves.

    endpoint: host and port, of OTLP over gRPC. service_account, namespace: whose identity must
    answer there. open_census: host and port for the spans of the controllers, which speak that
    alone; None for none.
    """

    endpoint: str
    service_account: str
    namespace: str
    service_name: str
    labels: dict[str, str]
    open_census: str | None = None


class LinkerdArgs(LinkerdSection, ChartsArgs):
    """The section with what it depends on; lifetimes as Go writes them (`24h`).

    never: namespaces that the injector's webhook does not look at, so that what is in them starts
    while no injector runs. cni: whether `CniPlugin` sets up pods, in place of an init container.
    anchor: the trust anchor
    to make where no certificates are given. gateway_api: whether its CRDs come with Linkerd's;
    False where they are there already. create_namespace: False where the namespace is.
    """

    chart: ChartRef = published_chart("linkerd-control-plane")
    crds: ChartRef = published_chart("linkerd-crds")
    cluster: str
    cluster_domain: str = "cluster.local"
    cluster_networks: tuple[str, ...] = PRIVATE_NETWORKS
    ipv6: bool = False
    trust_domain: str = "cluster.local"
    leaf_lifetime: str = "24h0m0s"
    clock_skew: str = "20s"
    tracing: ProxyTracing | None = None
    never: tuple[str, ...] = ()
    cni: bool = False
    anchor: OwnAnchorArgs = OwnAnchorArgs()
    gateway_api: bool = True
    create_namespace: bool = True


class Linkerd(Component, area="mesh"):
    """`linkerd-crds` and `linkerd-control-plane` in the namespace `linkerd`.

    `certificates` are the issuer, the bundle and the webhooks' certificates: without them the
    control plane does not start. None makes them here, below an anchor of the cluster's own; that
    needs `CertManager` first.
    """

    chart: Chart

    def __init__(
        self,
        name: str,
        args: LinkerdArgs,
        certificates: Sequence[pulumi.Resource] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        before: list[pulumi.Resource] = []
        if args.create_namespace:
            before.append(self.apply(of_linkerd(), name="namespace"))
        before += self._own(args, before) if certificates is None else certificates
        crds = crd_release(self, args.crds, values={"installGatewayAPI": args.gateway_api})
        self.chart = helm_chart(self, args.chart, LINKERD, values(args), crds, *before)
        self.done(version=args.chart.version, namespace=LINKERD)

    def _own(
        self, args: LinkerdArgs, namespace: Sequence[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        anchor = OwnAnchor(
            f"{self.name}-anchor",
            args.anchor.model_copy(update={"trust_domain": args.trust_domain}),
            self.child(*namespace),
        )
        webhooks = WebhookCertificates(
            f"{self.name}-webhooks", WebhookCertificatesArgs(viz=False), self.child(*namespace)
        )
        return [anchor.certificate, anchor.bundle, *webhooks.control_plane]


def values(args: LinkerdArgs) -> dict[str, Any]:
    """Values of the chart `linkerd-control-plane`; the same text for the same arguments.

    Follows linkerd2 charts/linkerd-control-plane/values.yaml.
    """
    registry = args.image_registry
    made: dict[str, Any] = {
        "clusterDomain": args.cluster_domain,
        "clusterNetworks": ",".join(args.cluster_networks),
        "identityTrustDomain": args.trust_domain,
        "identity": {
            # The anchors come from the Bundle, the issuer from cert-manager: one owner each.
            "externalCA": True,
            "issuer": {
                "scheme": "kubernetes.io/tls",
                "issuanceLifetime": args.leaf_lifetime,
                "clockSkewAllowance": args.clock_skew,
            },
        },
        "controllerReplicas": args.replicas,
        "controllerLogLevel": args.log_level,
        "controllerImage": f"{registry}/controller",
        "debugContainer": {"image": {"name": f"{registry}/debug"}},
        "webhookFailurePolicy": args.webhook_failure_policy,
        "proxyInjector": from_cert_manager("linkerd-proxy-injector-k8s-tls", LINKERD),
        "profileValidator": from_cert_manager("linkerd-sp-validator-k8s-tls", LINKERD),
        "policyValidator": from_cert_manager("linkerd-policy-validator-k8s-tls", LINKERD),
        "proxy": {
            "image": {"name": f"{registry}/proxy"},
            "await": args.proxy_await,
            "nativeSidecar": args.native_sidecar,
            "defaultInboundPolicy": args.default_inbound_policy,
        },
        "disableHeartBeat": not args.heartbeat,
    }
    if args.never:
        made["proxyInjector"] |= {"namespaceSelector": namespace_selector(args.never)}
    if args.cni:
        made["cniEnabled"] = True
    if args.ipv6:
        made["disableIPv6"] = False
    if args.heartbeat:
        # The chart would take the time of the rendering, and never render the same twice.
        made["heartbeatSchedule"] = heartbeat_schedule(args.cluster)
    if args.tracing:
        made = merged(made, tracing_values(args.tracing))
    return merged(made, ha_values()) if args.ha else made


def namespace_selector(never: Sequence[str]) -> dict[str, Any]:
    """Which namespaces the injector's webhook looks at: the chart's own value, without these.

    With `webhookFailurePolicy: Fail` a pod that it looks at is not made while no injector runs.
    """
    disabled = {"key": "config.linkerd.io/admission-webhooks", "values": ["disabled"]}
    names = sorted({*NOT_LOOKED_AT, *never})
    return {
        "matchExpressions": [
            {**disabled, "operator": "NotIn"},
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": names},
        ]
    }


def tracing_values(args: ProxyTracing) -> dict[str, Any]:
    """Values of tracing: for every proxy, those of the control plane among them.

    The labels come on top of the chart's own. The endpoint of the controllers is always named:
    without it they would speak OpenCensus (linkerd2 pkg/trace/trace.go) to the proxies' collector.
    """
    made: dict[str, Any] = {
        "proxy": {
            "tracing": {
                "enabled": True,
                "traceServiceName": args.service_name,
                "labels": dict(args.labels),
                "collector": {
                    "endpoint": args.endpoint,
                    "meshIdentity": {
                        "serviceAccountName": args.service_account,
                        "namespace": args.namespace,
                    },
                },
            }
        }
    }
    if args.open_census:
        controllers = {"enabled": True, "collector": {"endpoint": args.open_census}}
        made["controller"] = {"tracing": controllers}
    return made


def ha_values() -> dict[str, Any]:
    """Upstream's values-ha.yaml, but for the replicas and the failure policy, which are set.

    Without `controllerResources`, which no template reads. tests/charts compares it with the file
    in the chart's archive.
    """
    cpu = {"limit": "", "request": "100m"}
    controller = {"cpu": cpu, "memory": {"limit": "250Mi", "request": "50Mi"}}
    return {
        "enablePodDisruptionBudget": True,
        "controller": {"podDisruptionBudget": {"maxUnavailable": 1}},
        # Anti-affinity by node: on three nodes a rollout must take one pod away first.
        "deploymentStrategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": "25%"}},
        "enablePodAntiAffinity": True,
        "proxy": {
            "resources": {
                "cpu": {"request": "100m"},
                "memory": {"limit": "250Mi", "request": "20Mi"},
            }
        },
        "destinationResources": controller,
        "identityResources": {"cpu": cpu, "memory": {"limit": "250Mi", "request": "10Mi"}},
        "heartbeatResources": controller,
        "proxyInjectorResources": controller,
        "spValidatorResources": controller,
        "highAvailability": True,
    }


def heartbeat_schedule(cluster: str) -> str:
    """A time of day fixed per cluster, spread over the fleet."""
    minutes = int.from_bytes(hashlib.sha256(cluster.encode()).digest()[:4], "big") % 1440
    return f"{minutes % 60} {minutes // 60} * * *"


class _Config(HasLinkerd, HasTrust, Protocol):
    """The sections that the control plane is made from."""


def arguments(
    config: _Config,
    cluster: ClusterSection,
    charts: Mapping[str, ChartRef],
    tracing: ProxyTracing | None,
    *,
    cni: bool,
    never: tuple[str, ...] = (),
) -> LinkerdArgs:
    """Arguments of `Linkerd` in a stack, where the CRDs and the namespace are made before it."""
    return LinkerdArgs(
        chart=charts["linkerd-control-plane"],
        crds=charts["linkerd-crds"],
        cluster=cluster.name,
        cluster_domain=cluster.domain,
        cluster_networks=cluster.networks,
        ipv6=cluster.ipv6,
        trust_domain=config.trust.domain,
        leaf_lifetime=config.trust.issuer.leaf_lifetime.go,
        clock_skew=config.trust.issuer.clock_skew.go,
        tracing=tracing,
        cni=cni,
        never=never,
        gateway_api=False,
        create_namespace=False,
        **config.linkerd.model_dump(),
    )


def check(config: HasLinkerd) -> Iterator[Fault]:
    """All faults of `linkerd`.

    - `linkerd.ha` needs 3 replicas or more.
    """
    if config.linkerd.ha and config.linkerd.replicas < HA_REPLICAS:
        yield Fault(
            ("linkerd", "replicas"),
            f"{config.linkerd.replicas} is under {HA_REPLICAS}, the least for HA: "
            f"write {HA_REPLICAS}, or ha: false",
            looks_at=(("linkerd", "ha"),),
        )
