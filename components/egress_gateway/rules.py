"""Rules of `egress.gateway`. Each gives every fault it finds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Protocol

from components.cluster import HasCluster, needs_a_cluster
from components.egress import rules as egress
from components.egress.section import EgressHost, HasEgress, partner_host
from components.egress_gateway.section import Partner
from components.gateway_api import HasGatewayApi
from components.ingress import policies
from components.ingress.objects import HTTP, container_port
from components.ingress.rules import audiences, gateway_api, limits, requirement, tries
from components.ingress.section import IngressSection
from components.placement import HasPlacement
from components.policy import look_up
from components.policy.look_up import HasPolicies
from components.rollout import plan
from components.rollout.workloads import OPAQUE_PORTS, HasWorkloads
from components.vault import apart_from_anchors
from schema.certificates import certificate_fault
from schema.faults import Fault
from schema.yaml_file import Path_

_GATEWAY = ("egress", "gateway")
_PARTNERS = (*_GATEWAY, "partners")
_CHART = "linkerd-control-plane"
# A filter of a route takes 16 headers away, of which nine are not of claims.
_MOST_CLAIMS = 7


class _Config(
    HasEgress, HasPolicies, HasWorkloads, HasGatewayApi, HasPlacement, HasCluster, Protocol
):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `egress.gateway`.

    - It needs Gateway API CRDs 1.5.1 of the experimental channel.
    - A partner is outside the cluster, with a DNS name; name and host are no other partner's, and
      neither is an entry of Vault, which does not lie below `anchors/` or `anchor-keys/`. It has
      callers, in namespaces of the mesh that have an EgressNetwork
      (`egress.namespaces`, or `egress.default`) and do not skip port 80.
    - `require`, and limits by claim, need `identity`; `global` limits `ingress.globalLimits`.
    - No chart value lets requests to the gateway pass its proxy by (`ignoreInboundPorts`).
    - With `managed`, the namespaces of callers deny, with a NetworkPolicy; they list no partner
      as a host, by its name, below a `*.` or by its networks, and none without `networks` at a
      partner's port.
    """
    section = config.egress.gateway
    yield from needs_a_cluster(config, {_GATEWAY: section.enabled})
    if not section.enabled:
        return
    yield from gateway_api(config, (*_GATEWAY, "enabled"))
    if section.identity:
        yield from audiences((*_GATEWAY, "identity"), section.identity)
    yield from _passed_by(config)
    seen: dict[tuple[str, str], Partner] = {}
    for index, partner in enumerate(section.partners):
        path = (*_PARTNERS, index)
        yield from _unique(config.ingress, path, partner, seen)
        yield from _place(config, path, partner)
        yield from _shown(path, partner)
        yield from _required(config, path, partner)
        for namespace in partner.namespaces:
            yield from _way(config, path, partner, namespace)


def _passed_by(config: _Config) -> Iterator[Fault]:
    """Faults of a port at which every proxy would be passed by: callers could say who they are."""
    values = config.charts[_CHART].values if _CHART in config.charts else {}
    init = values.get("proxyInit")
    ports = str(init.get("ignoreInboundPorts", "")) if isinstance(init, dict) else ""
    ranges = [each.strip() for each in ports.split(",") if re.fullmatch(r"\s*\d+(-\d+)?\s*", each)]
    if any(container_port(HTTP) in egress.port_range(each) for each in ranges):
        yield Fault(
            ("charts", _CHART, "values", "proxyInit", "ignoreInboundPorts"),
            f"has {container_port(HTTP)}, at which the proxy of the egress gateway says who calls: "
            "without it a caller could write any identity; leave the port out",
            looks_at=((*_GATEWAY, "enabled"),),
        )


def _unique(
    ingress: IngressSection, path: Path_, partner: Partner, seen: dict[tuple[str, str], Partner]
) -> Iterator[Fault]:
    """Faults of what another partner has already; `seen` is what those before it have."""
    for key, value in (("name", partner.name), ("host", partner.host)):
        if seen.setdefault((key, value), partner) is not partner:
            yield Fault((*path, key), f"{value} is a partner already: write both into one")
    for keys, entry in partner.vault_paths.items():
        first = seen.setdefault(("entry", entry), partner)
        if first is not partner:
            yield Fault(
                (*path, *keys),
                f"{entry} is what partner {first.name!r} is shown, who could then call the other "
                "as we do: take another entry",
            )
        yield from apart_from_anchors((*path, *keys), entry)
        if entry in {**ingress.vault_entries, **ingress.counter_entries}:
            yield Fault(
                (*path, *keys),
                f"{entry} is read for ingress, by another namespace: take another entry",
                looks_at=(("ingress",),),
            )


def _place(config: _Config, path: Path_, partner: Partner) -> Iterator[Fault]:
    if str(partner.port) in OPAQUE_PORTS:
        yield Fault(
            (*path, "port"),
            f"Linkerd reads nothing at port {partner.port}, and could not hold the gateway to "
            f"{partner.host}: write a port of HTTPS",
        )
    yield from egress.inside(config, path, partner_host(partner))


def _shown(path: Path_, partner: Partner) -> Iterator[Fault]:
    if partner.ca is not None and (wrong := certificate_fault(partner.ca)):
        yield Fault((*path, "ca"), wrong)
    if not partner.allow:
        yield Fault((*path, "allow"), "lists nobody: write who may call, or remove the partner")
    if twice := next((e for e, count in Counter(partner.allow).items() if count > 1), None):
        yield Fault((*path, "allow"), f"lists {twice} twice: remove one")
    yield from tries(path, partner)


