"""Rules of the section `policy`. Each gives every fault it finds."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from components.cluster import HasCluster, needs_a_cluster
from components.policy import look_up, rate_limits
from components.policy.look_up import HasPolicies
from components.policy.section import (
    AUTHENTICATED,
    Clients,
    NamespacePolicySection,
    Network,
    Service,
    ServicePort,
)
from components.rollout import plan
from schema.faults import Fault
from schema.yaml_file import Path_

_NAMESPACES = ("policy", "namespaces")
_PROMETHEUS = ("policy", "prometheus")
_SHOWN = 5
# Linkerd reads no path there: to gRPC it attaches GRPCRoutes alone, which have none.
_WITHOUT_PATHS = ("opaque", "TLS", "gRPC")


class _Config(HasPolicies, HasCluster, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `policy`.

    - `policy`: a namespace is in a wave of `rollout`; a client's namespace is meshed, and in
      `allowFrom` where that is used; `allowFrom` needs `audit` or `deny`. With `routes` or
      `metrics` a port lists its `probes`. `strictMtls` refuses weaker default policies, webhooks,
      and rules for networks alone.
    - `policy...rateLimit`: the port speaks HTTP (`HTTP/2` is right for gRPC too); no rate is above
      `total`; a service account is meshed, in `allowFrom` where that is used, and listed once.
    """
    yield from needs_a_cluster(config, {("policy",): bool(config.policy.namespaces)})
    yield from _whole(config)
    yield from _closed(config)
    for name, namespace in config.policy.namespaces.items():
        path = (*_NAMESPACES, name)
        yield from _namespace(config, path, name, namespace)
        yield from _services(path, namespace.services)
        for index, service in enumerate(namespace.services):
            for port_index, port in enumerate(service.ports):
                where = (*path, "services", index, "ports", port_index)
                yield from _port(config, where, name, service, port)


def _whole(config: _Config) -> Iterator[Fault]:
    lists = {
        "kubeletNetworks": config.policy.kubelet_networks,
        "apiServerNetworks": config.policy.api_server_networks,
    }
    denied = {"kubeletNetworks": "every probe", "apiServerNetworks": "every webhook"}
    for key, networks in lists.items():
        if not networks:
            message = f"lists none, which would deny {denied[key]}: leave the key out, or list some"
            yield Fault(("policy", key), message)
        yield from _networks(("policy", key), networks)
    prometheus = config.policy.prometheus
    yield from _networks((*_PROMETHEUS, "networks"), prometheus.networks)
    namespace, _ = look_up.account(prometheus.service_account, "")
    if not namespace:
        yield Fault(
            (*_PROMETHEUS, "serviceAccount"),
            f"{prometheus.service_account!r} names no namespace: write <namespace>/<name>",
        )
    elif config.policy.namespaces and not prometheus.networks:
        yield from _prometheus(config, namespace)


def _closed(config: _Config) -> Iterator[Fault]:
    """Meshed namespaces that the default policy closes, and that have no allowances of their own.

    Their policy would be none: even the proxies' metrics would be denied to Prometheus.
    """
    inbound = config.linkerd.default_inbound_policy
    if inbound != "deny" and not (inbound in AUTHENTICATED and config.policy.prometheus.networks):
        return
    without = [
        each.name
        for wave, each in plan.named(config)
        if wave.state != "off" and not each.opt_out and each.name not in config.policy.namespaces
    ]
    if without:
        more = f" and {len(without) - _SHOWN} more" if len(without) > _SHOWN else ""
        yield Fault(
            ("linkerd", "defaultInboundPolicy"),
            f"{inbound!r} would deny Prometheus the proxies' metrics in "
            f"{', '.join(without[:_SHOWN])}{more}: list them under policy.namespaces "
            f"(`{without[0]}: {{}}` is enough)",
            looks_at=(("policy", "namespaces"), ("rollout",)),
        )


def _prometheus(config: _Config, namespace: str) -> Iterator[Fault]:
    """A rule for a Prometheus that is not there, or not in the mesh, lets nobody read metrics."""
    own = namespace == "linkerd-viz" and (not config.viz.enabled or config.viz.prometheus_url)
    why = "viz brings none in this stack" if own else look_up.unmeshed(config, namespace)
    if why:
        yield Fault(
            _PROMETHEUS,
            f"the account {config.policy.prometheus.service_account!r} is not in the mesh ({why}), "
            "and policies would deny it the metrics: name a meshed account, or its networks",
            looks_at=(("viz",), ("rollout",)),
        )


