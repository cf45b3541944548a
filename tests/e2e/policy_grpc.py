"""Linkerd's policy controller asked as a proxy asks it, and its answers in words of the tests.

Follows inbound.proto and outbound.proto of https://github.com/linkerd/linkerd2-proxy-api.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc

from tests.e2e.policy_messages import MESSAGES

_INBOUND = "/io.linkerd.proxy.inbound.InboundServerPolicies"
_OUTBOUND = "/io.linkerd.proxy.outbound.OutboundPolicies"
_SECONDS = 10.0
# Policies reach the controller by watches, routes after it has written their status.
_SETTLE_SECONDS = 60.0
UNAUTHENTICATED, ANY_TLS, ANY_IDENTITY = "anyone", "any mTLS", "*"
_EVERYWHERE = frozenset({"0.0.0.0/0", "other"})


@dataclass(frozen=True)
class Allowed:
    """One authorization: who, from which networks, and the object that says so.

    who: identities, `*` and `*.suffix` as in a MeshTLSAuthentication, or `anyone`, `any mTLS`.
    networks: CIDRs of IPv4; empty where it is everywhere.
    """

    who: frozenset[str]
    networks: frozenset[str]
    by: str


@dataclass(frozen=True)
class Inbound:
    """What a proxy is told of one of its ports.

    routes: authorizations per route, by `<kind> <name>`; paths: what each route matches. limits:
    requests a second by `total`, `identity`, or the identity that has a rate of its own.
    """

    protocol: str
    server: str
    allowed: frozenset[Allowed]
    routes: dict[str, frozenset[Allowed]]
    paths: dict[str, frozenset[str]]
    limits: dict[str, int]

    @property
    def clients(self) -> frozenset[str]:
        """Everyone who is let in by the server itself."""
        return frozenset(name for each in self.allowed for name in each.who)


@dataclass(frozen=True)
class Outbound:
    """What a proxy is told of one address outside: by protocol, the hosts of each route.

    egress_network: `<namespace>/<name>`, or the default that applies. allowed, denied: hosts per
    protocol (`*` for a route that takes any), as they follow from the filters of the rules.
    """

    egress_network: str
    protocol: str
    allowed: dict[str, frozenset[str]]
    denied: dict[str, frozenset[str]]


class NoPolicyError(Exception):
    """The controller has nothing to say of an address: it is inside, and no Service's."""


class PolicyClient:
    """A client of one policy controller on loopback."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def inbound(self, namespace: str, pod: str, port: int) -> Inbound:
        """The answer of GetPort; raises grpc.RpcError for a pod that it does not know."""
        asked = MESSAGES["PortSpec"](workload=f"{namespace}:{pod}", port=port)
        answer = self._call(_INBOUND, "GetPort", "InboundServer")(asked, timeout=_SECONDS)
        return _inbound(answer)

    def watch(
        self, namespace: str, pod: str, port: int, wanted: Callable[[Inbound], bool]
    ) -> Inbound:
        """Follow WatchPort until an answer is `wanted`, as a proxy sees a policy change."""
        asked = MESSAGES["PortSpec"](workload=f"{namespace}:{pod}", port=port)
        method = self._channel.unary_stream(
            f"{_INBOUND}/WatchPort",
            request_serializer=MESSAGES["PortSpec"].SerializeToString,
            response_deserializer=MESSAGES["InboundServer"].FromString,
        )
        deadline, last = time.monotonic() + _SETTLE_SECONDS, None
        while (left := deadline - time.monotonic()) > 0:
            stream = method(asked, timeout=left)
            try:
                for answer in stream:
                    last = _inbound(answer)
                    if wanted(last):
                        return last
            except grpc.RpcError as error:
                # A pod that the controller has not heard of yet.
                if error.code() is not grpc.StatusCode.NOT_FOUND:  # type: ignore[attr-defined]
                    break
                time.sleep(0.1)
            finally:
                stream.cancel()
        raise AssertionError(f"{namespace}:{pod} port {port}: still {last}")

    def outbound(self, namespace: str, pod: str, address: str, port: int) -> Outbound:
        """The answer of Get for a connection of this pod to an IPv4 address and port.

        Raises NoPolicyError where there is none.
        """
        return _outbound(self.message(namespace, pod, address, port))

    def message(
        self, namespace: str, pod: str, address: str, port: int, form: str = "OutboundPolicy"
    ) -> Any:
        """The same answer as it is, in one of the described forms."""
        ip = MESSAGES["Address"](ipv4=int(ipaddress.IPv4Address(address)))
        asked = MESSAGES["TrafficSpec"](
            source_workload=f"{namespace}:{pod}", addr=MESSAGES["TcpAddress"](ip=ip, port=port)
        )
        call = self._call(_OUTBOUND, "Get", form, request="TrafficSpec")
        try:
            return call(asked, timeout=_SECONDS)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:  # type: ignore[attr-defined]
                raise
            raise NoPolicyError(f"{address}:{port}") from None

    def outbound_when(
        self, asked: tuple[str, str, str, int], wanted: Callable[[Outbound], bool]
    ) -> Outbound:
        """The first answer for (namespace, pod, address, port) that is `wanted`."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not wanted(answer := self.outbound(*asked)):
            assert time.monotonic() < deadline, f"{asked} still has {answer}"
            time.sleep(0.2)
        return answer

    def _call(self, service: str, method: str, answer: str, request: str = "PortSpec") -> Any:
        return self._channel.unary_unary(
            f"{service}/{method}",
            request_serializer=MESSAGES[request].SerializeToString,
            response_deserializer=MESSAGES[answer].FromString,
        )


