"""What meshed workloads may reach outside the cluster, and the packets that pass the proxy by.

Linkerd decides by name (the SNI of TLS, the host of HTTP), and only over what goes through a
proxy; a NetworkPolicy decides over every packet, and knows no names. Together they leave open:
an address outside at a port of a listed host without networks, for who goes round the proxy; and a
listed name that is presented to another server, for who goes through it.
https://linkerd.io/2/features/egress/
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pulumi

from components.base import Args, Component, Manifest
from components.cluster import PRIVATE_NETWORKS
from components.egress.packets import NETWORK_POLICY, packet_policy
from components.egress.section import EgressHost, KubernetesApiEgress, PolicyKind
from components.names import EGRESS_GATEWAY, LINKERD_EGRESS, LINKERD_EGRESS_GATEWAY
from components.namespaces import NOT_MESHED, namespace
from components.policy.objects import GATEWAY, POLICY

NAME = "egress"
HTTP = 80  # where partners are called
_LONGEST_NAME = 253  # of an object; a host may be as long, and more stands before it


class EgressScope(Args):
    """The rules of one namespace, or of all that have none (`LINKERD_EGRESS`).

    partners: name and host of those that are reached through the gateway.
    """

    namespace: str
    deny: bool
    hosts: tuple[EgressHost, ...] = ()
    partners: tuple[tuple[str, str], ...] = ()


class PacketScope(Args):
    """A namespace whose packets are held to the same hosts by a NetworkPolicy."""

    namespace: str
    hosts: tuple[EgressHost, ...] = ()


class EgressArgs(Args):
    """cluster_networks: CIDRs of pods and services, which Linkerd takes for inside."""

    cluster_networks: tuple[str, ...] = PRIVATE_NETWORKS
    scopes: tuple[EgressScope, ...]
    packets: tuple[PacketScope, ...] = ()
    policy_kind: PolicyKind = "NetworkPolicy"
    kubernetes_api: KubernetesApiEgress = KubernetesApiEgress()


class Egress(Component, area="mesh"):
    """Per scope the routes of its hosts, then the EgressNetwork; then the NetworkPolicies.

    A denial comes after what it must let through, and a destroy takes it away first. A route to a
    partner comes after what `partners` has for it. `modes` says `allow` or `deny` per scope.
    """

    modes: dict[str, str]

    def __init__(
        self,
        name: str,
        args: EgressArgs,
        opts: pulumi.ResourceOptions | None = None,
        *,
        partners: Mapping[str, pulumi.Resource] | None = None,
    ) -> None:
        super().__init__(name, opts)
        behind = partners or {}
        networks: dict[str, pulumi.Resource] = {}
        for scope in args.scopes:
            where = scope.namespace
            first: list[pulumi.Resource] = []
            if where == LINKERD_EGRESS:
                first.append(self.apply(global_namespace()))
            routes = [
                self.apply(each, *first, name=f"{where}/{each['metadata']['name']}")
                for each in routes_of(scope)
            ]
            for partner, host in scope.partners:
                way = way_there(where, partner, host)
                after = [behind[partner]] if partner in behind else []
                name_ = f"{where}/{way['metadata']['name']}"
                routes.append(self.apply(way, *first, *after, name=name_))
            made = egress_network(where, deny=scope.deny)
            networks[where] = self.apply(made, *first, *routes, name=f"{where}/{NAME}")
        for packets in args.packets:
            where = packets.namespace
            network = networks.get(where, networks.get(LINKERD_EGRESS))
            policy = packet_policy(
                args.policy_kind, where, packets.hosts, args.cluster_networks, args.kubernetes_api
            )
            name_ = f"{where}/{NETWORK_POLICY}"
            self.apply(policy, *([network] if network else []), name=name_)
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


def routes_of(scope: EgressScope) -> list[Manifest]:
    """A route per host by its name, and one per port of those that have none to read."""
    named = [each for each in scope.hosts if each.protocol in ("tls", "http")]
    ports = sorted({each.port for each in scope.hosts if each.protocol == "tcp"})
    return [
        *(route(scope.namespace, each) for each in named),
        *(tcp_route(scope.namespace, each) for each in ports),
    ]


def route(where: str, host: EgressHost) -> Manifest:
    """The route that lets one host through: by its SNI, or by its name in HTTP.

    One route per host, so that each has metrics of its own.
    """
    tls = host.protocol == "tls"
    made = _route("TLSRoute" if tls else "HTTPRoute", route_name(host), where, host.port)
    made["spec"]["hostnames"] = [host.host]
    return made


def tcp_route(where: str, port: int) -> Manifest:
    """The route that lets everything at a port through, whoever speaks first.

    With it the proxy waits for no first byte of the client: linkerd2
    policy-controller/grpc/src/outbound.rs `to_proto`. Addresses are the NetworkPolicy's.
    """
    return _route("TCPRoute", f"tcp-{port}", where, port)


def _route(kind: str, name: str, where: str, port: int) -> Manifest:
    parent: dict[str, Any] = {
        "group": POLICY,
        "kind": "EgressNetwork",
        "name": NAME,
        "port": port,
    }
    return {
        "apiVersion": f"{GATEWAY}/{'v1' if kind == 'HTTPRoute' else 'v1alpha2'}",
        "kind": kind,
        "metadata": {"name": name, "namespace": where},
        "spec": {"parentRefs": [parent], "rules": [{"backendRefs": [dict(parent)]}]},
    }


def way_there(where: str, partner: str, host: str) -> Manifest:
    """The route to the gateway of what is sent to a partner's host at port 80."""
    made = _route("HTTPRoute", f"partner-{partner}", where, HTTP)
    made["spec"]["hostnames"] = [host]
    to = {"group": "", "kind": "Service", "name": EGRESS_GATEWAY, "port": HTTP}
    made["spec"]["rules"] = [{"backendRefs": [{**to, "namespace": LINKERD_EGRESS_GATEWAY}]}]
    return made


def route_name(host: EgressHost) -> str:
    """Name of a host's route; a wildcard is told from a host of the same letters."""
    kind = f"{host.protocol}-any" if host.host.startswith("*.") else host.protocol
    name = f"{kind}-{host.port}-{host.host.removeprefix('*.')}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(host.host.encode()).hexdigest()[:10]
    return f"{name[: _LONGEST_NAME - 11].rstrip('-.')}-{digest}"