def _networks(path: Path_, networks: Sequence[Network]) -> Iterator[Fault]:
    for index, network in enumerate(networks):
        whole = ipaddress.ip_network(network.cidr)
        for at, text in enumerate(network.except_):
            part = ipaddress.ip_network(text)
            if part.version != whole.version or not part.subnet_of(whole):  # type: ignore[arg-type]
                yield Fault(
                    (*path, index, "except", at),
                    f"{text} is not inside {network.cidr}, and Linkerd refuses it: remove it",
                )


def _namespace(
    config: _Config, path: Path_, name: str, policy: NamespacePolicySection
) -> Iterator[Fault]:
    looks_at = (("rollout",),)
    if why := plan.unplanned(config, name):
        yield Fault(
            path,
            f"{name!r} {why}, so no proxy would enforce this: "
            "add it to a wave, or remove the policy",
            looks_at=looks_at,
        )
    if (
        policy.strict_mtls
        and policy.default_inbound_policy is not None
        and policy.default_inbound_policy not in AUTHENTICATED
    ):
        yield Fault(
            (*path, "defaultInboundPolicy"),
            f"{policy.default_inbound_policy!r} lets clients without mTLS in, which strictMtls "
            f"forbids: write one of {', '.join(AUTHENTICATED)}",
            looks_at=((*path, "strictMtls"),),
        )
    if policy.strict_mtls and config.policy.prometheus.networks:
        yield Fault(
            (*path, "strictMtls"),
            "Prometheus is allowed by network, without mTLS: mesh it and name its service account, "
            "or leave strictMtls out",
            looks_at=((*_PROMETHEUS, "networks"),),
        )
    if policy.allow_from and look_up.inbound_policy(config, name) not in ("audit", "deny"):
        yield Fault(
            (*path, "allowFrom"),
            f"is not enforced by the default policy {look_up.inbound_policy(config, name)!r}, "
            "which lets other namespaces in: write defaultInboundPolicy: audit, to see who would "
            "be denied, or deny",
            looks_at=((*path, "defaultInboundPolicy"), ("linkerd", "defaultInboundPolicy")),
        )
    for index, each in enumerate(policy.allow_from):
        if why := look_up.unmeshed(config, each):
            yield Fault(
                (*path, "allowFrom", index),
                f"pods of {each!r} have no mesh identity ({why}) and would be denied: "
                "mesh it first, or remove it",
                looks_at=looks_at,
            )


def _services(path: Path_, services: Sequence[Service]) -> Iterator[Fault]:
    names: dict[str, str] = {}
    for index, service in enumerate(services):
        here = (*path, "services", index)
        # Where they have a port in common, that is told below.
        taken = {other.name for other in services[:index]}
        if service.name in taken and not _meets(service, services[:index]):
            yield Fault(
                (*here, "name"),
                f"{service.name!r} is a service of this namespace already: list its ports there",
            )
        if not service.selector:
            yield Fault(
                (*here, "selector"),
                "selects every pod of the namespace: write the labels of the Service's selector",
            )
        if not service.ports:
            yield Fault((*here, "ports"), "lists none: write the ports of its containers")
        for at, port in enumerate(service.ports):
            name = f"{service.name}-{port.port}"
            if name in names:
                message = f"{names[name]} has a Server of the name {name!r} already: keep one"
                yield Fault((*here, "ports", at, "port"), message)
            names.setdefault(name, repr(service.name))
            for other in services[:index]:
                ports = {each.port for each in other.ports}
                if port.port in ports and _overlap(service.selector, other.selector):
                    yield Fault(
                        (*here, "ports", at, "port"),
                        f"{port.port} of the same pods is in service {other.name!r}, and Linkerd "
                        "refuses the second Server of a port: keep one of the two",
                        looks_at=((*here, "selector"),),
                    )


def _meets(service: Service, others: Sequence[Service]) -> bool:
    ports = {port.port for port in service.ports}
    return any(
        port.port in ports for each in others if each.name == service.name for port in each.ports
    )


