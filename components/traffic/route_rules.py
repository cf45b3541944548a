"""Rules of one route of the section `traffic`: what it compares, what it changes, its redirect."""

from __future__ import annotations

from collections.abc import Iterator

from components.traffic.section import HeaderChanges, Redirect, TrafficRoute
from components.traffic.values import path_fault, regex
from schema.faults import Fault
from schema.yaml_file import Path_

# What the CRDs of the Gateway API take of rules, and in each of backends and headers.
MOST = 16
# What a route has of one protocol alone, by the names of its fields.
_HTTP_ALONE = ("path", "path_type", "query", "query_patterns", "methods", "redirect")
_GRPC_ALONE = ("grpc_service", "grpc_methods")
# Headers of one connection, which each proxy ends and begins anew, and what it counts itself.
_OF_A_CONNECTION = frozenset(
    {
        *("connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    }
)


def foreign(path: Path_, route: TrafficRoute, protocol: str) -> Iterator[Fault]:
    """What a route has that the protocol of its port does not know."""
    names = _HTTP_ALONE if protocol == "grpc" else _GRPC_ALONE
    for name in names:
        if getattr(route, name) != type(route).model_fields[name].default:
            hint = "grpcService or headers" if protocol == "grpc" else "path or headers"
            yield Fault(
                (*path, TrafficRoute.key_of(name)),
                f"means nothing where protocol is {protocol!r}: write {hint}",
                looks_at=((*path[:-2], "protocol"),),
            )
    if route.grpc_methods and route.grpc_service is None and protocol == "grpc":
        yield Fault((*path, "grpcService"), "missing: the service that grpcMethods are of")


def check_route(path: Path_, route: TrafficRoute, protocol: str) -> Iterator[Fault]:
    """What a route compares, changes and answers, which Linkerd refuses or does otherwise."""
    if route.path_type != "regex" and "*" in route.path:
        instead = route.path.partition("*")[0].rstrip("/") or "/"
        yield Fault(
            (*path, "path"),
            f"{route.path!r}: '*' stands for itself there: write {instead!r}, which has all below "
            "it, or pathType: regex",
            looks_at=((*path, "pathType"),),
        )
    elif route.path_type != "regex" and (why := path_fault(route.path)):
        yield Fault((*path, "path"), f"{route.path!r} {why}", looks_at=((*path, "pathType"),))
    if route.path_type == "regex" and (why := _regex_fault(route.path) or _no_path(route.path)):
        yield Fault((*path, "path"), why, looks_at=((*path, "pathType"),))
    for exact, patterns in (("headers", "header_patterns"), ("query", "query_patterns")):
        one, two = getattr(route, exact), getattr(route, patterns)
        key = TrafficRoute.key_of(patterns)
        for name in sorted(one.keys() & two.keys()):
            message = f"is compared twice, here and in {exact}: keep one of the two"
            yield Fault((*path, key, name), message)
        if len(one) + len(two) > MOST:
            message = f"more than {MOST} with those of {key}: make fewer"
            yield Fault((*path, exact if one else key), message)
    yield from _changes((*path, "requestHeaders"), route.request_headers)
    yield from _changes((*path, "responseHeaders"), route.response_headers)
    if route.redirect is not None and protocol != "grpc":
        yield from _redirect((*path, "redirect"), route, route.redirect)


def _regex_fault(text: str) -> str | None:
    try:
        regex(text)
    except ValueError as error:
        return str(error)
    return None


def _no_path(text: str) -> str | None:
    """Why no path is matched as a whole by what begins with something else."""
    begins = text.removeprefix("^")[:1]
    if begins.isalnum() and "|" not in text:
        return f"{text!r} matches no path, which begins with '/': write {'/' + text!r}"
    return None


def _changes(path: Path_, changes: HeaderChanges) -> Iterator[Fault]:
    places: dict[str, str] = {}
    for key, names in (("set", changes.set_), ("add", changes.add), ("remove", changes.remove)):
        for name in names:
            if name in _OF_A_CONNECTION:
                message = f"{name!r} is of one connection, and the proxies' own: remove it"
                yield Fault((*path, key), message)
            if name in places:
                message = f"{name!r} is in {places[name]} and {key}: keep one of the two"
                yield Fault((*path, key), message)
            places[name] = key
        if len(names) > MOST:
            yield Fault((*path, key), f"lists more than {MOST}: make fewer")


def _redirect(path: Path_, route: TrafficRoute, redirect: Redirect) -> Iterator[Fault]:
    if route.to:
        yield Fault(
            (*path[:-1], "to"),
            "no request arrives there, for the redirect answers: keep one of the two",
            looks_at=(path,),
        )
    for key, changes in (
        ("requestHeaders", route.request_headers),
        ("responseHeaders", route.response_headers),
    ):
        if changes:
            yield Fault(
                (*path[:-1], key),
                "Linkerd changes no header where the redirect answers: remove it",
                looks_at=(path,),
            )
    elsewhere = redirect.scheme or redirect.host or redirect.port
    if not (elsewhere or redirect.path or redirect.prefix):
        yield Fault(path, "leads to where the client is: write host, path, scheme or port")
    own = route.path.rstrip("/") if route.path_type != "regex" else None
    for key, text in (("path", redirect.path), ("prefix", redirect.prefix)):
        again = not route.methods or "GET" in route.methods  # A browser goes there with GET.
        if text and again and not elsewhere and text.rstrip("/") == own:
            message = f"{text!r} is where the request is, which comes again without end: another"
            yield Fault((*path, key), f"{message} one, or host", looks_at=((*path[:-1], "path"),))
    if redirect.path and redirect.prefix:
        yield Fault((*path, "prefix"), "is for a part of the path, and path for all: keep one")
    elif redirect.prefix and (route.path_type != "prefix" or len(route.methods) > 1):
        yield Fault(
            (*path, "prefix"),
            "needs one match of pathType prefix: write path, or a route with at most one method",
            looks_at=((*path[:-1], "pathType"), (*path[:-1], "methods")),
        )
    for key, text in (("path", redirect.path), ("prefix", redirect.prefix)):
        if text and (why := path_fault(text)):
            yield Fault((*path, key), f"{text!r} {why}")
