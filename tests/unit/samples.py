"""One component of each kind with plain arguments, and what it registers on mocks."""

from __future__ import annotations

import functools
import importlib
import io
import tarfile
from typing import Any, cast

from components import (
    approval_signing,
    buoyant_cloud,
    cert_manager,
    cluster_anchor,
    external_secrets,
    gateway_api,
    identity_issuer,
    linkerd,
    namespaces,
    own_anchor,
    trust_anchor,
    trust_bundle,
    vault_auth,
    viz,
    webhook_certificates,
)
from components.alert_routing import component as alert_routing
from components.alerts import component as alerts
from components.base import Args, Component
from components.chart import ChartRef
from components.dashboards import component as dashboards
from components.monitors import component as monitors
from components.tracing import component as tracing
from stack import listed
from tests.recorder import Recording, record
from tests.unit import mesh_samples, tracing_samples
from tests.unit.alert_samples import ANCHOR_END, alerts_args
from tests.unit.dashboard_samples import dashboards_args
from tests.unit.every_component import COMPONENTS
from tests.unit.routing_samples import BEAT, routing_args
from tests.unit.stack_files import certificate

LIFETIMES = {
    "ca_duration": "8760h0m0s",
    "ca_renew_before": "1440h0m0s",
    "duration": "168h0m0s",
    "renew_before": "72h0m0s",
}


def chart(name: str) -> ChartRef:
    """A chart of that name; the archive need not be there."""
    return ChartRef(name=name, version="1.2.3", path=f"./.local/{name}-1.2.3.tgz")


