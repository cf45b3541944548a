"""Rules of the section `egress`. Each gives every fault it finds."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from components.cluster import HasCluster, needs_a_cluster
from components.egress.section import EgressHost, HasEgress, address
from components.rollout import plan
from components.rollout.section import HasRollout
from components.rollout.workloads import OPAQUE_PORTS, HasWorkloads
from schema.faults import Fault
from schema.yaml_file import Path_

_HOSTS = ("egress", "hosts")
_NAMESPACES = ("egress", "namespaces")


class _Config(HasEgress, HasWorkloads, HasCluster, HasRollout, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `egress`.

    - `egress.hosts` need a `default` of `allow` or `deny`; a host is outside the cluster, once per
      port, and a port of a namespace has one protocol besides `udp`. A host of protocol `tcp` or
      `udp` has `networks`, or is an address; `tls` and `http` are not for the ports that Linkerd
      reads nothing at (25, 587, 3306, 4444, 5432, 6379, 9300, 11211). A namespace is in a wave of
      `rollout`, and none that is denied skips the port of a host (`skipOutboundPorts`), or has
      `udp` hosts without a NetworkPolicy. `kubernetesApi.networks` is for NetworkPolicies, and
      not everywhere.
    """
    section = config.egress
    yield from needs_a_cluster(
        config, {("egress",): section.default != "off" or bool(section.namespaces)}
    )
    if section.hosts and section.default == "off":
        yield Fault(
            _HOSTS,
            "hosts without a default mean nothing: write default: allow or deny",
            looks_at=(("egress", "default"),),
        )
    yield from _kubernetes_api(config)
    yield from _hosts(config, _HOSTS, section.hosts)
    for name, egress in section.namespaces.items():
        path = (*_NAMESPACES, name)
        yield from _planned(config, path, name)
        yield from _hosts(config, (*path, "hosts"), egress.hosts)
        if egress.mode == "deny":
            yield from skipped(config, (*path, "hosts"), name, egress.hosts)
            if not egress.network_policy:
                yield from _undecided((*path, "hosts"), (*path, "networkPolicy"), egress.hosts)
    if section.default == "deny":
        if not section.network_policy:
            yield from _undecided(_HOSTS, ("egress", "networkPolicy"), section.hosts)
        for name in config.workloads.namespaces:
            if name not in section.namespaces:
                yield from skipped(config, _HOSTS, name, section.hosts)


def _planned(config: _Config, path: Path_, name: str) -> Iterator[Fault]:
    if why := plan.unplanned(config, name):
        yield Fault(
            path,
            f"{name!r} {why}, so no proxy would look at what leaves it: add it to a wave, "
            "or remove it here",
            looks_at=(("rollout",),),
        )


def _hosts(config: _Config, path: Path_, hosts: Sequence[EgressHost]) -> Iterator[Fault]:
    seen: set[tuple[str, int, str]] = set()
    protocols: dict[tuple[int, str], EgressHost] = {}
    for index, each in enumerate(hosts):
        where = (*path, index)
        key = (each.host, each.port, each.transport)
        if key in seen:
            yield Fault(where, f"{each.host} is twice at port {each.port}: remove one")
        seen.add(key)
        yield from readable(where, each)
        first = protocols.setdefault((each.port, each.transport), each)
        if first.protocol != each.protocol and first.host != each.host:
            yield Fault(
                (*where, "protocol"),
                f"port {each.port} speaks {first.protocol} for {first.host}: Linkerd reads one "
                "protocol per port of a namespace, and would refuse the other",
            )
        yield from inside(config, where, each)


