"""The section `egress` of a stack file: what meshed workloads may reach outside the cluster."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field

from components.egress_gateway.section import EgressGatewaySection, Partner
from components.envoy_gateway import CHARTS
from schema.section import Section
from schema.values import Name, ValueKind, shown
from schema.words import Cidr

Mode = Literal["allow", "deny"]
PolicyKind = Literal["NetworkPolicy", "CiliumNetworkPolicy"]
Port = Annotated[int, Field(ge=1, le=65535)]

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})+")
_LONGEST = 253


def host_name(text: str) -> str:
    """A DNS name, `*.` before one, or an address; raises ValueError with what to write instead.

    Which protocol may have an address is a rule of the section. A name follows `Hostname` of the
    Gateway API, with two labels at least: no public host has one.
    https://gateway-api.sigs.k8s.io/reference/spec/#hostname
    """
    if address(text):
        return text
    if re.fullmatch(r"[0-9.]+|.*:.*", text):
        hint = (
            "a host is a DNS name, without port or scheme: clients name no address in TLS or HTTP"
        )
        raise ValueError(f"{shown(text)} is no host: {hint}")
    if "*" in text.removeprefix("*."):
        raise ValueError(
            f"{shown(text)}: Linkerd takes '*' as the whole first label alone: write "
            "'*.example.com', or each host"
        )
    if _HOST.fullmatch(text) and len(text) <= _LONGEST:
        return text
    lower = text.lower().rstrip(".")
    hint = f": write {lower!r}" if lower != text and _HOST.fullmatch(lower) else ""
    raise ValueError(f"{shown(text)} is no host like api.example.com or '*.example.com'{hint}")


def address(text: str) -> str | None:
    """The network of an address alone, such as `203.0.113.7/32`; None for a name."""
    with suppress(ValueError):
        return str(ipaddress.ip_network(ipaddress.ip_address(text)))
    return None


Host = Annotated[str, AfterValidator(host_name), ValueKind("host", "host.example.com")]


class EgressHost(Section):
    """A host outside the cluster."""

    host: Host = Field(
        description="DNS name; `*.example.com` is every name below it, of any depth, without "
        "example.com itself. With `tcp` and `udp` nobody reads it, and an address will do."
    )
    port: Port = Field(443, description="Port of the host.")
    protocol: Literal["tls", "http", "tcp", "udp"] = Field(
        "tls",
        description="What the client speaks: the host is read from the TLS handshake (SNI), or "
        "from HTTP in the clear. `tcp`: anything else, such as databases, SMTP, SSH and Kafka, "
        "with or without TLS that begins later; `networks` are needed. `udp`: never in a proxy, "
        "so the NetworkPolicy alone decides; `networks` are needed. One protocol per port of a "
        "namespace, besides `udp`.",
    )
    networks: tuple[Cidr, ...] = Field(
        (),
        description="Where the host is, if it is known: packets to this port are let through to "
        "these networks alone. Without them, to every address outside the cluster.",
    )

    @property
    def blocks(self) -> tuple[str, ...]:
        """The networks that it is in, which an address tells by itself; none for everywhere."""
        own = address(self.host)
        return self.networks or ((own,) if own else ())

    @property
    def transport(self) -> Literal["TCP", "UDP"]:
        """What its packets are."""
        return "UDP" if self.protocol == "udp" else "TCP"


def partner_host(partner: Partner) -> EgressHost:
    """A partner of the gateway, as a host that the gateway itself may reach."""
    return EgressHost(host=partner.host, port=partner.port, networks=partner.networks)


class NamespaceEgress(Section):
    """What one namespace may reach."""

    mode: Mode = Field(
        "allow", description="`allow`: everything. `deny`: the hosts that are listed alone."
    )
    hosts: tuple[EgressHost, ...] = Field(
        (),
        description="The hosts. With `allow` they are routes of their own in the metrics, so that "
        "what `deny` would refuse is seen before.",
    )
    network_policy: bool = Field(
        True,
        description="With `deny`, a NetworkPolicy as well, for what passes the proxy by; false "
        "where another tool makes it.",
    )


class KubernetesApiEgress(Section):
    """The API server, where namespaces that deny must reach it.

    A Service leads there, but packets are judged by the address behind it: a node of the control
    plane, or a machine of the provider.
    """

    networks: tuple[Cidr, ...] = Field(
        (),
        description="Addresses of the API server where they are outside `cluster.networks`, as "
        "`kubectl get endpoints kubernetes` prints them, such as `203.0.113.7/32`. Not with "
        "CiliumNetworkPolicy, which knows it by itself.",
    )
    ports: tuple[Port, ...] = Field(
        (443, 6443), description="Its ports behind the Service `kubernetes`."
    )


class EgressSection(Section):
    """What meshed workloads may reach outside `cluster.networks`."""

    default: Literal["off", "allow", "deny"] = Field(
        "off",
        description="For namespaces that are not listed. `off`: nothing is made, and everything "
        "goes. `allow`: the same, seen in the metrics. `deny`: `hosts` alone. In quotes: YAML "
        "takes a bare `off` for something else.",
    )
    hosts: tuple[EgressHost, ...] = Field(
        (), description="Hosts for namespaces that are not listed; a listed one has its own alone."
    )
    network_policy: bool = Field(
        True,
        description="With `default: deny`, a NetworkPolicy in each namespace of a wave that is "
        "not off.",
    )
    network_policy_kind: PolicyKind = Field(
        "NetworkPolicy",
        description="`CiliumNetworkPolicy` where the network plugin is Cilium: to Cilium an "
        "address of a NetworkPolicy is never a node, nor the API server.",
    )
    kubernetes_api: KubernetesApiEgress = Field(
        KubernetesApiEgress(), description="The API server, for namespaces that deny."
    )
    namespaces: dict[Name, NamespaceEgress] = Field(
        {}, description="Namespaces with rules of their own, instead of the default."
    )
    gateway: EgressGatewaySection = Field(
        EgressGatewaySection(), description="A way out for requests, with partners' credentials."
    )

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return CHARTS if self.gateway.enabled else ()


class HasEgress(Protocol):
    """A config with the section `egress`."""

    @property
    def egress(self) -> EgressSection: ...  # noqa: D102
