"""What meshed workloads may reach outside the cluster, and the packets that pass the proxy by.

Linkerd decides by name (the SNI of TLS, the host of HTTP), and only over what goes through a
proxy; a NetworkPolicy decides over every packet, and knows no names. Together they leave open:
an address outside at a port of a listed host without networks, for who goes round the proxy; and a
listed name that is presented to another server, for who goes through it.
https://linkerd.io/2/features/egress/
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Any

import pulumi

from components.base import Args, Component, Manifest
from components.egress.section import EgressHost
from components.names import LINKERD_EGRESS
from components.namespaces import NOT_MESHED, namespace
from components.policy.objects import GATEWAY, POLICY

NAME = "egress"
NETWORK_POLICY = "linkerd-platform-egress"
# Never a destination outside: link-local, with the clouds' metadata and its credentials.
_LINK_LOCAL = ("169.254.0.0/16", "fe80::/10")
_EVERYWHERE = ("0.0.0.0/0", "::/0")
_LONGEST_NAME = 253  # of an object; a host may be as long, and more stands before it
_DNS_PORTS = ({"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53})


class EgressScope(Args):
    """The rules of one namespace, or of all that have none (`LINKERD_EGRESS`)."""

    namespace: str
    deny: bool
    hosts: tuple[EgressHost, ...] = ()


class PacketScope(Args):
    """A namespace whose packets are held to the same hosts by a NetworkPolicy."""

    namespace: str
    hosts: tuple[EgressHost, ...] = ()


class EgressArgs(Args):
    """cluster_networks: CIDRs of pods and services, which Linkerd takes for inside."""

    cluster_networks: tuple[str, ...]
    scopes: tuple[EgressScope, ...]
    packets: tuple[PacketScope, ...] = ()


class Egress(Component, area="mesh"):
    """Per scope the routes of its hosts, then the EgressNetwork; then the NetworkPolicies.

    A denial comes after what it must let through, and a destroy takes it away first. `modes` says
    `allow` or `deny` per scope.
    """

    modes: dict[str, str]

    def __init__(
        self, name: str, args: EgressArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        networks: dict[str, pulumi.Resource] = {}
        for scope in args.scopes:
            where = scope.namespace
            first: list[pulumi.Resource] = []
            if where == LINKERD_EGRESS:
                first.append(self.apply(global_namespace()))
            routes = [
                self.apply(each, *first, name=f"{where}/{each['metadata']['name']}")
                for each in (route(where, host) for host in scope.hosts)
            ]
            made = egress_network(where, deny=scope.deny)
            networks[where] = self.apply(made, *first, *routes, name=f"{where}/{NAME}")
        for packets in args.packets:
            where = packets.namespace
            after = networks.get(where, networks.get(LINKERD_EGRESS))
            policy = network_policy(where, packets.hosts, args.cluster_networks)
            name_ = f"{where}/{NETWORK_POLICY}"
            self.apply(policy, *([after] if after else []), name=name_)
        self.modes = {each.namespace: "deny" if each.deny else "allow" for each in args.scopes}
        self.done(
            modes=self.modes,
            networkPolicies=[each.namespace for each in args.packets],
        )


def global_namespace() -> Manifest:
    """The namespace whose EgressNetwork holds for every other: the chart's own default for it.

    linkerd2 charts/linkerd-control-plane/values.yaml `egress.globalEgressNetworkNamespace`.
    """
    return namespace(LINKERD_EGRESS, "restricted", annotations=NOT_MESHED)


def egress_network(where: str, *, deny: bool) -> Manifest:
    """An EgressNetwork of everything outside the cluster's networks, as Linkerd defaults to.

    In a namespace it stands for the global one, and does not add to it: linkerd2
    policy-controller/k8s/index/src/outbound/index/egress_network.rs.
    """
    return {
        "apiVersion": f"{POLICY}/v1alpha1",
        "kind": "EgressNetwork",
        "metadata": {"name": NAME, "namespace": where},
        "spec": {"trafficPolicy": "Deny" if deny else "Allow"},
    }


def route(where: str, host: EgressHost) -> Manifest:
    """The route that lets one host through: by its SNI, or by its name in HTTP.

    One route per host, so that each has metrics of its own.
    """
    tls = host.protocol == "tls"
    parent: dict[str, Any] = {
        "group": POLICY,
        "kind": "EgressNetwork",
        "name": NAME,
        "port": host.port,
    }
    return {
        "apiVersion": f"{GATEWAY}/{'v1alpha2' if tls else 'v1'}",
        "kind": "TLSRoute" if tls else "HTTPRoute",
        "metadata": {"name": route_name(host), "namespace": where},
        "spec": {
            "parentRefs": [parent],
            "hostnames": [host.host],
            "rules": [{"backendRefs": [dict(parent)]}],
        },
    }


def route_name(host: EgressHost) -> str:
    """Name of a host's route; a wildcard is told from a host of the same letters."""
    kind = f"{host.protocol}-any" if host.host.startswith("*.") else host.protocol
    name = f"{kind}-{host.port}-{host.host.removeprefix('*.')}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(host.host.encode()).hexdigest()[:10]
    return f"{name[: _LONGEST_NAME - 11].rstrip('-.')}-{digest}"


def network_policy(
    where: str, hosts: Sequence[EgressHost], cluster_networks: Sequence[str]
) -> Manifest:
    """Packets of every pod of a namespace: DNS, the cluster, and the listed hosts' ports.

    The cluster's pods are named by a selector as well as by address, because some network plugins
    take an ipBlock for addresses outside alone. https://kubernetes.io/docs/concepts/services-networking/network-policies/
    """
    inside = [{"ipBlock": {"cidr": each}} for each in cluster_networks]
    rules: list[dict[str, Any]] = [
        # A resolver on the node has a link-local address.
        {
            "to": [{"namespaceSelector": {}}, *({"ipBlock": {"cidr": c}} for c in _LINK_LOCAL)],
            "ports": list(_DNS_PORTS),
        },
        {"to": [{"namespaceSelector": {}}, *inside]},
    ]
    everywhere = [_block(each, (*cluster_networks, *_LINK_LOCAL)) for each in _EVERYWHERE]
    ports: dict[int, set[str]] = {}
    for host in hosts:
        ports.setdefault(host.port, set()).update(host.networks or _EVERYWHERE)
    for port, networks in sorted(ports.items()):
        named = [{"ipBlock": {"cidr": each}} for each in sorted(networks)]
        to = everywhere if networks >= set(_EVERYWHERE) else named
        rules.append({"to": to, "ports": [{"protocol": "TCP", "port": port}]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NETWORK_POLICY, "namespace": where},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": rules},
    }


def _block(cidr: str, less: Sequence[str]) -> dict[str, Any]:
    """A block of addresses without those of the same family that are inside."""
    version = ipaddress.ip_network(cidr).version
    kept = [each for each in less if ipaddress.ip_network(each).version == version]
    return {"ipBlock": {"cidr": cidr, "except": kept}}
