"""What a stack is made of, in order. Read this file to know what `pulumi up` does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pulumi
import pulumi_vault as vault

from components.admission_guard import AdmissionGuard
from components.alert_routing import AlertRouting
from components.alerts import Alerts
from components.approval_signing import ApprovalSigning
from components.buoyant_cloud import BuoyantCloud
from components.cert_manager import CertManager
from components.cluster_anchor import ClusterAnchor
from components.dashboards import Dashboards
from components.egress import Egress
from components.external_secrets import ExternalSecrets
from components.gateway_api import GatewayApi
from components.identity_issuer import IdentityIssuer, cluster_issuer_name
from components.linkerd import Linkerd
from components.monitors import Monitors
from components.names import IDENTITY_ISSUER, LINKERD, anchor_path
from components.namespace_policy import NamespacePolicy
from components.namespaces import Namespaces
from components.rollout import Rollout
from components.service_policy import ServicePolicy
from components.tracing import Tracing
from components.trust_anchor import TrustAnchor
from components.trust_bundle import TrustBundle
from components.vault_auth import VaultAuth
from components.viz import Viz
from components.webhook_certificates import WebhookCertificates
from schema.certificates import describe, describe_published
from stack import (
    arguments,
    arguments_dashboards,
    arguments_egress,
    arguments_mesh,
    arguments_observability,
    arguments_policy,
    arguments_routing,
    arguments_tracing,
    transforms,
)
from stack.charts import Charts
from stack.config import Cluster, StackConfig
from stack.pace import Pace
from stack.providers import kubernetes_provider, options, random_provider, vault_provider


class Platform:
    """The whole stack, with `workloads` awaited; `outputs` is what it exports."""

    def __init__(self, config: StackConfig, charts: Charts, project_dir: Path) -> None:
        transforms.register(
            protect=config.protection.protect,
            open_webhooks=config.sandbox.open_webhooks,
            owner=pulumi.get_stack(),
        )
        self.config = config
        self.vault = vault_provider(config.vault, project_dir)
        self.outputs: dict[str, Any] = {"role": config.role}
        anchor = None
        if config.owns_anchor:
            anchor = TrustAnchor(
                "trust-anchor",
                arguments.trust_anchor(config),
                options(self.vault, random_provider()),
            )
            ApprovalSigning(
                "approval-signing", arguments.approval_signing(config), options(self.vault)
            )
        published: list[pulumi.Resource] = [anchor] if anchor else []
        if config.cluster:
            refs = arguments.chart_refs(config, charts)
            made = arguments.ClusterArguments(config, config.cluster, refs)
            published = self._cluster(config.cluster, made, published)
        self.outputs["trustAnchors"] = self._anchor_outputs(anchor, published)
        if config.cluster and config.sandbox.linkerd:
            self._observe(config.cluster)

    def _anchor_outputs(
        self, anchor: TrustAnchor | None, published: list[pulumi.Resource]
    ) -> dict[str, pulumi.Output[Any]]:
        """Fingerprint and expiry per generation; what this stack does not make lies in Vault."""
        made = anchor.certificates if anchor else {}
        return {
            generation.name: made[generation.name].apply(describe)
            if generation.name in made
            else self._published(generation.name, published)
            for generation in self.config.trust.generations
        }

    def _published(self, generation: str, after: list[pulumi.Resource]) -> pulumi.Output[Any]:
        path = anchor_path(generation)
        entry = vault.kv.get_secret_v2_output(
            mount=self.config.vault.kv_mount,
            name=path,
            opts=pulumi.InvokeOutputOptions(provider=self.vault, depends_on=after),
        )
        # An entry of Vault is secret to the engine, whatever it holds; a certificate is public.
        return pulumi.Output.unsecret(
            entry.apply(lambda secret: describe_published(secret.data, path))
        )

    def _cluster(
        self,
        cluster: Cluster,
        args: arguments.ClusterArguments,
        anchor: list[pulumi.Resource],
    ) -> list[pulumi.Resource]:
        """Every part after what it needs; what the anchors in Vault come from.

        docs/components/README.md has the order as a picture.
        """
        provider = kubernetes_provider(cluster)

        def after(*parts: pulumi.Resource) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(providers=[provider, self.vault], depends_on=list(parts))

        gateway_api = GatewayApi("gateway-api", args.gateway_api(), after())
        namespaces = Namespaces("namespaces", args.namespaces(), after())
        cert_manager = CertManager("cert-manager", args.cert_manager(), after(namespaces))
        login = VaultAuth("vault-auth", args.vault_auth(), after(namespaces))
        secrets = ExternalSecrets(
            "external-secrets", args.external_secrets(), login.store_login, after(namespaces)
        )
        if args.own_roots:
            own = ClusterAnchor(
                "cluster-anchor",
                args.cluster_anchor(),
                login.anchor_login,
                # The KV mount that they are pushed to is the owner's.
                after(namespaces, cert_manager, secrets, *anchor),
            )
            anchor = [*anchor, *own.pushed]
        bundle = TrustBundle(
            "trust-bundle", args.trust_bundle(), anchor, after(namespaces, cert_manager, secrets)
        )
        issuer = IdentityIssuer(
            "identity-issuer",
            args.identity_issuer(),
            [*login.issuer_login, *anchor, secrets.store],
            after(namespaces, cert_manager),
        )
        webhooks = WebhookCertificates(
            "webhook-certificates", args.webhook_certificates(), after(namespaces, cert_manager)
        )
        self.outputs |= {
            "chartVersions": {name: chart.version for name, chart in args.charts.items()},
            "namespaces": namespaces.names,
            "identityIssuer": {
                "certificate": f"{LINKERD}/{IDENTITY_ISSUER}",
                "issuerRef": cluster_issuer_name(self.config.trust.signing),
            },
        }
        if not self.config.sandbox.linkerd:
            return anchor
        linkerd = Linkerd(
            "linkerd",
            args.linkerd(),
            [issuer.certificate, bundle.bundle, *webhooks.control_plane],
            after(namespaces, gateway_api),
        )
        if self.config.viz.enabled:
            Viz("viz", args.viz(), webhooks.viz, after(namespaces, linkerd))
        if self.config.buoyant_cloud.enabled:
            credentials = self.config.buoyant_cloud.credentials
            secret = credentials.client_secret
            BuoyantCloud(
                "buoyant-cloud",
                args.buoyant_cloud(),
                credentials.client_id,
                pulumi.Output.secret(secret.get_secret_value()) if secret else None,
                after(namespaces, linkerd, secrets),
            )
        self._in_mesh = after(namespaces, linkerd)
        if tracing := arguments_tracing.tracing(self.config, cluster):
            Tracing("tracing", tracing, after(namespaces, linkerd, secrets))
        return anchor

    async def workloads(self) -> None:
        """What is done to the namespaces of workloads, when the mesh is there to take them in.

        There may be hundreds of them, so that the program waits in between; see `stack/pace.py`.
        """
        cluster = self.config.cluster
        if cluster is None or not self.config.sandbox.linkerd:
            return
        egress = arguments_egress.egress(self.config, cluster)
        if egress.scopes:
            self.outputs["egress"] = Egress("egress", egress, self._in_mesh).modes
        guard = arguments_mesh.admission_guard(self.config)
        if (guard.opt_out, guard.own_service_account) != ("off", "off"):
            AdmissionGuard("admission-guard", guard, self._in_mesh)
        policies = await self._policies(self._in_mesh)
        rollout = arguments_mesh.rollout_args(self.config)
        if rollout.namespaces:
            self.outputs["rollout"] = {each.name: each.state for each in rollout.namespaces}
            Rollout("rollout", rollout, self._in_mesh, policies)

    def _observe(self, cluster: Cluster) -> None:
        """What watches all that, and the trust anchors, whose ends are in their certificates."""
        if monitors := arguments_observability.monitors(self.config):
            Monitors("monitors", monitors, self._in_mesh)
        if dashboards := arguments_dashboards.dashboards(self.config, cluster, pulumi.get_stack()):
            Dashboards("dashboards", dashboards, self._in_mesh)
        if alerts := arguments_observability.alerts(self.config, cluster, pulumi.get_stack()):
            anchors = self.outputs["trustAnchors"]
            trusted = [generation.name for generation in self.config.trust.trusted]
            ends = {name: anchors[name].apply(lambda each: each["expiry"]) for name in trusted}
            Alerts("alerts", alerts, ends, self._in_mesh)
        if routing := arguments_routing.alert_routing(self.config):
            AlertRouting("alert-routing", routing, self._in_mesh)

    async def _policies(self, opts: pulumi.ResourceOptions) -> dict[str, list[pulumi.Resource]]:
        """The policies of each namespace: they come before its rung makes new pods need them."""
        rungs = {}
        made: dict[str, list[pulumi.Resource]] = {}
        pace = Pace()
        for args in arguments_policy.namespaces(self.config):
            name = f"policy-{args.namespace}"
            namespace = NamespacePolicy(name, args, opts)
            await pace.after([namespace.last])
            rungs[args.namespace] = args.rung
            made[args.namespace] = [namespace]
            after = copy.copy(opts)
            after.depends_on = [namespace.last]
            for service in arguments_policy.services(self.config, args.namespace):
                # A slash: with a hyphen, service b-c of a and service c of a-b would be one.
                policy = ServicePolicy(f"{name}/{service.service}", service, after)
                made[args.namespace].append(policy)
                await pace.after(policy.servers)
        if rungs:
            self.outputs["policy"] = rungs
        return made