def _required(config: _Config, path: Path_, partner: Partner) -> Iterator[Fault]:
    identity = (*_GATEWAY, "identity")
    if partner.require.used and config.egress.gateway.identity is None:
        yield Fault(
            (*path, "require"),
            "scopes and claims are a token's, and no identity is named: write "
            "egress.gateway.identity, or remove them",
            looks_at=(identity,),
        )
    yield from requirement((*path, "require"), partner.require)
    if len(policies.claims(partner.limits)) > _MOST_CLAIMS:
        yield Fault((*path, "limits"), f"count by over {_MOST_CLAIMS} claims: leave some out")
    yield from limits(
        config.ingress,
        path,
        partner.limits,
        token=partner.require.used,
        by="caller",
        looks_at=((*path, "require"),),
    )


def _way(config: _Config, path: Path_, partner: Partner, namespace: str) -> Iterator[Fault]:
    """Faults of the way from a namespace of callers to the gateway."""
    where = (*path, "allow")
    why = look_up.unmeshed(config, namespace)
    if why is None and (whose := plan.forbidden(config, namespace)):
        yield Fault(where, f"{namespace!r} {whose}, and its pods call no partner: remove it")
        return
    if why:
        yield Fault(
            where,
            f"pods of {namespace!r} are not in the mesh ({why}): mesh the namespace first",
            looks_at=(("rollout",),),
        )
        return
    section = config.egress
    own = section.namespaces.get(namespace)
    hosts, key = (
        (own.hosts, ("egress", "namespaces", namespace, "hosts"))
        if own
        else (section.hosts, ("egress", "hosts"))
    )
    if own is None and section.default == "off":
        yield Fault(
            where,
            f"no proxy looks at what leaves {namespace!r}: write egress.default: deny, or "
            f"egress.namespaces.{namespace}",
            looks_at=(("egress", "default"), ("egress", "namespaces")),
        )
        return
    called = EgressHost(host=partner.host, port=HTTP, protocol="http")
    for fault in egress.skipped(config, where, namespace, [called]):
        yield Fault(
            where,
            f"{namespace!r} passes the proxy by at port {HTTP}, and its requests would go to "
            f"{partner.host} in the clear: take the port out of skipOutboundPorts",
            looks_at=fault.looks_at,
        )
    if section.gateway.managed:
        yield from _managed(config, where, partner, namespace)
    yield from _hosts(config, key, partner, hosts)


def _managed(config: _Config, where: Path_, partner: Partner, namespace: str) -> Iterator[Fault]:
    section = config.egress
    own = section.namespaces.get(namespace)
    mode = own.mode if own else section.default
    packets = own.network_policy if own else section.network_policy
    if mode == "deny" and packets:
        return
    keys = f"egress.namespaces.{namespace}" if own else "egress"
    missing = f"{keys}.{'mode' if own else 'default'}: deny" if mode != "deny" else None
    wanted = missing or f"{keys}.networkPolicy: true"
    yield Fault(
        where,
        f"{namespace!r} may go round the gateway to {partner.host}: write {wanted}, or "
        "egress.gateway.managed: false",
        looks_at=(("egress", "namespaces", namespace), ("egress", "default")),
    )


def _hosts(
    config: _Config, key: Path_, partner: Partner, hosts: Sequence[EgressHost]
) -> Iterator[Fault]:
    """Faults of hosts that a namespace of callers may reach by itself."""
    looks_at = ((*_GATEWAY, "partners"), (*_GATEWAY, "managed"))
    for index, host in enumerate(hosts):
        where = (*key, index)
        if host.transport == "TCP" and host.port == HTTP and host.protocol != "http":
            yield Fault(
                (*where, "protocol"),
                f"port {HTTP} is where partner {partner.name!r} is called, by HTTP: Linkerd reads "
                "one protocol per port of a namespace, and would refuse the other",
                looks_at=looks_at,
            )
        elif host.host == partner.host and host.port == HTTP:
            yield Fault(
                (*where, "host"),
                f"{host.host} is partner {partner.name!r} of the gateway at port {HTTP}: remove it",
                looks_at=looks_at,
            )
        elif not config.egress.gateway.managed:
            continue
        elif host.host == partner.host or _above(host, partner):
            yield Fault(
                (*where, "host"),
                f"{host.host} is partner {partner.name!r}, and would be reached round the gateway: "
                "remove it, or write egress.gateway.managed: false",
                looks_at=looks_at,
            )
        elif met := _met(host, partner):
            yield Fault(
                (*where, "networks"),
                f"{met} is where partner {partner.name!r} is, and would be reached round the "
                f"gateway: narrow it, make {host.host} a partner, or write egress.gateway.managed: "
                "false",
                looks_at=looks_at,
            )
        elif host.port == partner.port and not host.blocks:
            yield Fault(
                (*where, "networks"),
                f"missing: without them port {host.port} is open to every address, that of partner "
                f"{partner.name!r} too: write those of {host.host}, make it a partner, or write "
                "egress.gateway.managed: false",
                looks_at=looks_at,
            )


def _above(host: EgressHost, partner: Partner) -> bool:
    """Whether the partner is below the `*.` of a host."""
    star = host.host.startswith("*.") and host.port == partner.port
    return star and partner.host.endswith(host.host[1:])


def _met(host: EgressHost, partner: Partner) -> str | None:
    """A network of a host in which the partner is."""
    if host.transport != "TCP" or host.port != partner.port:
        return None
    theirs = [ip_network(each) for each in partner.networks]
    for text in host.blocks:
        own = ip_network(text)
        if any(own.version == each.version and own.overlaps(each) for each in theirs):
            return text
    return None
