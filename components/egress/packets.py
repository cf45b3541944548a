"""What a namespace's packets may reach: a network plugin knows addresses, and no names."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from components.base import Manifest
from components.egress.section import EgressHost, KubernetesApiEgress, PolicyKind

NETWORK_POLICY = "linkerd-platform-egress"
# Never a destination outside: link-local, with the clouds' metadata and its credentials.
_LINK_LOCAL = ("169.254.0.0/16", "fe80::/10")
_EVERYWHERE = ("0.0.0.0/0", "::/0")
_DNS = (("UDP", 53), ("TCP", 53))
# Transport and number.
_Port = tuple[str, int]


def packet_policy(
    kind: PolicyKind,
    where: str,
    hosts: Sequence[EgressHost],
    cluster_networks: Sequence[str],
    kubernetes_api: KubernetesApiEgress,
) -> Manifest:
    """Packets of every pod of a namespace: DNS, the cluster, the API server, the hosts' ports."""
    make = cilium_network_policy if kind == "CiliumNetworkPolicy" else network_policy
    return make(where, hosts, cluster_networks, kubernetes_api)


def network_policy(
    where: str,
    hosts: Sequence[EgressHost],
    cluster_networks: Sequence[str],
    kubernetes_api: KubernetesApiEgress,
) -> Manifest:
    """The policy as every plugin reads it.

    The cluster's pods are named by a selector as well as by address, because some network plugins
    take an ipBlock for addresses outside alone. https://kubernetes.io/docs/concepts/services-networking/network-policies/
    """
    inside = [_block(each) for each in cluster_networks]
    rules: list[dict[str, Any]] = [
        # A resolver on the node has a link-local address.
        {"to": [{"namespaceSelector": {}}, *map(_block, _LINK_LOCAL)], "ports": _ports(_DNS)},
        {"to": [{"namespaceSelector": {}}, *inside]},
    ]
    if kubernetes_api.networks:
        rules.append(
            {
                "to": [_block(each) for each in sorted(kubernetes_api.networks)],
                "ports": _ports(("TCP", each) for each in kubernetes_api.ports),
            }
        )
    for port, blocks in _outside(hosts, cluster_networks):
        rules.append({"to": [{"ipBlock": each} for each in blocks], "ports": _ports([port])})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NETWORK_POLICY, "namespace": where},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": rules},
    }


def cilium_network_policy(
    where: str,
    hosts: Sequence[EgressHost],
    cluster_networks: Sequence[str],
    kubernetes_api: KubernetesApiEgress,
) -> Manifest:
    """The same in Cilium's own words: to it an address is never a pod, a node or the API server.

    A rule has one kind of peer. https://docs.cilium.io/en/stable/security/policy/language/#entities-based
    """
    cluster = [{"cidr": each} for each in cluster_networks]
    api = [("TCP", each) for each in kubernetes_api.ports]
    rules: list[dict[str, Any]] = [
        {"toCIDRSet": [{"cidr": each} for each in _LINK_LOCAL], "toPorts": _to_ports(_DNS)},
        {"toEntities": ["cluster"]},
        # A provider runs it outside of the cluster.
        {"toEntities": ["kube-apiserver"], "toPorts": _to_ports(api)},
        # Machines of the same networks that are no nodes.
        {"toCIDRSet": cluster},
    ]
    for port, blocks in _outside(hosts, cluster_networks):
        rules.append({"toCIDRSet": blocks, "toPorts": _to_ports([port])})
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": NETWORK_POLICY, "namespace": where},
        "spec": {"endpointSelector": {}, "egress": rules},
    }


def _outside(
    hosts: Sequence[EgressHost], cluster_networks: Sequence[str]
) -> Iterator[tuple[_Port, list[dict[str, Any]]]]:
    """Each port of the hosts, with the blocks of addresses that may be reached at it."""
    ports: dict[_Port, set[str]] = {}
    for host in hosts:
        key = (host.transport, host.port)
        ports.setdefault(key, set()).update(host.blocks or _EVERYWHERE)
    for port, networks in sorted(ports.items(), key=lambda each: (each[0][1], each[0][0])):
        if networks >= set(_EVERYWHERE):
            yield port, [_less(each, (*cluster_networks, *_LINK_LOCAL)) for each in _EVERYWHERE]
        else:
            yield port, [{"cidr": each} for each in sorted(networks)]


def _block(cidr: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr}}


def _less(cidr: str, less: Sequence[str]) -> dict[str, Any]:
    """A block of addresses without those of the same family that are inside."""
    version = ipaddress.ip_network(cidr).version
    kept = [each for each in less if ipaddress.ip_network(each).version == version]
    return {"cidr": cidr, "except": kept}


def _ports(ports: Iterable[_Port]) -> list[dict[str, Any]]:
    return [{"protocol": transport, "port": port} for transport, port in ports]


def _to_ports(ports: Iterable[_Port]) -> list[dict[str, Any]]:
    return [{"ports": [{"port": str(port), "protocol": kind} for kind, port in ports]}]
