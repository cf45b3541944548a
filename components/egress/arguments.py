"""From a stack's config to the arguments of `Egress`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from components.egress.component import EgressArgs, EgressHostArgs, EgressScope, PacketScope
from components.names import LINKERD_EGRESS
from components.rollout import plan as rollout
from stack.config import Cluster, StackConfig
from components.egress.section import EgressHost


def egress(config: StackConfig, cluster: Cluster) -> EgressArgs:
    """Arguments of `Egress`; without scopes there is nothing to make."""
    section = config.egress
    scopes: list[EgressScope] = []
    if section.default != "off":
        whole = EgressScope(
            namespace=LINKERD_EGRESS,
            deny=section.default == "deny",
            hosts=_hosts(section.hosts),
        )
        scopes.append(whole)
    for name, each in sorted(section.namespaces.items()):
        scopes.append(
            EgressScope(namespace=name, deny=each.mode == "deny", hosts=_hosts(each.hosts))
        )
    packets = sorted(_packets(config), key=lambda each: each.namespace)
    return EgressArgs(
        cluster_networks=cluster.networks, scopes=tuple(scopes), packets=tuple(packets)
    )


def _packets(config: StackConfig) -> Iterator[PacketScope]:
    """The namespaces whose NetworkPolicy goes with a denial: listed ones, and by the default."""
    section = config.egress
    for name, each in section.namespaces.items():
        if each.mode == "deny" and each.network_policy:
            yield PacketScope(namespace=name, hosts=_hosts(each.hosts))
    if section.default == "deny" and section.network_policy:
        for wave, planned in rollout.named(config):
            inside = wave.state != "off" and not planned.opt_out
            if inside and planned.name not in section.namespaces:
                yield PacketScope(namespace=planned.name, hosts=_hosts(section.hosts))


def _hosts(hosts: Iterable[EgressHost]) -> tuple[EgressHostArgs, ...]:
    return tuple(EgressHostArgs(**host.model_dump()) for host in hosts)
