"""From a stack's config to the arguments of each component: plain values, known at plan time."""

from __future__ import annotations

from typing import Any

from components.approval_signing import ApprovalSigningArgs
from components.buoyant_cloud import BuoyantCloudArgs
from components.cert_manager import CertManagerArgs
from components.chart import ChartRef
from components.cluster_anchor import ClusterAnchorArgs, ClusterGeneration
from components.external_secrets import ExternalSecretsArgs
from components.gateway_api import GatewayApiArgs
from components.identity_issuer import IdentityIssuerArgs
from components.linkerd import LinkerdArgs
from components.names import CERT_MANAGER, LINKERD_BUOYANT, LINKERD_TRACING
from components.namespaces import NamespacesArgs
from components.trust_anchor import AnchorGeneration, TrustAnchorArgs
from components.trust_bundle import TrustBundleArgs
from components.vault_auth import ANCHOR_ROLE, ISSUER_ROLE, KEY_ROLE, STORE_ROLE, VaultAuthArgs
from components.viz import VizArgs
from components.webhook_certificates import WebhookCertificatesArgs
from stack import arguments_routing, arguments_tracing
from stack.charts import Charts
from stack.config import Cluster, StackConfig


def chart_refs(config: StackConfig, charts: Charts) -> dict[str, ChartRef]:
    """Every archive that the stack needs, by the name it has in charts.yaml (`-crds` for CRDs)."""
    if config.cluster is None:
        return {}
    whole = ["cert-manager", "trust-manager", "external-secrets"]
    if config.sandbox.linkerd:
        whole += ["linkerd-crds", "linkerd-control-plane"]
    only_crds = ["cert-manager", "trust-manager", "external-secrets"]
    if config.gateway_api.install:
        only_crds.append("gateway-api")
    if config.viz.enabled and config.sandbox.linkerd:
        whole.append("linkerd-viz")
    if config.buoyant_cloud.enabled and config.sandbox.linkerd:
        whole.append("linkerd-buoyant")
    made = config.sandbox.charts
    return {
        name: charts.made(name, made[name]) if name in made else charts.chart(name)
        for name in whole
    } | {
        f"{name}-crds": charts.made(f"{name}-crds", made[name])
        if name in made
        else charts.crds(name)
        for name in only_crds
    }


def trust_anchor(config: StackConfig) -> TrustAnchorArgs:
    """Arguments of the owner's trust anchor."""
    return TrustAnchorArgs(
        pki_mount=config.vault.pki_mount,
        kv_mount=config.vault.kv_mount,
        create_kv_mount=config.vault.create_kv_mount,
        trust_domain=config.trust.domain,
        generations=tuple(
            AnchorGeneration(
                name=g.name, lifetime=g.lifetime.seconds, imported=g.source == "imported"
            )
            for g in config.trust.generations
            if g.custody == "vault"
        ),
    )


def approval_signing(config: StackConfig) -> ApprovalSigningArgs:
    """Arguments of the owner's key for approvals."""
    return ApprovalSigningArgs(
        mount=config.vault.transit_mount,
        create_mount=config.vault.create_transit_mount,
        deletable=not config.protection.protect,
    )


