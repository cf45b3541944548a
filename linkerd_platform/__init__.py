"""The components of linkerd-platform and their arguments, for any Pulumi program."""

# Written by `make docs`.
from components.admission_guard import AdmissionGuard, AdmissionGuardArgs
from components.alert_routing.component import AlertRouting, AlertRoutingArgs
from components.alert_routing.routes.model import (
    HeartbeatArgs,
    ReceiverArgs,
    RouteArgs,
    RoutingArgs,
)
from components.alerts.component import Alerts, AlertsArgs
from components.alerts.groups.model import (
    AlertWorkload,
    Meshed,
    Objective,
    Objectives,
    Setting,
    Thresholds,
)
from components.approval_signing import ApprovalSigning, ApprovalSigningArgs
from components.buoyant_cloud import BuoyantCloud, BuoyantCloudArgs
from components.cert_manager import CertManager, CertManagerArgs
from components.chart import ChartRef
from components.cluster_anchor import ClusterAnchor, ClusterAnchorArgs, ClusterGeneration
from components.cni_plugin import CniPlugin, CniPluginArgs
from components.dashboards.component import Dashboards, DashboardsArgs
from components.dashboards.grafana.model import View, WaveView
from components.egress.component import Egress, EgressArgs, EgressScope, PacketScope
from components.egress.section import EgressHost, KubernetesApiEgress
from components.egress_gateway.component import EgressGateway, EgressGatewayArgs
from components.egress_gateway.egress_partner import EgressPartner, EgressPartnerArgs
from components.egress_gateway.section import Partner, PartnerCredential, PartnerLimit
from components.envoy_gateway import EnvoyGateway, EnvoyGatewayArgs, RedisArgs
from components.external_secrets import ExternalSecrets, ExternalSecretsArgs
from components.gateway_api import GatewayApi, GatewayApiArgs
from components.identity_issuer import IdentityIssuer, IdentityIssuerArgs
from components.ingress.component import Ingress, IngressArgs, IngressIssuer, IngressListener
from components.ingress.ingress_route import IngressRoute
from components.ingress.routes import IngressRouteArgs
from components.ingress.section import (
    Cors,
    ExposedRoute,
    GatewayService,
    IngressBreaker,
    IngressLimit,
    IngressRedirect,
    IngressRetries,
    MirrorTo,
    Oidc,
    SplitPart,
    TokenIdentity,
    TokenRequirement,
)
from components.linkerd import Linkerd, LinkerdArgs, ProxyTracing
from components.monitors.component import Monitors, MonitorsArgs
from components.namespaces import Namespaces, NamespacesArgs
from components.own_anchor import OwnAnchor, OwnAnchorArgs
from components.placement import PlacementSection, Toleration
from components.policy.namespace_policy import NamespacePolicy, NamespacePolicyArgs
from components.policy.objects import ClientsArgs, NetworkArgs, RateLimitArgs
from components.policy.service_policy import (
    PolicyPort,
    PolicyRoute,
    ServicePolicy,
    ServicePolicyArgs,
)
from components.rollout.component import MeshedNamespace, Rollout, RolloutArgs
from components.tracing.component import Tracing, TracingArgs
from components.tracing.section import Backend, BackendCredentials, Collector, Jaeger, Sampling
from components.traffic.component import Traffic, TrafficArgs
from components.traffic.section import (
    Breaker,
    HeaderChanges,
    LoadBias,
    PortTraffic,
    Redirect,
    Retries,
    ServiceTraffic,
    Timeouts,
    TrafficRoute,
)
from components.trust_anchor import AnchorGeneration, TrustAnchor, TrustAnchorArgs
from components.trust_bundle import TrustBundle, TrustBundleArgs
from components.vault_auth import VaultAuth, VaultAuthArgs
from components.viz import Viz, VizArgs
from components.webhook_certificates import WebhookCertificates, WebhookCertificatesArgs

__version__ = "0.1.0"

__all__ = [
    "AdmissionGuard",
    "AdmissionGuardArgs",
    "AlertRouting",
    "AlertRoutingArgs",
    "AlertWorkload",
    "Alerts",
    "AlertsArgs",
    "AnchorGeneration",
    "ApprovalSigning",
    "ApprovalSigningArgs",
    "Backend",
    "BackendCredentials",
    "Breaker",
    "BuoyantCloud",
    "BuoyantCloudArgs",
    "CertManager",
    "CertManagerArgs",
    "ChartRef",
    "ClientsArgs",
    "ClusterAnchor",
    "ClusterAnchorArgs",
    "ClusterGeneration",
    "CniPlugin",
    "CniPluginArgs",
    "Collector",
    "Cors",
    "Dashboards",
    "DashboardsArgs",
    "Egress",
    "EgressArgs",
    "EgressGateway",
    "EgressGatewayArgs",
    "EgressHost",
    "EgressPartner",
    "EgressPartnerArgs",
    "EgressScope",
    "EnvoyGateway",
    "EnvoyGatewayArgs",
    "ExposedRoute",
    "ExternalSecrets",
    "ExternalSecretsArgs",
    "GatewayApi",
    "GatewayApiArgs",
    "GatewayService",
    "HeaderChanges",
    "HeartbeatArgs",
    "IdentityIssuer",
    "IdentityIssuerArgs",
    "Ingress",
    "IngressArgs",
    "IngressBreaker",
    "IngressIssuer",
    "IngressLimit",
    "IngressListener",
    "IngressRedirect",
    "IngressRetries",
    "IngressRoute",
    "IngressRouteArgs",
    "Jaeger",
    "KubernetesApiEgress",
    "Linkerd",
    "LinkerdArgs",
    "LoadBias",
    "Meshed",
    "MeshedNamespace",
    "MirrorTo",
    "Monitors",
    "MonitorsArgs",
    "NamespacePolicy",
    "NamespacePolicyArgs",
    "Namespaces",
    "NamespacesArgs",
    "NetworkArgs",
    "Objective",
    "Objectives",
    "Oidc",
    "OwnAnchor",
    "OwnAnchorArgs",
    "PacketScope",
    "Partner",
    "PartnerCredential",
    "PartnerLimit",
    "PlacementSection",
    "PolicyPort",
    "PolicyRoute",
    "PortTraffic",
    "ProxyTracing",
    "RateLimitArgs",
    "ReceiverArgs",
    "Redirect",
    "RedisArgs",
    "Retries",
    "Rollout",
    "RolloutArgs",
    "RouteArgs",
    "RoutingArgs",
    "Sampling",
    "ServicePolicy",
    "ServicePolicyArgs",
    "ServiceTraffic",
    "Setting",
    "SplitPart",
    "Thresholds",
    "Timeouts",
    "TokenIdentity",
    "TokenRequirement",
    "Toleration",
    "Tracing",
    "TracingArgs",
    "Traffic",
    "TrafficArgs",
    "TrafficRoute",
    "TrustAnchor",
    "TrustAnchorArgs",
    "TrustBundle",
    "TrustBundleArgs",
    "VaultAuth",
    "VaultAuthArgs",
    "View",
    "Viz",
    "VizArgs",
    "WaveView",
    "WebhookCertificates",
    "WebhookCertificatesArgs",
    "__version__",
]
