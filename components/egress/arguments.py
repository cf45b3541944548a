"""From a stack's config to the arguments of `Egress`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from components.cluster import ClusterSection
from components.egress.component import EgressArgs, EgressScope, PacketScope
from components.egress.section import HasEgress
from components.names import LINKERD_EGRESS
from components.rollout import plan
from components.rollout.section import HasRollout


class _Config(HasEgress, HasRollout, Protocol):
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
        )
        scopes.append(whole)
    for name, each in sorted(section.namespaces.items()):
        scopes.append(EgressScope(namespace=name, deny=each.mode == "deny", hosts=each.hosts))
    packets = sorted(_packets(config), key=lambda each: each.namespace)
    return EgressArgs(
        cluster_networks=cluster.networks,
        scopes=tuple(scopes),
        packets=tuple(packets),
        policy_kind=section.network_policy_kind,
        kubernetes_api=section.kubernetes_api,
    )


def _packets(config: _Config) -> Iterator[PacketScope]:
    """The namespaces whose NetworkPolicy goes with a denial: listed ones, and by the default."""
    section = config.egress
    for name, each in section.namespaces.items():
        if each.mode == "deny" and each.network_policy:
            yield PacketScope(namespace=name, hosts=each.hosts)
    if section.default == "deny" and section.network_policy:
        for wave, planned in plan.named(config):
            inside = wave.state != "off" and not planned.opt_out
            if inside and planned.name not in section.namespaces:
                yield PacketScope(namespace=planned.name, hosts=section.hosts)