def _inbound(answer: Any) -> Inbound:
    kind = _kind(answer.protocol)
    held = getattr(answer.protocol, kind)
    routes = list(getattr(held, "routes", ()))
    labels = {each.key: each.value for each in answer.labels}
    return Inbound(
        kind,
        f"{labels.get('kind', '')} {labels.get('name', '')}".strip(),
        _allowed(answer.authorizations),
        {_named(each.metadata): _allowed(each.authorizations) for each in routes},
        {_named(each.metadata): _paths(each) for each in routes},
        _limits(held.limit) if hasattr(held, "limit") else {},
    )


def _limits(limits: Any) -> dict[str, int]:
    found = {key: getattr(limits, key).rate for key in ("total", "identity")}
    for each in limits.overrides:
        found |= {client.name: each.limit.rate for client in each.clients.identities}
    return {key: rate for key, rate in found.items() if rate}


def _paths(route: Any) -> frozenset[str]:
    matches = (match.path for rule in route.rules for match in rule.matches)
    return frozenset(path.exact or f"{path.prefix}*" for path in matches)


def _allowed(authorizations: Iterable[Any]) -> frozenset[Allowed]:
    return frozenset(
        Allowed(_who(each.authentication), _networks(each.networks), _named(each.metadata))
        for each in authorizations
    )


def _who(authentication: Any) -> frozenset[str]:
    if authentication.HasField("unauthenticated"):
        return frozenset({UNAUTHENTICATED})
    assert authentication.HasField("mesh_tls"), authentication
    clients = authentication.mesh_tls
    if clients.HasField("unauthenticated"):
        return frozenset({ANY_TLS})
    named = {each.name for each in clients.identities.identities}
    suffixes = {".".join(("*", *each.parts)) for each in clients.identities.suffixes}
    return frozenset(named | suffixes)


def _networks(networks: Iterable[Any]) -> frozenset[str]:
    found = frozenset(_network(each) for each in networks)
    # Everywhere is said in both families; IPv6 is not described here, so it has no address.
    return frozenset() if found <= _EVERYWHERE else found - {"other"}


def _network(network: Any) -> str:
    if network.net.ip.HasField("ipv6"):
        return "other"
    text = _cidr(network.net)
    less = ",".join(sorted(_cidr(each) for each in getattr(network, "except")))
    return f"{text} but {less}" if less else text


def _cidr(cidr: Any) -> str:
    return f"{ipaddress.IPv4Address(cidr.ip.ipv4)}/{cidr.prefix_len}"


def _outbound(answer: Any) -> Outbound:
    kind = _kind(answer.protocol)
    held = getattr(answer.protocol, kind)
    parts = {kind: held}
    if kind == "detect":
        parts = {name: getattr(held, name) for name in ("opaque", "http1", "http2")}
    allowed: dict[str, frozenset[str]] = {}
    denied: dict[str, frozenset[str]] = {}
    for name, part in parts.items():
        sides: dict[bool, set[str]] = {True: set(), False: set()}
        for route in part.routes:
            sides[_lets_through(route)] |= {_host(each) for each in route.hosts} or {"*"}
        allowed[name], denied[name] = frozenset(sides[True]), frozenset(sides[False])
    resource = answer.metadata.resource
    named = f"{resource.namespace}/{resource.name}" if resource.name else answer.metadata.default
    return Outbound(named, kind, allowed, denied)


def _lets_through(route: Any) -> bool:
    assert route.rules, route
    filters = [each for rule in route.rules for each in rule.filters]
    return not any(each.ListFields() for each in filters)


def _host(host: Any) -> str:
    if host.exact:
        return str(host.exact)
    return ".".join(("*", *reversed(host.suffix.reverse_labels)))


def _kind(protocol: Any) -> str:
    ((field, _),) = protocol.ListFields()
    return str(field.name)


def _named(metadata: Any) -> str:
    resource = metadata.resource
    return f"{resource.kind} {resource.name}" if resource.name else str(metadata.default)
