"""The section `egress` of a stack file: what meshed workloads may reach outside the cluster."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field

from schema.section import Section
from schema.values import Name, ValueKind, shown
from schema.words import Cidr

Mode = Literal["allow", "deny"]
Port = Annotated[int, Field(ge=1, le=65535)]

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})+")
_LONGEST = 253


def host_name(text: str) -> str:
    """A DNS name, or `*.` before one; raises ValueError with what to write instead.

    Follows `Hostname` of the Gateway API, with two labels at least: no public host has one.
    https://gateway-api.sigs.k8s.io/reference/spec/#hostname
    """
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


Host = Annotated[str, AfterValidator(host_name), ValueKind("host", "host.example.com")]


class EgressHost(Section):
    """A host outside the cluster."""

    host: Host = Field(
        description="DNS name; `*.example.com` is every name below it, of any depth, without "
        "example.com itself."
    )
    port: Port = Field(443, description="Port of the host.")
    protocol: Literal["tls", "http"] = Field(
        "tls",
        description="What the client speaks: the host is read from the TLS handshake (SNI), or "
        "from HTTP in the clear. One protocol per port of a namespace.",
    )
    networks: tuple[Cidr, ...] = Field(
        (),
        description="Where the host is, if it is known: packets to this port are let through to "
        "these networks alone. Without them, to every address outside the cluster.",
    )


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
    namespaces: dict[Name, NamespaceEgress] = Field(
        {}, description="Namespaces with rules of their own, instead of the default."
    )


class HasEgress(Protocol):
    """A config with the section `egress`."""

    @property
    def egress(self) -> EgressSection: ...  # noqa: D102
