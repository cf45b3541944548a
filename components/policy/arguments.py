"""From a stack's config to the arguments of the policy components."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from components.egress.section import HasEgress
from components.envoy_gateway import proxies_of
from components.ingress.arguments import gateways
from components.names import EGRESS_GATEWAY, INGRESS, LINKERD_EGRESS_GATEWAY, LINKERD_INGRESS
from components.policy import look_up
from components.policy.look_up import HasPolicies
from components.policy.namespace_policy import NamespacePolicyArgs, default_policy
from components.policy.objects import ClientsArgs, NetworkArgs, RateLimitArgs
from components.policy.section import AUTHENTICATED, Clients, Network, RateLimit, ServicePort
from components.policy.service_policy import PolicyPort, PolicyRoute, ServicePolicyArgs


def wish(config: HasPolicies, namespace: str) -> dict[str, str]:
    """The annotation of a namespace; none where the cluster's default policy holds."""
    if namespace not in config.policy.namespaces:
        return {}
    found = look_up.inbound_policy(config, namespace)
    return default_policy(found if found != config.linkerd.default_inbound_policy else None)


def namespaces(config: HasPolicies) -> Iterator[NamespacePolicyArgs]:
    """Arguments of `NamespacePolicy`, for each namespace in order."""
    for name in sorted(config.policy.namespaces):
        section = config.policy.namespaces[name]
        webhook = any(port.api_server for service in section.services for port in service.ports)
        yield NamespacePolicyArgs(
            namespace=name,
            default_inbound_policy=look_up.inbound_policy(config, name),
            callers=look_up.callers(name, section),
            kubelet_networks=_networks(config.policy.kubelet_networks),
            api_server_networks=_networks(config.policy.api_server_networks) if webhook else (),
            **_prometheus(config),
        )


def services(config: HasPolicies, namespace: str) -> Iterator[ServicePolicyArgs]:
    """Arguments of `ServicePolicy`, for each service of a namespace in order."""
    section = config.policy.namespaces[namespace]
    reached = look_up.reached(config, namespace)
    for service in sorted(section.services, key=lambda each: each.name):
        gateway = _GATEWAY if service.name in reached else ()
        yield ServicePolicyArgs(
            namespace=namespace,
            service=service.name,
            selector=service.selector,
            default_inbound_policy=look_up.inbound_policy(config, namespace, service),
            ports=tuple(_port(namespace, port, gateway) for port in service.ports),
            callers=bool(section.allow_from),
            **_prometheus(config),
        )


class _WithGateways(HasPolicies, HasEgress, Protocol):
    """The sections that say which gateways there are."""


_GATEWAYS = {LINKERD_INGRESS: INGRESS, LINKERD_EGRESS_GATEWAY: EGRESS_GATEWAY}


def of_gateways(
    config: _WithGateways,
) -> Iterator[tuple[NamespacePolicyArgs, list[ServicePolicyArgs]]]:
    """Where the cluster's default denies, what of gateways must be reached nevertheless.

    Their metrics by Prometheus, and by the gateway what answers challenges of ACME.
    """
    default = config.linkerd.default_inbound_policy
    for namespace in gateways(config) if default in AUTHENTICATED else ():
        name = _GATEWAYS[namespace]
        whole = NamespacePolicyArgs(
            namespace=namespace,
            default_inbound_policy=default,
            kubelet_networks=_networks(config.policy.kubelet_networks),
            **_prometheus(config),
        )
        common = {
            "namespace": namespace,
            "default_inbound_policy": default,
            **_prometheus(config),
        }
        # The port of Envoy's metrics, as Envoy Gateway calls it, and never that of requests.
        metrics = PolicyPort(port="metrics", protocol="HTTP/1", metrics="/stats/prometheus")
        pods = proxies_of(name)
        services = [ServicePolicyArgs(service=name, selector=pods, ports=(metrics,), **common)]
        if namespace == LINKERD_INGRESS and config.ingress.acme:
            # cert-manager's: https://cert-manager.io/docs/configuration/acme/http01/
            solver = PolicyPort(port="8089", protocol="HTTP/1", gateway=_GATEWAY)
            label = {"acme.cert-manager.io/http01-solver": "true"}
            services.append(
                ServicePolicyArgs(service="acme", selector=label, ports=(solver,), **common)
            )
        yield whole, services


def _prometheus(config: HasPolicies) -> dict[str, Any]:
    section = config.policy.prometheus
    return {
        "prometheus_account": look_up.account(section.service_account, ""),
        "prometheus_networks": _networks(section.networks),
    }


# The ingress gateway's own account, and nobody else of its namespace.
_GATEWAY = (ClientsArgs(service_accounts=((LINKERD_INGRESS, INGRESS),)),)


def _port(namespace: str, port: ServicePort, gateway: tuple[ClientsArgs, ...]) -> PolicyPort:
    return PolicyPort(
        port=port.port,
        protocol=port.protocol,
        clients=_clients(namespace, port.allow),
        gateway=gateway,
        routes=tuple(
            PolicyRoute(
                name=route.name,
                path=route.path,
                exact=route.exact,
                methods=route.methods,
                clients=_clients(namespace, route.allow),
            )
            for route in port.routes
        ),
        probes=port.probes or (),
        metrics=port.metrics,
        rate_limit=_rate_limit(namespace, port.rate_limit) if port.rate_limit else None,
        api_server=port.api_server,
    )


def _rate_limit(namespace: str, limit: RateLimit) -> RateLimitArgs:
    return RateLimitArgs(
        total=limit.total,
        per_client=limit.per_client,
        overrides=tuple(
            (each.rate, tuple(look_up.account(e, namespace) for e in each.service_accounts))
            for each in limit.overrides
        ),
    )


def _clients(namespace: str, lists: Iterable[Clients]) -> tuple[ClientsArgs, ...]:
    return tuple(
        ClientsArgs(
            service_accounts=tuple(look_up.account(e, namespace) for e in clients.service_accounts),
            namespaces=clients.namespaces,
            identities=clients.identities,
            networks=_networks(clients.networks),
        )
        for clients in lists
    )


def _networks(networks: Iterable[Network]) -> tuple[NetworkArgs, ...]:
    return tuple(NetworkArgs(cidr=n.cidr, exceptions=n.except_) for n in networks)