class ClusterArguments:
    """Arguments of a cluster's components."""

    def __init__(self, config: StackConfig, cluster: Cluster, charts: dict[str, ChartRef]) -> None:
        self.config = config
        self.cluster = cluster
        self.charts = charts
        self.auth_mount = config.vault.auth_mount or f"kubernetes/{cluster.name}"
        # With the API server's own audience too, Vault can have a token reviewed with itself.
        self.audiences = (config.vault.audience, cluster.api_audience)
        self.refresh_interval = config.external_secrets.refresh_interval.go
        credentials = config.buoyant_cloud.credentials
        in_vault = config.buoyant_cloud.enabled and credentials.source == "vault"
        self.buoyant_vault_path = credentials.vault_path if in_vault else None
        # What the store reads besides the anchors, and the namespaces that may use it.
        paths = {self.buoyant_vault_path: LINKERD_BUOYANT}
        paths |= {arguments_tracing.vault_path(config): LINKERD_TRACING}
        parts = {path: user for path, user in paths.items() if path}
        self.readable = tuple(dict.fromkeys((*parts, *arguments_routing.vault_paths(config))))
        users = (CERT_MANAGER, *parts.values(), *arguments_routing.namespaces(config))
        self.store_users = tuple(dict.fromkeys(users))
        signer = config.trust.signer
        # Whose key this cluster reads, to sign by itself.
        self.signing_key = signer.name if signer.custody == "cluster" else None
        # Roots that cert-manager makes here, for Vault to keep.
        self.own_roots = tuple(
            ClusterGeneration(name=g.name, lifetime=g.lifetime.go, retired=g.retired)
            for g in config.trust.generations
            if config.owns_anchor and g.custody == "cluster" and g.source == "generated"
        )

    def gateway_api(self) -> GatewayApiArgs:
        """Arguments of `GatewayApi`."""
        return GatewayApiArgs(
            version=self.config.gateway_api.version, chart=self.charts.get("gateway-api-crds")
        )

    def namespaces(self) -> NamespacesArgs:
        """Arguments of `Namespaces`."""
        return NamespacesArgs(
            viz=self.config.viz.enabled,
            buoyant_cloud=self.config.buoyant_cloud.enabled,
            prometheus_url=self.config.viz.prometheus_url,
            tracing=arguments_tracing.bundled(self.config),
        )

    def cert_manager(self) -> CertManagerArgs:
        """Arguments of `CertManager`."""
        return CertManagerArgs(
            cert_manager=self.charts["cert-manager"],
            cert_manager_crds=self.charts["cert-manager-crds"],
            trust_manager=self.charts["trust-manager"],
            trust_manager_crds=self.charts["trust-manager-crds"],
            replicas=self.config.cert_manager.replicas,
            trust_manager_replicas=self.config.cert_manager.trust_manager_replicas,
            create_namespace=False,
        )

    def vault_auth(self) -> VaultAuthArgs:
        """Arguments of `VaultAuth`."""
        return VaultAuthArgs(
            cluster=self.cluster.name,
            auth_mount=self.auth_mount,
            create_auth_mount=self.config.vault.create_auth_mount,
            kubernetes_host=self.cluster.api_server,
            kubernetes_ca_pem=self.cluster.ca_pem or "",
            audience=self.config.vault.audience,
            token_ttl=self.config.vault.token_ttl.seconds,
            kv_mount=self.config.vault.kv_mount,
            signing=None if self.signing_key else self.config.trust.signing,
            signing_key=self.signing_key,
            writes_anchors=bool(self.own_roots),
            readable=self.readable,
        )

    def external_secrets(self) -> ExternalSecretsArgs:
        """Arguments of `ExternalSecrets`."""
        return ExternalSecretsArgs(
            chart=self.charts["external-secrets"],
            crds=self.charts["external-secrets-crds"],
            replicas=self.config.external_secrets.replicas,
            role=STORE_ROLE,
            **self._store(),
            namespaces=self.store_users,
        )

    def cluster_anchor(self) -> ClusterAnchorArgs:
        """Arguments of `ClusterAnchor`."""
        return ClusterAnchorArgs(
            role=ANCHOR_ROLE,
            trust_domain=self.config.trust.domain,
            generations=self.own_roots,
            **self._store(),
        )

    def _store(self) -> dict[str, Any]:
        """How a store reaches Vault."""
        return {
            "vault_address": self.config.vault.address,
            "vault_ca_pem": self.config.vault.ca_pem,
            "vault_namespace": self.config.vault.namespace,
            "kv_mount": self.config.vault.kv_mount,
            "auth_mount": self.auth_mount,
            "audiences": self.audiences,
        }

    def trust_bundle(self) -> TrustBundleArgs:
        """Arguments of `TrustBundle`."""
        return TrustBundleArgs(
            generations=tuple(g.name for g in self.config.trust.trusted),
            refresh_interval=self.refresh_interval,
        )

    def identity_issuer(self) -> IdentityIssuerArgs:
        """Arguments of `IdentityIssuer`."""
        trust = self.config.trust
        return IdentityIssuerArgs(
            pki_mount=self.config.vault.pki_mount,
            role=KEY_ROLE if self.signing_key else ISSUER_ROLE,
            **self._store(),
            signing=trust.signing,
            custody=trust.signer.custody,
            trust_domain=trust.domain,
            duration=trust.issuer.duration.go,
            renew_before=trust.issuer.renew_before.go,
            refresh_interval=self.refresh_interval,
        )

    def webhook_certificates(self) -> WebhookCertificatesArgs:
        """Arguments of `WebhookCertificates`."""
        webhooks = self.config.trust.webhooks
        return WebhookCertificatesArgs(
            ca_duration=webhooks.ca_duration.go,
            ca_renew_before=webhooks.ca_renew_before.go,
            duration=webhooks.duration.go,
            renew_before=webhooks.renew_before.go,
            viz=self.config.viz.enabled,
        )

    def linkerd(self) -> LinkerdArgs:
        """Arguments of `Linkerd`."""
        trust = self.config.trust
        return LinkerdArgs(
            chart=self.charts["linkerd-control-plane"],
            crds=self.charts["linkerd-crds"],
            cluster=self.cluster.name,
            cluster_domain=self.cluster.domain,
            cluster_networks=self.cluster.networks,
            trust_domain=trust.domain,
            leaf_lifetime=trust.issuer.leaf_lifetime.go,
            clock_skew=trust.issuer.clock_skew.go,
            tracing=arguments_tracing.proxy_tracing(self.config, self.cluster),
            gateway_api=False,
            create_namespace=False,
            **self.config.linkerd.model_dump(),
        )

    def viz(self) -> VizArgs:
        """Arguments of `Viz`."""
        return VizArgs(
            chart=self.charts["linkerd-viz"],
            ha=self.config.viz.ha,
            replicas=self.config.linkerd.replicas,
            cluster_domain=self.cluster.domain,
            trust_domain=self.config.trust.domain,
            prometheus_url=self.config.viz.prometheus_url,
            log_level=self.config.linkerd.log_level,
            image_registry=self.config.linkerd.image_registry,
            jaeger=arguments_tracing.jaeger_address(self.config, self.cluster),
            create_namespace=False,
        )

    def buoyant_cloud(self) -> BuoyantCloudArgs:
        """Arguments of `BuoyantCloud`."""
        return BuoyantCloudArgs(
            chart=self.charts["linkerd-buoyant"],
            agent_name=self.config.buoyant_cloud.agent_name or self.cluster.name,
            vault_path=self.buoyant_vault_path,
            refresh_interval=self.refresh_interval,
        )
