"""From a stack's config to the arguments of `EnvoyGateway` and `Ingress`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from components.chart import ChartRef
from components.cluster import ClusterSection
from components.egress.section import HasEgress
from components.envoy_gateway import ENVOY_IMAGE, REDIS_IMAGE, EnvoyGatewayArgs, RedisArgs
from components.external_secrets import HasExternalSecrets, HasOperators, operators
from components.ingress.component import (
    IngressArgs,
    IngressIssuer,
    IngressListener,
)
from components.ingress.routes import IngressRouteArgs
from components.ingress.section import CertificateIssuer, ExposedRoute, HasIngress
from components.names import LINKERD_EGRESS_GATEWAY, LINKERD_INGRESS
from components.placement import HasPlacement, scheduled
from components.vault import HasVault, store


class _Gateways(HasIngress, HasEgress, Protocol):
    """The sections that say which gateways there are."""


class _Config(HasIngress, HasEgress, HasOperators, HasPlacement, HasVault, Protocol):
    """The sections that the gateway is made from."""


def gateways(config: _Gateways) -> tuple[str, ...]:
    """The namespaces of the Gateways: ingress, egress, or both."""
    on = {
        LINKERD_INGRESS: config.ingress.enabled,
        LINKERD_EGRESS_GATEWAY: config.egress.gateway.enabled,
    }
    return tuple(namespace for namespace, enabled in on.items() if enabled)


def controller(
    config: _Config, cluster: ClusterSection, charts: Mapping[str, ChartRef]
) -> EnvoyGatewayArgs | None:
    """Arguments of `EnvoyGateway`; None where no gateway is on."""
    where = gateways(config)
    if not where:
        return None
    return EnvoyGatewayArgs(
        chart=charts["gateway-helm"],
        crds=charts.get("gateway-helm-crds"),
        replicas=config.ingress.controller_replicas,
        domain=cluster.domain,
        gateways=where,
        redis=_redis(config),
        pod=scheduled(config.placement),
        create_namespace=False,
    )


def _redis(config: _Config) -> RedisArgs | None:
    limits = config.ingress.global_limits
    if limits is None:
        return None
    image = config.images.of(REDIS_IMAGE)
    interval = config.external_secrets.refresh_interval.go
    if limits.redis is None:
        return RedisArgs(on_failure=limits.on_failure, image=image)
    return RedisArgs(
        address=f"{limits.redis.host}:{limits.redis.port}",
        vault_path=limits.redis.vault_path,
        refresh_interval=interval,
        tls=limits.redis.tls,
        on_failure=limits.on_failure,
    )


def arguments(config: _Config, cluster: ClusterSection) -> IngressArgs | None:
    """Arguments of `Ingress`; None where it is off."""
    section = config.ingress
    if not section.enabled:
        return None
    used = {each.issuer for each in section.listeners}
    return IngressArgs(
        replicas=section.replicas,
        service=section.service,
        hops=section.trusted_proxies,
        keys=section.keys,
        access_log=section.access_log,
        image=mirrored_envoy(config),
        pod=scheduled(config.placement),
        issuers=tuple(
            _issuer(config, cluster, name, each)
            for name, each in sorted(section.issuers.items())
            if name in used
        ),
        listeners=tuple(
            IngressListener(
                name=each.name,
                host=each.host,
                issuer=each.issuer,
                client_ca=each.client_ca.pem if each.client_ca else None,
                client_required=each.client_ca is None or each.client_ca.mode == "required",
            )
            for each in section.listeners
        ),
        grants=_grants(config),
    )


def mirrored_envoy(config: HasPlacement) -> str | None:
    """Envoy's image where images are mirrored; None for Envoy Gateway's own."""
    mirrored = config.images.of(ENVOY_IMAGE)
    return mirrored if mirrored != ENVOY_IMAGE else None


class _OfRoutes(HasIngress, HasExternalSecrets, Protocol):
    """The sections that routes are made from."""


def routes(config: _OfRoutes) -> list[IngressRouteArgs]:
    """Arguments of each `IngressRoute`, in the order of their names."""
    section = config.ingress
    return [
        IngressRouteArgs(
            route=each,
            listener=_listener(config, each),
            identity=section.identity if _by_token(each) else None,
            refresh_interval=config.external_secrets.refresh_interval.go,
        )
        for each in sorted(section.routes if section.enabled else (), key=lambda each: each.name)
    ]


def _listener(config: HasIngress, route: ExposedRoute) -> str:
    found = config.ingress.listener_of(route.host)
    assert found is not None  # noqa: S101 (a rule refuses it)
    return found.name


def _by_token(route: ExposedRoute) -> bool:
    return not (route.public or route.oidc or route.redirect)


def _grants(config: HasIngress) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for namespace, name in sorted(config.ingress.exposed()):
        found[namespace] = (*found.get(namespace, ()), name)
    return found


def _issuer(
    config: _Config, cluster: ClusterSection, name: str, issuer: CertificateIssuer
) -> IngressIssuer:
    spec: dict[str, Any] = {}
    if issuer.acme:
        spec = {"acme": {"server": issuer.acme.server, "email": issuer.acme.email}}
    elif issuer.vault:
        reached = store(config, cluster)
        spec = {
            "vault": {
                "path": config.vault.from_login(issuer.vault.path),
                "role": issuer.vault.role,
                "server": reached.vault_address,
                "ca_pem": reached.vault_ca_pem,
                "namespace": reached.vault_namespace,
                "mount": reached.auth_mount,
                "audiences": list(reached.audiences),
            }
        }
    where = operators(config)
    return IngressIssuer(
        name=name,
        existing=issuer.existing,
        spec=spec,
        cert_manager=(where.cert_manager, where.account),
    )
