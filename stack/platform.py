"""What a stack is made of, in order. Read this file to know what `pulumi up` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pulumi_vault as vault

from components.buoyant_cloud import BuoyantCloud, BuoyantCloudArgs
from components.cert_manager import CertManager, CertManagerArgs
from components.external_secrets import ExternalSecrets, ExternalSecretsArgs
from components.gateway_api import GatewayApi, GatewayApiArgs
from components.identity_issuer import IdentityIssuer, IdentityIssuerArgs, cluster_issuer_name
from components.linkerd import Linkerd, LinkerdArgs
from components.names import CERT_MANAGER, LINKERD_BUOYANT, anchor_path
from components.namespaces import Namespaces, NamespacesArgs
from components.trust_anchor import AnchorGeneration, TrustAnchor, TrustAnchorArgs
from components.trust_bundle import TrustBundle, TrustBundleArgs
from components.vault_auth import ISSUER_ROLE, STORE_ROLE, VaultAuth, VaultAuthArgs
from components.viz import Viz, VizArgs
from components.webhook_certificates import WebhookCertificates, WebhookCertificatesArgs
from stack import transforms
from stack.certificates import describe
from stack.charts import Charts
from stack.config import Cluster, StackConfig
from stack.providers import kubernetes_provider, options, random_provider, vault_provider


def chart_refs(config: StackConfig, charts: Charts) -> dict[str, Any]:
    """Every archive that the stack needs, by the name it has in charts.yaml (`-crds` for CRDs)."""
    if config.cluster is None:
        return {}
    refs = {
        name: charts.chart(name)
        for name in (
            "cert-manager",
            "trust-manager",
            "external-secrets",
            "linkerd-crds",
            "linkerd-control-plane",
        )
    }
    with_crds = ["cert-manager", "trust-manager", "external-secrets"]
    if config.gateway_api.install:
        with_crds.append("gateway-api")
    for name in with_crds:
        refs[f"{name}-crds"] = charts.crds(name)
    if config.viz.enabled:
        refs["linkerd-viz"] = charts.chart("linkerd-viz")
    if config.buoyant_cloud.enabled:
        refs["linkerd-buoyant"] = charts.chart("linkerd-buoyant")
    return refs


class Platform:
    """The whole stack; `outputs` is what it exports."""

    def __init__(self, config: StackConfig, charts: Charts, project_dir: Path) -> None:
        transforms.register(
            protect=config.protection.protect, open_webhooks=config.sandbox.open_webhooks
        )
        self.config = config
        self.charts = chart_refs(config, charts)
        self.vault = vault_provider(config.vault, project_dir)
        self.outputs: dict[str, Any] = {"role": config.role}
        anchor = self._anchor() if config.owns_anchor else None
        self.outputs["trustAnchors"] = self._anchor_outputs(anchor)
        if config.cluster:
            self._cluster(config.cluster, anchor)

    def _anchor(self) -> TrustAnchor:
        config = self.config
        return TrustAnchor(
            "trust-anchor",
            TrustAnchorArgs(
                pki_mount=config.vault.pki_mount,
                kv_mount=config.vault.kv_mount,
                create_kv_mount=config.vault.create_kv_mount,
                trust_domain=config.trust.domain,
                generations=tuple(
                    AnchorGeneration(name=g.name, lifetime=g.lifetime.seconds)
                    for g in config.trust.generations
                ),
            ),
            options(self.vault, random_provider()),
        )

    def _anchor_outputs(self, anchor: TrustAnchor | None) -> dict[str, pulumi.Output[Any]]:
        """Fingerprint and expiry per generation; a cluster reads what the owner published."""
        if anchor:
            return {name: pem.apply(describe) for name, pem in anchor.certificates.items()}
        return {
            generation.name: pulumi.Output.unsecret(
                vault.kv.get_secret_v2_output(
                    mount=self.config.vault.kv_mount,
                    name=anchor_path(generation.name),
                    opts=pulumi.InvokeOutputOptions(provider=self.vault),
                ).apply(lambda secret: describe(secret.data["certificate"]))
            )
            for generation in self.config.trust.generations
        }

    def _cluster(self, cluster: Cluster, anchor: TrustAnchor | None) -> None:
        config, charts = self.config, self.charts
        provider = kubernetes_provider(cluster)
        only_cluster = options(provider)
        auth_mount = config.vault.auth_mount or f"kubernetes/{cluster.name}"
        # The API server's own audience, so that Vault can have the token reviewed with itself.
        audiences = (config.vault.audience, cluster.api_audience)
        generations = tuple(generation.name for generation in config.trust.generations)
        buoyant = config.buoyant_cloud
        from_vault = buoyant.enabled and buoyant.credentials.source == "vault"

        def after(*resources: pulumi.Resource) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions.merge(
                only_cluster, pulumi.ResourceOptions(depends_on=list(resources))
            )

        gateway_api = GatewayApi(
            "gateway-api",
            GatewayApiArgs(
                version=config.gateway_api.version, chart=charts.get("gateway-api-crds")
            ),
            only_cluster,
        )
        namespaces = Namespaces(
            "namespaces",
            NamespacesArgs(
                viz=config.viz.enabled,
                buoyant_cloud=buoyant.enabled,
                prometheus_url=config.viz.prometheus_url,
            ),
            only_cluster,
        )
        cert_manager = CertManager(
            "cert-manager",
            CertManagerArgs(
                cert_manager=charts["cert-manager"],
                cert_manager_crds=charts["cert-manager-crds"],
                trust_manager=charts["trust-manager"],
                trust_manager_crds=charts["trust-manager-crds"],
                replicas=config.cert_manager.replicas,
                trust_manager_replicas=config.cert_manager.trust_manager_replicas,
            ),
            after(namespaces),
        )
        login = VaultAuth(
            "vault-auth",
            VaultAuthArgs(
                cluster=cluster.name,
                auth_mount=auth_mount,
                create_auth_mount=config.vault.create_auth_mount,
                kubernetes_host=cluster.api_server,
                kubernetes_ca_pem=cluster.ca_pem or "",
                audience=config.vault.audience,
                token_ttl=config.vault.token_ttl.seconds,
                kv_mount=config.vault.kv_mount,
                signing=config.trust.signing,
                readable=(buoyant.credentials.vault_path,) if from_vault else (),
            ),
            pulumi.ResourceOptions.merge(
                options(provider, self.vault), pulumi.ResourceOptions(depends_on=[namespaces])
            ),
        )
        secrets = ExternalSecrets(
            "external-secrets",
            ExternalSecretsArgs(
                chart=charts["external-secrets"],
                crds=charts["external-secrets-crds"],
                replicas=config.external_secrets.replicas,
                vault_address=config.vault.address,
                vault_ca_pem=config.vault.ca_pem,
                vault_namespace=config.vault.namespace,
                kv_mount=config.vault.kv_mount,
                auth_mount=auth_mount,
                role=STORE_ROLE,
                audiences=audiences,
                namespaces=(CERT_MANAGER, *((LINKERD_BUOYANT,) if from_vault else ())),
            ),
            login.store_login,
            after(namespaces),
        )
        refresh = str(config.external_secrets.refresh_interval)
        bundle = TrustBundle(
            "trust-bundle",
            TrustBundleArgs(generations=generations, refresh_interval=refresh),
            [anchor] if anchor else [],
            after(namespaces, cert_manager, secrets),
        )
        trust = config.trust
        issuer = IdentityIssuer(
            "identity-issuer",
            IdentityIssuerArgs(
                vault_address=config.vault.address,
                vault_ca_pem=config.vault.ca_pem,
                vault_namespace=config.vault.namespace,
                pki_mount=config.vault.pki_mount,
                auth_mount=auth_mount,
                role=ISSUER_ROLE,
                audiences=audiences,
                signing=trust.signing,
                trust_domain=trust.domain,
                duration=str(trust.issuer.duration),
                renew_before=str(trust.issuer.renew_before),
            ),
            [*login.issuer_login, *([anchor] if anchor else [])],
            after(namespaces, cert_manager),
        )
        webhooks = WebhookCertificates(
            "webhook-certificates",
            WebhookCertificatesArgs(
                ca_duration=str(trust.webhooks.ca_duration),
                ca_renew_before=str(trust.webhooks.ca_renew_before),
                duration=str(trust.webhooks.duration),
                renew_before=str(trust.webhooks.renew_before),
                viz=config.viz.enabled,
            ),
            after(namespaces, cert_manager),
        )
        linkerd = Linkerd(
            "linkerd",
            LinkerdArgs(
                chart=charts["linkerd-control-plane"],
                crds=charts["linkerd-crds"],
                cluster=cluster.name,
                cluster_domain=cluster.domain,
                cluster_networks=cluster.networks,
                trust_domain=trust.domain,
                leaf_lifetime=str(trust.issuer.leaf_lifetime),
                clock_skew=str(trust.issuer.clock_skew),
                **config.linkerd.model_dump(),
            ),
            [issuer.certificate, bundle.bundle, *webhooks.control_plane],
            after(namespaces, gateway_api),
        )
        if config.viz.enabled:
            Viz(
                "viz",
                VizArgs(
                    chart=charts["linkerd-viz"],
                    ha=config.viz.ha,
                    replicas=config.linkerd.replicas,
                    cluster_domain=cluster.domain,
                    trust_domain=trust.domain,
                    prometheus_url=config.viz.prometheus_url,
                    log_level=config.linkerd.log_level,
                    image_registry=config.linkerd.image_registry,
                ),
                webhooks.viz,
                after(namespaces, linkerd),
            )
        if buoyant.enabled:
            secret = buoyant.credentials.client_secret
            BuoyantCloud(
                "buoyant-cloud",
                BuoyantCloudArgs(
                    chart=charts["linkerd-buoyant"],
                    agent_name=buoyant.agent_name or cluster.name,
                    vault_path=buoyant.credentials.vault_path if from_vault else None,
                    refresh_interval=refresh,
                ),
                buoyant.credentials.client_id,
                pulumi.Output.secret(secret.get_secret_value()) if secret else None,
                after(namespaces, linkerd, secrets),
            )
        self.outputs |= {
            "chartVersions": {name: chart.version for name, chart in charts.items()},
            "namespaces": namespaces.names,
            "identityIssuer": {
                "certificate": "linkerd/linkerd-identity-issuer",
                "issuerRef": cluster_issuer_name(trust.signing),
            },
        }
