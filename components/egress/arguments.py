"""From a stack's config to the arguments of `Egress`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from components.cluster import ClusterSection
from components.egress.component import EgressArgs, EgressScope, PacketScope
from components.egress.section import EgressHost, HasEgress, partner_host
from components.ingress.section import HasIngress
from components.names import LINKERD_EGRESS, LINKERD_EGRESS_GATEWAY, LINKERD_INGRESS
from components.rollout import plan
from components.rollout.section import HasRollout


class _Config(HasEgress, HasIngress, HasRollout, Protocol):
    """The sections that egress is made from."""


def arguments(config: _Config, cluster: ClusterSection) -> EgressArgs:
    """Arguments of `Egress`; without scopes there is nothing to make."""
    section = config.egress
    scopes: list[EgressScope] = []
    if section.default != "off":
        whole = EgressScope(
            namespace=LINKERD_EGRESS,
            deny=section.default == "deny",
            hosts=section.hosts,
            partners=ways(config, LINKERD_EGRESS),
        )
        scopes.append(whole)
    if section.default == "deny" and config.ingress.enabled:
        # The gateway fetches keys of tokens itself; the hosts of workloads are not for it.
        scopes.append(EgressScope(namespace=LINKERD_INGRESS, deny=True, hosts=_gateway(config)))
    if section.gateway.enabled:
        # Of its own whatever the others have: it is what leaves the cluster, to partners alone.
        hosts = _partners(config)
        scopes.append(EgressScope(namespace=LINKERD_EGRESS_GATEWAY, deny=True, hosts=hosts))
    for name, each in sorted(section.namespaces.items()):
        scopes.append(
            EgressScope(
                namespace=name,
                deny=each.mode == "deny",
                hosts=each.hosts,
                partners=ways(config, name),
            )
        )
    packets = sorted(_packets(config), key=lambda each: each.namespace)
    return EgressArgs(
        cluster_networks=cluster.networks,
        scopes=tuple(scopes),
        packets=tuple(packets),
        policy_kind=section.network_policy_kind,
        kubernetes_api=section.kubernetes_api,
    )


def ways(config: HasEgress, scope: str) -> tuple[tuple[str, str], ...]:
    """Name and host of the partners of callers that go by the EgressNetwork of a namespace."""
    section = config.egress
    partners = section.gateway.partners if section.gateway.enabled else ()
    return tuple(
        (each.name, each.host)
        for each in sorted(partners, key=lambda each: each.name)
        if any(
            scope == (caller if caller in section.namespaces else LINKERD_EGRESS)
            for caller in each.namespaces
        )
    )


def _packets(config: _Config) -> Iterator[PacketScope]:
    """The namespaces whose NetworkPolicy goes with a denial: listed ones, and by the default."""
    section = config.egress
    for name, each in section.namespaces.items():
        if each.mode == "deny" and each.network_policy:
            yield PacketScope(namespace=name, hosts=each.hosts)
    if section.gateway.enabled:
        yield PacketScope(namespace=LINKERD_EGRESS_GATEWAY, hosts=_partners(config))
    if section.default == "deny" and section.network_policy and config.ingress.enabled:
        yield PacketScope(namespace=LINKERD_INGRESS, hosts=_gateway(config))
    if section.default == "deny" and section.network_policy:
        for wave, planned in plan.named(config):
            inside = wave.state != "off" and not planned.opt_out
            if inside and planned.name not in section.namespaces:
                yield PacketScope(namespace=planned.name, hosts=section.hosts)


def _gateway(config: _Config) -> tuple[EgressHost, ...]:
    """What the ingress gateway must reach outside: its identity providers."""
    return tuple(EgressHost(host=host, port=port) for host, port in config.ingress.outside)


def _partners(config: _Config) -> tuple[EgressHost, ...]:
    """What the egress gateway must reach outside: partners, and who signs their callers' tokens."""
    gateway = config.egress.gateway
    found = {partner_host(each): None for each in gateway.partners}
    if gateway.keys:
        host, port = gateway.keys
        if not any((each.host, each.port) == (host, port) for each in found):
            found[EgressHost(host=host, port=port)] = None
    return tuple(found)