@functools.cache
def arguments() -> dict[type[Component], Args]:
    """Arguments of each component, as the smallest HA production stack has them."""
    vault: dict[str, Any] = {
        "vault_address": "https://vault.example.com:8200",
        "vault_ca_pem": certificate(),
        "vault_namespace": "platform",
        "kv_mount": "linkerd/kv",
        "auth_mount": "kubernetes/test",
        "audiences": ("vault", "https://kubernetes.default.svc.cluster.local"),
    }
    made: dict[type[Component], Args] = {
        alert_routing.AlertRouting: routing_args(heartbeat=BEAT),
        alerts.Alerts: alerts_args(),
        dashboards.Dashboards: dashboards_args(),
        monitors.Monitors: monitors.MonitorsArgs(
            labels={"release": "prometheus"}, interval="30s", viz=True
        ),
        **mesh_samples.ARGUMENTS,
        approval_signing.ApprovalSigning: approval_signing.ApprovalSigningArgs(
            mount="linkerd/transit", create_mount=True, deletable=False
        ),
        tracing.Tracing: tracing_samples.tracing_args(),
        buoyant_cloud.BuoyantCloud: buoyant_cloud.BuoyantCloudArgs(
            chart=chart("linkerd-buoyant"),
            agent_name="test",
            vault_path="buoyant-cloud",
            refresh_interval="10m0s",
        ),
        cert_manager.CertManager: cert_manager.CertManagerArgs(
            cert_manager=chart("cert-manager"),
            cert_manager_crds=chart("cert-manager-crds"),
            trust_manager=chart("trust-manager"),
            trust_manager_crds=chart("trust-manager-crds"),
            create_namespace=False,
        ),
        cluster_anchor.ClusterAnchor: cluster_anchor.ClusterAnchorArgs(
            role="linkerd-trust-anchor",
            trust_domain="cluster.local",
            generations=(
                cluster_anchor.ClusterGeneration(name="anchor-1", lifetime="87600h0m0s"),
                cluster_anchor.ClusterGeneration(name="anchor-2", lifetime="43800h0m0s"),
            ),
            **vault,
        ),
        external_secrets.ExternalSecrets: external_secrets.ExternalSecretsArgs(
            chart=chart("external-secrets"),
            crds=chart("external-secrets-crds"),
            replicas=2,
            role="external-secrets",
            namespaces=("cert-manager",),
            **vault,
        ),
        gateway_api.GatewayApi: gateway_api.GatewayApiArgs(
            version="1.2.1", chart=chart("gateway-api-crds")
        ),
        identity_issuer.IdentityIssuer: identity_issuer.IdentityIssuerArgs(
            pki_mount="linkerd/pki",
            role="linkerd-identity-issuer",
            signing="anchor-2",
            trust_domain="cluster.local",
            duration="48h0m0s",
            renew_before="25h0m0s",
            custody="vault",
            refresh_interval="10m0s",
            **vault,
        ),
        linkerd.Linkerd: linkerd.LinkerdArgs(
            chart=chart("linkerd-control-plane"),
            crds=chart("linkerd-crds"),
            cluster="test",
            cluster_networks=("10.0.0.0/8", "fd00::/8"),
            gateway_api=False,
            create_namespace=False,
        ),
        namespaces.Namespaces: namespaces.NamespacesArgs(
            viz=True, buoyant_cloud=True, tracing=True
        ),
        own_anchor.OwnAnchor: own_anchor.OwnAnchorArgs(),
        trust_anchor.TrustAnchor: trust_anchor.TrustAnchorArgs(
            pki_mount="linkerd/pki",
            kv_mount="linkerd/kv",
            create_kv_mount=True,
            trust_domain="cluster.local",
            generations=(
                trust_anchor.AnchorGeneration(name="anchor-1", lifetime=1000),
                trust_anchor.AnchorGeneration(name="anchor-2", lifetime=2000),
            ),
        ),
        trust_bundle.TrustBundle: trust_bundle.TrustBundleArgs(
            generations=("anchor-1", "anchor-2"), refresh_interval="10m0s"
        ),
        vault_auth.VaultAuth: vault_auth.VaultAuthArgs(
            cluster="test",
            auth_mount="kubernetes/test",
            create_auth_mount=True,
            kubernetes_host="https://api.example.com:6443",
            kubernetes_ca_pem=certificate(),
            audience="vault",
            token_ttl=600,
            kv_mount="linkerd/kv",
            signing="anchor-2",
            readable=("buoyant-cloud",),
        ),
        viz.Viz: viz.VizArgs(
            chart=chart("linkerd-viz"),
            create_namespace=False,
        ),
        webhook_certificates.WebhookCertificates: webhook_certificates.WebhookCertificatesArgs(
            viz=True, **LIFETIMES
        ),
    }
    for stem, component in COMPONENTS.items():
        if component not in made:
            # Its own tests have a sample, where it has arguments without a default.
            own = getattr(importlib.import_module(f"tests.unit.test_{stem}"), "SAMPLE", None)
            made[component] = own or listed.arguments_of(component)()
    return made


# What a component takes between its arguments and its options.
_NEEDS: dict[type[Component], tuple[Any, ...]] = {
    alerts.Alerts: ({"anchor-1": ANCHOR_END},),
    cluster_anchor.ClusterAnchor: ((),),
    external_secrets.ExternalSecrets: ((),),
    identity_issuer.IdentityIssuer: ((),),
    linkerd.Linkerd: ((),),
    viz.Viz: ((),),
}


def make(
    component: type[Component], name: str = "x", opts: Any = None, **changes: Any
) -> Component:
    """A component with some of its arguments changed; only inside `record`."""
    args = arguments()[component].model_copy(update=changes)
    cls: Any = component
    return cast(Component, cls(name, args, *_NEEDS.get(component, ()), opts=opts))


def made(component: type[Component], preview: bool = False, **changes: Any) -> Recording:
    """What the component called `x` registers, with some arguments changed."""
    return record(lambda: make(component, **changes), preview)


def packed_chart(values: str, template: str) -> bytes:
    """A chart's archive, with its values.yaml and one template."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in (("a/values.yaml", values), ("a/templates/x.yaml", template)):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()
