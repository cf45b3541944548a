"""What the routes of a port match, written out: for the rules and for the objects alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.traffic.section import PortTraffic, TrafficRoute
from components.traffic.values import backend_parts

Match = dict[str, Any]
# What the rule is called that takes what no route does.
REST = "rest"
_PATH_TYPES = {"prefix": "PathPrefix", "exact": "Exact", "regex": "RegularExpression"}


def matches(route: TrafficRoute, protocol: str) -> list[Match]:
    """Every match of a route, any of which will do, with all types written in full.

    Of a gRPC route that takes every call there is none: a rule without matches is that.
    """
    headers = _pairs(route.headers, route.header_patterns)
    if protocol == "grpc":
        common: Match = {"headers": headers} if headers else {}
        calls = list(_calls(route))
        return [{"method": each, **common} for each in calls] or ([common] if common else [])
    match: Match = {"path": {"type": _PATH_TYPES[route.path_type], "value": route.path}}
    if headers:
        match["headers"] = headers
    if query := _pairs(route.query, route.query_patterns):
        match["queryParams"] = query
    return [{**match, "method": each} for each in route.methods] or [match]


def _calls(route: TrafficRoute) -> Iterator[Match]:
    if route.grpc_service is not None:
        service = {"type": "Exact", "service": route.grpc_service}
        yield from ({**service, "method": each} for each in route.grpc_methods)
        if not route.grpc_methods:
            yield service


def _pairs(exact: Mapping[str, str], patterns: Mapping[str, str]) -> list[Match]:
    made = [
        *({"type": "Exact", "name": name, "value": value} for name, value in exact.items()),
        *(
            {"type": "RegularExpression", "name": name, "value": value}
            for name, value in patterns.items()
        ),
    ]
    return sorted(made, key=lambda each: each["name"])


def catches_all(route: TrafficRoute, protocol: str) -> bool:
    """True for a route that takes every request."""
    if protocol == "grpc":
        return not matches(route, protocol)
    return matches(route, protocol) == matches(TrafficRoute(name=REST), protocol)


def with_rest(port: PortTraffic) -> tuple[TrafficRoute, ...]:
    """The routes of a port, at whose end there is one for every request.

    Any route takes the default route of a Service away, and what none matches gets 404.
    """
    if port.routes and catches_all(port.routes[-1], port.protocol):
        return port.routes
    return (*port.routes, TrafficRoute(name=REST))


def has_route(port: PortTraffic) -> bool:
    """True where a route is made: for its rules, or to carry retries and time-outs."""
    own = port.delivery != "flagger"
    return own and bool(port.routes or port.retries or port.timeouts.used)


def backends(
    route: TrafficRoute, namespace: str, service: str, port: int
) -> Sequence[tuple[str, str, int, int]]:
    """Namespace, name, port and weight of each Service that a route leads to."""
    if route.redirect is not None:
        return ()
    if not route.to:
        return ((namespace, service, port, 1),)
    return [(*backend_parts(text, namespace, port), weight) for text, weight in route.to.items()]