def _overlap(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """True where every pod of the one is one of the other."""
    return one.items() <= other.items() or other.items() <= one.items()


def _port(
    config: _Config, path: Path_, namespace: str, service: Service, port: ServicePort
) -> Iterator[Fault]:
    policy = config.policy.namespaces[namespace]
    inbound = look_up.inbound_policy(config, namespace, service)
    yield from _probes(path, port)
    yield from rate_limits.check(config, path, namespace, port)
    served = (port.allow, port.routes, port.metrics, port.api_server, policy.allow_from)
    by_gateway = service.name in look_up.reached(config, namespace)
    if inbound == "deny" and not any(served) and not by_gateway:
        yield Fault(
            path,
            f"nobody could call {port.port} of {service.name!r}: write who may under allow",
            looks_at=((*_NAMESPACES, namespace),),
        )
    if policy.strict_mtls and port.api_server:
        yield Fault(
            (*path, "apiServer"),
            "the API server has no mesh identity, which strictMtls demands: leave one of them out",
            looks_at=((*_NAMESPACES, namespace, "strictMtls"),),
        )
    if (
        policy.strict_mtls
        and service.default_inbound_policy is not None
        and service.default_inbound_policy not in AUTHENTICATED
    ):
        yield Fault(
            (*path[:-2], "defaultInboundPolicy"),
            f"{service.default_inbound_policy!r} lets clients without mTLS in, which strictMtls "
            "forbids",
            looks_at=((*_NAMESPACES, namespace, "strictMtls"),),
        )
    for index, route in enumerate(port.routes):
        if route.name in {each.name for each in port.routes[:index]} or route.name in RESERVED:
            message = f"{route.name!r} is taken at this port: take another"
            yield Fault((*path, "routes", index, "name"), message)
        if not route.allow and inbound == "deny":
            message = f"nobody could call {route.path}: write who may"
            yield Fault((*path, "routes", index, "allow"), message)
    for below, clients in look_up.allow_lists(port):
        yield from _clients(config, (*path, *below), namespace, clients)


# Routes that a port has by itself.
RESERVED = ("rest", "probes", "metrics")


def _probes(path: Path_, port: ServicePort) -> Iterator[Fault]:
    if (port.routes or port.metrics) and port.probes is None:
        which = "routes" if port.routes else "metrics"
        yield Fault(
            (*path, "probes"),
            f"missing: {which} takes away the allowance that Linkerd gives probes by itself, so "
            "the kubelet's would be denied; list their paths, or [] where the pods have none",
            looks_at=((*path, which),),
        )
    if port.routed and port.protocol in _WITHOUT_PATHS:
        yield Fault(
            (*path, "protocol"),
            f"{port.protocol!r} has no paths for routes, metrics or probes: remove them, or write "
            "HTTP/1, or HTTP/2, which is right for gRPC too",
            looks_at=((*path, "routes"), (*path, "metrics"), (*path, "probes")),
        )


def _clients(config: _Config, path: Path_, namespace: str, clients: Clients) -> Iterator[Fault]:
    policy = config.policy.namespaces[namespace]
    named = bool(clients.service_accounts or clients.namespaces)
    if not (named or clients.identities or clients.networks):
        yield Fault(path, "names no client: write serviceAccounts, namespaces or networks")
    if named and clients.identities:
        message = "go into an entry of their own, beside serviceAccounts and namespaces"
        yield Fault((*path, "identities"), message)
    yield from _networks((*path, "networks"), clients.networks)
    if policy.strict_mtls and clients.networks and not (named or clients.identities):
        yield Fault(
            (*path, "networks"),
            "alone allow clients without mTLS, which strictMtls forbids: name an identity too",
            looks_at=((*_NAMESPACES, namespace, "strictMtls"),),
        )
    allowed = look_up.callers(namespace, policy)
    for key, texts in (
        ("serviceAccounts", clients.service_accounts),
        ("namespaces", clients.namespaces),
    ):
        for index, text in enumerate(texts):
            own = look_up.account(text, namespace)[0] if key == "serviceAccounts" else text
            if own != namespace and (why := look_up.unmeshed(config, own)):
                yield Fault(
                    (*path, key, index),
                    f"pods of {own!r} have no mesh identity ({why}), so this rule would allow "
                    "nobody: mesh the namespace first, or allow a network",
                    looks_at=(("rollout",),),
                )
            if allowed and own not in allowed:
                yield Fault(
                    (*path, key, index),
                    f"{own!r} is not in allowFrom of {namespace!r}: add it there, or remove it",
                    looks_at=((*_NAMESPACES, namespace, "allowFrom"),),
                )
