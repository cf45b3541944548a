"""What a stack is made of, in order. Read this file to know what `pulumi up` does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pulumi
import pulumi_vault as vault

from components import (
    admission_guard,
    approval_signing,
    buoyant_cloud,
    cert_manager,
    cluster_anchor,
    cni_plugin,
    envoy_gateway,
    external_secrets,
    gateway_api,
    identity_issuer,
    linkerd,
    namespaces,
    trust_anchor,
    trust_bundle,
    vault_auth,
    viz,
    webhook_certificates,
)
from components.alert_routing import arguments as alert_routing
from components.alert_routing.component import AlertRouting
from components.alerts import arguments as alerts
from components.alerts.component import Alerts
from components.chart import ChartRef
from components.cluster import ClusterSection
from components.dashboards import arguments as dashboards
from components.dashboards.component import Dashboards
from components.egress import arguments as egress
from components.egress.component import Egress
from components.egress_gateway import arguments as egress_gateway
from components.egress_gateway.component import EgressGateway
from components.egress_gateway.egress_partner import EgressPartner
from components.ingress import arguments as ingress
from components.ingress.component import Ingress
from components.ingress.ingress_route import IngressRoute
from components.monitors import arguments as monitors
from components.monitors.component import Monitors
from components.names import IDENTITY_ISSUER, LINKERD, anchor_path
from components.policy import arguments as policy
from components.policy.namespace_policy import NamespacePolicy
from components.policy.service_policy import ServicePolicy
from components.rollout import arguments as rollout
from components.rollout.component import Rollout
from components.rollout.plan import passed_by
from components.tracing import arguments as tracing
from components.tracing.component import Tracing
from components.traffic import arguments as traffic
from components.traffic.component import Traffic
from schema.certificates import describe, describe_published
from stack import transforms
from stack.arguments import chart_refs, namespace_args, vault_entries
from stack.charts import Charts
from stack.config import StackConfig
from stack.in_flight import InFlight
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
            anchor = trust_anchor.TrustAnchor(
                "trust-anchor",
                trust_anchor.arguments(config),
                options(self.vault, random_provider()),
            )
            approval_signing.ApprovalSigning(
                "approval-signing",
                approval_signing.arguments(config, deletable=not config.protection.protect),
                options(self.vault),
            )
        published: list[pulumi.Resource] = [anchor] if anchor else []
        if config.cluster:
            refs = chart_refs(config, charts)
            published = self._cluster(config.cluster, refs, published)
        self.outputs["trustAnchors"] = self._anchor_outputs(anchor, published)
        if config.cluster and config.sandbox.linkerd:
            self._observe(config.cluster)

    def _anchor_outputs(
        self, anchor: trust_anchor.TrustAnchor | None, published: list[pulumi.Resource]
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
            namespace=self.config.vault.engines,
            name=path,
            opts=pulumi.InvokeOutputOptions(provider=self.vault, depends_on=after),
        )
        # An entry of Vault is secret to the engine, whatever it holds; a certificate is public.
        return pulumi.Output.unsecret(
            entry.apply(lambda secret: describe_published(secret.data, path))
        )

    def _cluster(
        self,
        cluster: ClusterSection,
        charts: dict[str, ChartRef],
        anchor: list[pulumi.Resource],
    ) -> list[pulumi.Resource]:
        """Every part after what it needs; what the anchors in Vault come from.

        docs/components/README.md has the order as a picture.
        """
        config = self.config
        provider = kubernetes_provider(cluster)
        entries = vault_entries(config)

        def after(*parts: pulumi.Resource) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(providers=[provider, self.vault], depends_on=list(parts))

        crds = gateway_api.GatewayApi("gateway-api", gateway_api.arguments(config, charts), after())
        spaces = namespaces.Namespaces("namespaces", namespace_args(config), after())
        acme = config.ingress.acme
        certificates = cert_manager.CertManager(
            "cert-manager",
            cert_manager.arguments(config, charts, gateways=acme),
            after(spaces, *([crds] if acme else [])),
        )
        login = vault_auth.VaultAuth(
            "vault-auth", vault_auth.arguments(config, cluster, entries), after(spaces)
        )
        secrets = external_secrets.ExternalSecrets(
            "external-secrets",
            external_secrets.arguments(config, cluster, charts, entries.values()),
            login.store_login,
            after(spaces),
        )
        if cluster_anchor.own_roots(config):
            own = cluster_anchor.ClusterAnchor(
                "cluster-anchor",
                cluster_anchor.arguments(config, cluster),
                login.anchor_login,
                # The KV mount that they are pushed to is the owner's.
                after(spaces, certificates, secrets, *anchor),
            )
            anchor = [*anchor, *own.pushed]
        bundle = trust_bundle.TrustBundle(
            "trust-bundle",
            trust_bundle.arguments(config),
            anchor,
            after(spaces, certificates, secrets),
        )
        issuer = identity_issuer.IdentityIssuer(
            "identity-issuer",
            identity_issuer.arguments(config, cluster),
            [*login.issuer_login, *anchor, secrets.store],
            after(spaces, certificates),
        )
        webhooks = webhook_certificates.WebhookCertificates(
            "webhook-certificates",
            webhook_certificates.arguments(config, viz=config.viz.enabled),
            after(spaces, certificates),
        )
        self.outputs |= {
            "chartVersions": {name: chart.version for name, chart in charts.items()},
            "namespaces": spaces.names,
            "identityIssuer": {
                "certificate": f"{LINKERD}/{IDENTITY_ISSUER}",
                "issuerRef": identity_issuer.cluster_issuer_name(config.trust.signing),
            },
        }
        if not config.sandbox.linkerd:
            return anchor
        before: list[pulumi.Resource] = [spaces, crds]
        if config.cni_plugin.enabled:
            before.append(
                cni_plugin.CniPlugin("cni-plugin", cni_plugin.arguments(config, charts), after())
            )
        mesh = linkerd.Linkerd(
            "linkerd",
            linkerd.arguments(
                config,
                cluster,
                charts,
                tracing.proxy_tracing(config, cluster),
                cni=config.cni_plugin.enabled,
                never=passed_by(config),
            ),
            [issuer.certificate, bundle.bundle, *webhooks.control_plane],
            after(*before),
        )
        # The last of the mesh: after the namespaces and the CRDs too, as it is.
        self._in_mesh = after(mesh.chart)
        if config.viz.enabled:
            jaeger = tracing.jaeger_address(config, cluster)
            args = viz.arguments(config, cluster, charts, jaeger)
            viz.Viz("viz", args, webhooks.viz, self._in_mesh)
        with_secrets = after(mesh.chart, secrets)
        if config.buoyant_cloud.enabled:
            credentials = config.buoyant_cloud.credentials
            secret = credentials.client_secret
            buoyant_cloud.BuoyantCloud(
                "buoyant-cloud",
                buoyant_cloud.arguments(config, cluster, charts),
                credentials.client_id,
                pulumi.Output.secret(secret.get_secret_value()) if secret else None,
                with_secrets,
            )
        if traced := tracing.arguments(config, cluster):
            Tracing("tracing", traced, with_secrets)
        if gateways := ingress.controller(config, cluster, charts):
            # The mesh first: its injector gives the proxies an identity when they are made.
            self._envoy = envoy_gateway.EnvoyGateway(
                "envoy-gateway", gateways, after(spaces, crds, certificates, secrets, mesh)
            )
        return anchor

    async def workloads(self) -> None:
        """What is done to the namespaces of workloads, when the mesh is there to take them in.

        There may be hundreds of them, so the program waits in between; see `stack/in_flight.py`.
        """
        cluster = self.config.cluster
        if cluster is None or not self.config.sandbox.linkerd:
            return
        allowed = egress.arguments(self.config, cluster)
        if allowed.scopes:
            # Callers are led to the gateway when it has a partner's policies and credentials.
            partners = await self._egress_gateway()
            made = Egress("egress", allowed, self._in_mesh, partners=partners)
            self.outputs["egress"] = made.modes
        await self._ingress(cluster)
        if guards := admission_guard.arguments(self.config):
            admission_guard.AdmissionGuard("admission-guard", guards, self._in_mesh)
        policies = await self._policies(self._in_mesh)
        meshed = rollout.arguments(self.config)
        if meshed.namespaces:
            self.outputs["rollout"] = {each.name: each.state for each in meshed.namespaces}
            Rollout("rollout", meshed, self._in_mesh, policies)
        await self._traffic(self._in_mesh)

    def _observe(self, cluster: ClusterSection) -> None:
        """What watches all that, and the trust anchors, whose ends are in their certificates."""
        config, environment = self.config, pulumi.get_stack()
        if scraped := monitors.arguments(config):
            Monitors("monitors", scraped, self._in_mesh)
        if shown := dashboards.arguments(config, cluster, environment):
            Dashboards("dashboards", shown, self._in_mesh)
        if rules := alerts.arguments(config, cluster, environment):
            anchors = self.outputs["trustAnchors"]
            trusted = [generation.name for generation in config.trust.trusted]
            ends = {name: anchors[name].apply(lambda each: each["expiry"]) for name in trusted}
            Alerts("alerts", rules, ends, self._in_mesh)
        if routes := alert_routing.arguments(config):
            AlertRouting("alert-routing", routes, self._in_mesh)

    async def _ingress(self, cluster: ClusterSection) -> None:
        """The ingress gateway, then its routes, each after the gateway that takes its policies."""
        config = self.config
        args = ingress.arguments(config, cluster)
        if args is None:
            return
        gateway = Ingress("ingress", args, _behind(self._in_mesh, self._envoy.gateway_class))
        behind = _behind(self._in_mesh, gateway.last)
        in_flight = InFlight()
        for route in ingress.routes(config):
            made = IngressRoute(f"ingress/{route.route.name}", route, behind)
            await in_flight.after([made.last])
        self.outputs["ingress"] = {
            "hosts": [each.host for each in args.listeners],
            "routes": len(config.ingress.routes),
        }

    async def _egress_gateway(self) -> dict[str, pulumi.Resource]:
        """The egress gateway, then its partners: what comes last of each."""
        config = self.config
        ready: dict[str, pulumi.Resource] = {}
        args = egress_gateway.arguments(config)
        if args is None:
            return ready
        opts = _behind(self._in_mesh, self._envoy.gateway_class)
        gateway = EgressGateway("egress-gateway", args, opts)
        behind = _behind(self._in_mesh, gateway.last)
        in_flight = InFlight()
        for each in egress_gateway.partners(config):
            name = each.partner.name
            ready[name] = EgressPartner(f"egress-gateway/{name}", each, behind).last
            await in_flight.after([ready[name]])
        self.outputs["egressGateway"] = {"partners": len(ready)}
        return ready

    async def _policies(self, opts: pulumi.ResourceOptions) -> dict[str, list[pulumi.Resource]]:
        """The policies of each namespace: before its default policy makes pods need them."""
        inbound_policies = {}
        made: dict[str, list[pulumi.Resource]] = {}
        in_flight = InFlight()
        for args in policy.namespaces(self.config):
            name = f"policy-{args.namespace}"
            namespace = NamespacePolicy(name, args, opts)
            await in_flight.after([namespace.last])
            inbound_policies[args.namespace] = args.default_inbound_policy
            made[args.namespace] = [namespace]
            after = _behind(opts, namespace.last)
            for service in policy.services(self.config, args.namespace):
                # A slash: with a hyphen, service b-c of a and service c of a-b would be one.
                one = ServicePolicy(f"{name}/{service.service}", service, after)
                made[args.namespace].append(one)
                await in_flight.after(one.servers)
        for whole, services in policy.of_gateways(self.config):
            name = f"policy-{whole.namespace}"
            after = _behind(opts, NamespacePolicy(name, whole, opts).last)
            for service in services:
                ServicePolicy(f"{name}/{service.service}", service, after)
        if inbound_policies:
            self.outputs["policy"] = inbound_policies
        return made

    async def _traffic(self, opts: pulumi.ResourceOptions) -> None:
        """How requests to each service are routed; nothing else waits for it."""
        in_flight = InFlight()
        made = []
        for args in traffic.arguments(self.config):
            name = f"{args.namespace}/{args.service}"
            await in_flight.after(Traffic(f"traffic-{name}", args, opts).last)
            made.append(name)
        if made:
            self.outputs["traffic"] = made


def _behind(opts: pulumi.ResourceOptions, last: pulumi.Resource) -> pulumi.ResourceOptions:
    """The same options after one resource alone, which itself comes after what they name."""
    made = copy.copy(opts)
    made.depends_on = [last]
    return made