def readable(path: Path_, host: EgressHost) -> Iterator[Fault]:
    """Faults of a host that is not what its protocol lets one read."""
    if host.protocol in ("tcp", "udp"):
        if not host.blocks:
            yield Fault(
                (*path, "networks"),
                f"missing: {host.protocol} has no name to read, so {host.host} is told by its "
                "addresses alone: write its networks, such as 203.0.113.0/24",
                looks_at=((*path, "protocol"),),
            )
    elif address(host.host):
        yield Fault(
            (*path, "host"),
            f"{host.host}: a host is a DNS name in TLS and HTTP, whose clients name no address: "
            "write its name, or protocol: tcp",
            looks_at=((*path, "protocol"),),
        )
    elif str(host.port) in OPAQUE_PORTS:
        yield Fault(
            (*path, "protocol"),
            f"Linkerd reads nothing at port {host.port}, whose server may speak first, so "
            f"{host.protocol} would be cut: write protocol: tcp, with the networks of {host.host}",
            looks_at=((*path, "port"),),
        )


def _kubernetes_api(config: _Config) -> Iterator[Fault]:
    """Faults of the API server as a destination."""
    section = config.egress
    path = ("egress", "kubernetesApi", "networks")
    if section.kubernetes_api.networks and section.network_policy_kind == "CiliumNetworkPolicy":
        yield Fault(
            path,
            "means nothing with CiliumNetworkPolicy, which knows the API server by itself: "
            "remove it",
            looks_at=(("egress", "networkPolicyKind"),),
        )
    for index, text in enumerate(section.kubernetes_api.networks):
        if ipaddress.ip_network(text).prefixlen == 0:
            yield Fault(
                (*path, index),
                f"{text} is every address: write those that `kubectl get endpoints kubernetes` "
                "prints, such as 203.0.113.7/32",
            )


def _undecided(path: Path_, switch: Path_, hosts: Sequence[EgressHost]) -> Iterator[Fault]:
    """UDP is in no proxy: without a NetworkPolicy nothing would tell it apart."""
    for index, host in enumerate(hosts):
        if host.protocol == "udp":
            yield Fault(
                (*path, index, "protocol"),
                "udp passes every proxy by, and only a NetworkPolicy decides about it: remove the "
                "host here, or networkPolicy: false",
                looks_at=(switch,),
            )


def inside(config: _Config, path: Path_, host: EgressHost) -> Iterator[Fault]:
    """Faults of a host that Linkerd takes for one of the cluster."""
    cluster = config.cluster
    if cluster is None:
        return
    if f".{host.host}".endswith((".svc", f".{cluster.domain}")):
        yield Fault(
            (*path, "host"),
            f"{host.host} is inside the cluster, which egress is not about: remove it; "
            "`policy` says who may call a service",
            looks_at=(("cluster", "domain"),),
        )
    own = [*_networks(cluster.networks)]
    for at, text in enumerate(host.blocks):
        network = ipaddress.ip_network(text)
        met = [each for each in own if each.version == network.version]
        if named := ", ".join(str(each) for each in met if each.overlaps(network)):
            yield Fault(
                (*path, "networks", at) if host.networks else (*path, "host"),
                f"{text} meets {named} of cluster.networks, which Linkerd takes for inside: "
                "narrow cluster.networks, or leave it out",
                looks_at=(("cluster", "networks"),),
            )


def _networks(texts: Sequence[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Those that are networks; of the others `cluster.check` tells."""
    for text in texts:
        with suppress(ValueError):
            yield ipaddress.ip_network(text)


def skipped(
    config: _Config, path: Path_, name: str, hosts: Sequence[EgressHost]
) -> Iterator[Fault]:
    """Faults of a port at which the proxy is passed by: it is open to every name."""
    defaults = config.workloads.namespaces.get(name)
    if defaults is None:
        return
    ports = [port_range(each) for each in defaults.skip_outbound_ports]
    for index, host in enumerate(hosts):
        if host.protocol != "udp" and any(host.port in each for each in ports):
            yield Fault(
                (*path, index, "port"),
                f"{name!r} passes the proxy by at port {host.port}, so any host there could be "
                "reached: take the port out of skipOutboundPorts",
                looks_at=(("workloads", "namespaces", name, "skipOutboundPorts"),),
            )


def port_range(text: str) -> range:
    """The ports of `80`, or of `80-90`."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
