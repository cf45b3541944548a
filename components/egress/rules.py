"""Rules of the section `egress`. Each gives every fault it finds."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from components.cluster import HasCluster, needs_a_cluster
from components.egress.section import EgressHost, HasEgress
from components.rollout import plan
from components.rollout.section import HasRollout
from components.rollout.workloads import HasWorkloads
from schema.faults import Fault
from schema.yaml_file import Path_

_HOSTS = ("egress", "hosts")
_NAMESPACES = ("egress", "namespaces")


class _Config(HasEgress, HasWorkloads, HasCluster, HasRollout, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `egress`.

    - `egress.hosts` need a `default` of `allow` or `deny`; a host is outside the cluster, once per
      port, and a port of a namespace has one protocol. A namespace is in a wave of `rollout`, and
      none that is denied skips the port of a host (`skipOutboundPorts`).
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
    yield from _hosts(config, _HOSTS, section.hosts)
    for name, egress in section.namespaces.items():
        path = (*_NAMESPACES, name)
        yield from _planned(config, path, name)
        yield from _hosts(config, (*path, "hosts"), egress.hosts)
        if egress.mode == "deny":
            yield from _skipped(config, (*path, "hosts"), name, egress.hosts)
    if section.default == "deny":
        for name in config.workloads.namespaces:
            if name not in section.namespaces:
                yield from _skipped(config, _HOSTS, name, section.hosts)


def _planned(config: _Config, path: Path_, name: str) -> Iterator[Fault]:
    if why := plan.unplanned(config, name):
        yield Fault(
            path,
            f"{name!r} {why}, so no proxy would look at what leaves it: add it to a wave, "
            "or remove it here",
            looks_at=(("rollout",),),
        )


def _hosts(config: _Config, path: Path_, hosts: Sequence[EgressHost]) -> Iterator[Fault]:
    seen: set[tuple[str, int]] = set()
    protocols: dict[int, EgressHost] = {}
    for index, each in enumerate(hosts):
        where = (*path, index)
        if (each.host, each.port) in seen:
            yield Fault(where, f"{each.host} is twice at port {each.port}: remove one")
        seen.add((each.host, each.port))
        first = protocols.setdefault(each.port, each)
        if first.protocol != each.protocol and first.host != each.host:
            yield Fault(
                (*where, "protocol"),
                f"port {each.port} speaks {first.protocol} for {first.host}: Linkerd reads one "
                "protocol per port of a namespace, and would refuse the other",
            )
        yield from _inside(config, where, each)


def _inside(config: _Config, path: Path_, host: EgressHost) -> Iterator[Fault]:
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
    inside = [*_networks(cluster.networks)]
    for at, text in enumerate(host.networks):
        network = ipaddress.ip_network(text)
        met = [each for each in inside if each.version == network.version]
        if named := ", ".join(str(each) for each in met if each.overlaps(network)):
            yield Fault(
                (*path, "networks", at),
                f"{text} meets {named} of cluster.networks, which Linkerd takes for inside: "
                "narrow cluster.networks, or leave it out",
                looks_at=(("cluster", "networks"),),
            )


def _networks(texts: Sequence[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Those that are networks; of the others `cluster.check` tells."""
    for text in texts:
        with suppress(ValueError):
            yield ipaddress.ip_network(text)


def _skipped(
    config: _Config, path: Path_, name: str, hosts: Sequence[EgressHost]
) -> Iterator[Fault]:
    """A port at which the proxy is passed by is open to every name."""
    defaults = config.workloads.namespaces.get(name)
    if defaults is None:
        return
    skipped = [_range(each) for each in defaults.skip_outbound_ports]
    for index, host in enumerate(hosts):
        if any(host.port in each for each in skipped):
            yield Fault(
                (*path, index, "port"),
                f"{name!r} passes the proxy by at port {host.port}, so any host there could be "
                "reached: take the port out of skipOutboundPorts",
                looks_at=(("workloads", "namespaces", name, "skipOutboundPorts"),),
            )


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
