"""Rules of the section `traffic`. Each gives every fault it finds.

Nothing that Linkerd admits and then ignores is accepted: linkerd2
policy-controller/k8s/index/src/outbound and policy-controller/runtime/src/admission.rs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Protocol

from components.cluster import HasCluster, needs_a_cluster
from components.egress.section import HasEgress
from components.policy import look_up
from components.policy.look_up import HasPolicies
from components.rollout import plan
from components.rollout.workloads import OPAQUE_PORTS, HasWorkloads
from components.traffic import route_rules
from components.traffic.matches import (
    REST,
    Match,
    backends,
    catches_all,
    has_route,
    matches,
    with_rest,
)
from components.traffic.route_rules import MOST
from components.traffic.section import (
    Breaker,
    HasTraffic,
    PortTraffic,
    Retries,
    TrafficRoute,
)
from components.traffic.values import GRPC_CONDITIONS, milliseconds
from schema.faults import Fault
from schema.yaml_file import Path_

_SERVICES = ("traffic", "services")
# What the CRDs of the Gateway API take of matches: 64 in a rule of HTTP, which has 7 methods, and 8
# in one of gRPC; 128 in all are never reached so.
_MOST_CALLS = 8
_PAIR = 2
_LEAST_FAILURES = 3
_FLAGGER_HANGS = (1, 42, 0)


class _Config(HasTraffic, HasPolicies, HasWorkloads, HasEgress, HasCluster, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `traffic`.

    - `traffic.services`: the namespace is in a wave of `rollout`, that of a backend is meshed; each
      port is listed once, says something, and is none that Linkerd reads nothing at (opaque, or in
      `skipOutboundPorts` of the namespace). A `breaker` is of the service
      that clients call, not of one that its routes lead to; `successRate`, `window` and
      `leastRequests` need `mode: unified`; 3 failures at least, `penalty` up to `maxPenalty`.
    - `traffic...routes`: names and matches are unique, what takes every request comes last, of the
      weights one is above 0; up to 16 routes with the rest, 16 backends each. Paths have no `*` or
      query. No header is changed twice, beside a redirect, or of a connection; a redirect leads
      elsewhere. `grpc` has no paths, parameters, HTTP methods or redirects.
    - `traffic...retries`: conditions of the port's protocol; `times` x `timeout` ends before
      `timeouts.request`, as `timeouts.response` and `timeouts.idle` do; `grpc` has `bodies: true`.
    - `traffic...delivery`: `argo` needs a route with two backends, the same two in all that have
      several, no other to one of them, and `bodies: true` with retries; `flagger` makes the route
      itself, so there are no routes, retries, time-outs and gRPC here, and needs a
      `flaggerVersion` below 1.42.0.
    """
    services = config.traffic.services
    yield from needs_a_cluster(config, {("traffic",): bool(services)})
    yield from _flagger(config)
    led_to = _led_to(config)
    namespaces = {key.partition("/")[0] for key in services}
    unplanned = {each: plan.unplanned(config, each) for each in namespaces}
    for key, service in services.items():
        path = (*_SERVICES, key)
        namespace, _, name = key.partition("/")
        yield from _service(config, path, (namespace, name), unplanned[namespace])
        if service.breaker is not None:
            yield from _breaker((*path, "breaker"), service.breaker)
            yield from _misplaced((*path, "breaker"), led_to.get(key, ()))
        seen: set[int] = set()
        for at, port in enumerate(service.ports):
            where = path if at == 0 else (*path, "otherPorts", at - 1)
            if port.port in seen:
                message = f"{port.port} is listed already: keep one of the two"
                yield Fault((*where, "port"), message)
            seen.add(port.port)
            of_service = at == 0 and (service.breaker or service.load_bias)
            if not (of_service or has_route(port) or port.delivery == "flagger"):
                more = ", routes or breaker" if at == 0 else " or routes"
                message = f"says nothing of requests: write timeouts, retries{more}, or remove it"
                yield Fault(where, message)
            yield from _port(config, where, namespace, name, port)


def _flagger(config: HasTraffic) -> Iterator[Fault]:
    """Versions that wait for the `observedGeneration` of a route, which Linkerd never writes."""
    services = config.traffic.services.values()
    if not any(port.delivery == "flagger" for service in services for port in service.ports):
        return
    version = config.traffic.flagger_version
    if version is None:
        yield Fault(
            ("traffic", "flaggerVersion"),
            "missing: 1.42.0 and later wait for Linkerd for ever, so write which version of "
            "Flagger is in the cluster, such as 1.41.0",
            looks_at=(_SERVICES,),
        )
    elif tuple(map(int, version.split("."))) >= _FLAGGER_HANGS:
        yield Fault(
            ("traffic", "flaggerVersion"),
            f"{version} waits for ever for a status that Linkerd does not write (linkerd2#14964): "
            "install 1.41.0, or write delivery: argo",
            looks_at=(_SERVICES,),
        )


def _led_to(config: HasTraffic) -> dict[str, list[str]]:
    """By which other services' routes each service gets requests."""
    found: dict[str, list[str]] = {}
    for key, service in config.traffic.services.items():
        namespace, _, name = key.partition("/")
        for port in service.ports:
            for route in port.routes:
                for where, other, _, _ in backends(route, namespace, name, port.port):
                    if f"{where}/{other}" != key:
                        found.setdefault(f"{where}/{other}", []).append(key)
            if port.delivery == "flagger":
                for kind in ("primary", "canary"):
                    found.setdefault(f"{key}-{kind}", []).append(key)
    return found


def _service(
    config: _Config, path: Path_, key: tuple[str, str], why: str | None
) -> Iterator[Fault]:
    """Faults of where a service is. why: its namespace is in no wave."""
    namespace, name = key
    if why:
        yield Fault(
            path,
            f"{namespace!r} {why}, so nobody would plan for these routes: add it to a wave, or "
            "remove the service here",
            looks_at=(("rollout",),),
        )
    if name == "egress" and namespace in config.egress.namespaces:
        yield Fault(
            path,
            f"{name!r} is the name of the EgressNetwork of {namespace!r} too, and Linkerd mixes "
            "the two up: give the Service another name",
            looks_at=(("egress",),),
        )


def _misplaced(path: Path_, callers: Sequence[str]) -> Iterator[Fault]:
    """A breaker on a service that gets its requests by another one's routes."""
    if callers:
        yield Fault(
            path,
            f"requests to {callers[0]!r} that its routes lead here do not know this breaker: write "
            f"it at {callers[0]!r}, whose breaker holds for them",
            looks_at=((*_SERVICES, callers[0]),),
        )


def _breaker(path: Path_, breaker: Breaker) -> Iterator[Fault]:
    mode = (*path, "mode")
    if breaker.mode == "consecutive":
        for name in ("success_rate", "window", "least_requests"):
            if getattr(breaker, name) is not None:
                yield Fault(
                    (*path, Breaker.key_of(name)),
                    "Linkerd ignores it with mode 'consecutive': write mode: unified, or remove it",
                    looks_at=(mode,),
                )
    if breaker.failures < _LEAST_FAILURES:
        yield Fault(
            (*path, "failures"),
            f"{breaker.failures} in a row happen in any rollout, and with every pod out clients "
            f"wait 3 s for a 504: write at least {_LEAST_FAILURES}",
        )
    if breaker.window is not None and milliseconds(breaker.window) < milliseconds("1s"):
        yield Fault(
            (*path, "window"),
            f"{breaker.window} is too coarse in the proxy, which counts in tenths: write at "
            "least '1s'",
        )
    if milliseconds(breaker.penalty) > milliseconds(breaker.max_penalty):
        yield Fault(
            (*path, "penalty"),
            f"{breaker.penalty} is longer than maxPenalty {breaker.max_penalty}, and Linkerd drops "
            "the whole breaker: write one that is not",
            looks_at=((*path, "maxPenalty"),),
        )


def _port(
    config: _Config, path: Path_, namespace: str, name: str, port: PortTraffic
) -> Iterator[Fault]:
    yield from _opaque(config, (*path, "port"), namespace, port.port)
    yield from _skipped(config, (*path, "port"), namespace, port.port)
    yield from _timeouts((*path, "timeouts"), port)
    if port.retries is not None:
        yield from _retries((*path, "retries"), port, port.retries)
    yield from _delivery(path, port)
    yield from _routes((*path, "routes"), port)
    for index, route in enumerate(port.routes):
        where = (*path, "routes", index)
        yield from route_rules.foreign(where, route, port.protocol)
        yield from route_rules.check_route(where, route, port.protocol)
        yield from _to(config, (*where, "to"), namespace, name, port, route)


def _opaque(config: _Config, path: Path_, namespace: str, port: int) -> Iterator[Fault]:
    defaults = config.workloads.namespaces.get(namespace)
    listed = (*OPAQUE_PORTS, *(defaults.opaque_ports if defaults else ()))
    for text in listed:
        if _among(port, text):
            own = text not in OPAQUE_PORTS
            where = f"workloads.namespaces.{namespace}.opaquePorts" if own else "Linkerd's own list"
            yield Fault(
                path,
                f"{port} is an opaque port by {where}, where Linkerd reads no requests: remove it "
                f"{'there' if own else 'here'}",
                looks_at=(("workloads", "namespaces", namespace, "opaquePorts"),),
            )
            return


def _among(port: int, text: str) -> bool:
    first, _, last = text.partition("-")
    return int(first) <= port <= int(last or first)


def _skipped(config: _Config, path: Path_, namespace: str, port: int) -> Iterator[Fault]:
    """Of the clients, those of the same namespace are known."""
    defaults = config.workloads.namespaces.get(namespace)
    if any(_among(port, text) for text in (defaults.skip_outbound_ports if defaults else ())):
        where = ("workloads", "namespaces", namespace, "skipOutboundPorts")
        yield Fault(
            path,
            f"{port} is in {'.'.join(where)}, so requests of {namespace!r} pass their proxies by "
            "and have nothing of this: remove it there",
            looks_at=(where,),
        )


def _timeouts(path: Path_, port: PortTraffic) -> Iterator[Fault]:
    whole = port.timeouts.request
    for name in ("response", "idle"):
        part = getattr(port.timeouts, name)
        if whole and part and milliseconds(part) >= milliseconds(whole):
            yield Fault(
                (*path, name),
                f"{part} never comes, for timeouts.request ends after {whole}: write less, or "
                "remove it",
                looks_at=((*path, "request"),),
            )


def _retries(path: Path_, port: PortTraffic, retries: Retries) -> Iterator[Fault]:
    grpc = port.protocol == "grpc"
    if not retries.on:
        yield Fault((*path, "on"), "lists nothing to retry on: write gateway-error, for instance")
    for index, each in enumerate(retries.on):
        if (each in GRPC_CONDITIONS) != grpc:
            instead = "unavailable" if grpc else "gateway-error"
            yield Fault(
                (*path, "on", index),
                f"{each!r} is nothing that {port.protocol} answers with, and Linkerd would not "
                f"read it: write {instead}, for instance",
                looks_at=((*path[:-1], "protocol"),),
            )
    if grpc and not retries.bodies:
        yield Fault(
            (*path, "bodies"),
            "every gRPC call is a POST with a body, so nothing would be retried: write true, or "
            "remove retries",
            looks_at=((*path[:-1], "protocol"),),
        )
    whole = port.timeouts.request
    if retries.timeout and whole:
        tries = retries.times * milliseconds(retries.timeout)
        if tries >= milliseconds(whole):
            yield Fault(
                (*path, "timeout"),
                f"{retries.times} x {retries.timeout} leave the last try no time before "
                f"timeouts.request ends all after {whole}: write a shorter one",
                looks_at=((*path, "times"), (*path[:-1], "timeouts")),
            )


def _delivery(path: Path_, port: PortTraffic) -> Iterator[Fault]:
    own = (*path, "delivery")
    if port.delivery == "argo" and not any(len(route.to) > 1 for route in port.routes):
        yield Fault(
            own,
            "'argo' has no weights to move: write a route with the stable and the canary Service "
            "under `to`",
            looks_at=((*path, "routes"),),
        )
    if port.delivery == "argo" and port.retries is not None and not port.retries.bodies:
        yield Fault(
            (*path, "retries", "bodies"),
            "reads would be a second route, without a rule for other requests while the first is "
            "made anew: write true where 'argo' moves the weights, or remove retries",
            looks_at=(own,),
        )
    several = [(at, route) for at, route in enumerate(port.routes) if len(route.to) > 1]
    weighted = {name for _, route in several for name in route.to}
    for index, route in several if port.delivery == "argo" else ():
        if len(route.to) > _PAIR or route.to.keys() != several[0][1].to.keys():
            yield Fault(
                (*path, "routes", index, "to"),
                "Argo's plugin moves the weights of two Services, the same at all routes: write "
                "the stable and the canary one alone",
                looks_at=(own,),
            )
    for index, route in enumerate(port.routes if port.delivery == "argo" else ()):
        if len(route.to) == 1 and weighted & route.to.keys():
            yield Fault(
                (*path, "routes", index, "to"),
                "Argo's plugin takes a rule of one of its two Services for its own, and removes it "
                "with the rollout's end: write a step setHeaderRoute in the Rollout",
                looks_at=(own,),
            )
    if port.delivery != "flagger":
        return
    if port.protocol == "grpc":
        yield Fault(
            (*path, "protocol"),
            "Flagger makes an HTTPRoute, which knows no gRPC: write h2c, or delivery: argo",
            looks_at=(own,),
        )
    used = {"routes": port.routes, "retries": port.retries, "timeouts": port.timeouts.used}
    for key in (key for key, value in used.items() if value):
        yield Fault(
            (*path, key),
            "Flagger makes the route of this port, and would overwrite ours: write it in its "
            "Canary, or delivery: none",
            looks_at=(own,),
        )


def _routes(path: Path_, port: PortTraffic) -> Iterator[Fault]:
    """Faults of the routes of a port side by side."""
    names: set[str] = set()
    seen: dict[str, str] = {}
    rest: str | None = None
    for index, route in enumerate(port.routes):
        where = (*path, index)
        everything = catches_all(route, port.protocol)
        if route.name in names or (route.name == REST and not everything):
            message = f"{route.name!r} is taken at this port: take another"
            yield Fault((*where, "name"), message)
        names.add(route.name)
        if rest is not None:
            yield Fault(
                where,
                f"{rest!r} takes every request and comes before: move this one before it",
                looks_at=(path,),
            )
            continue
        own = [_compared(each) for each in matches(route, port.protocol)]
        if len(set(own)) < len(own):
            key = "grpcMethods" if port.protocol == "grpc" else "methods"
            yield Fault((*where, key), "lists one twice: keep it once")
        first = next((seen[each] for each in own if each in seen), None)
        if first is not None:
            yield Fault(
                where,
                f"matches the same requests as {first!r}, which holds: make one of the two",
                looks_at=(path,),
            )
        seen |= {each: route.name for each in own if each not in seen}
        if everything:
            rest = route.name
    yield from _limits(path, port)


def _compared(match: Match) -> str:
    """A match as a text that is the same for what takes the same requests."""
    path = match.get("path", {})
    if path.get("type") == "PathPrefix":
        path = {**path, "value": path["value"].rstrip("/")}
    return json.dumps({**match, "path": path}, sort_keys=True)


def _limits(path: Path_, port: PortTraffic) -> Iterator[Fault]:
    routes = with_rest(port)
    if len(routes) > MOST:
        yield Fault(
            path,
            f"{len(routes)} rules with that of all other requests, and a route has {MOST} at "
            "most: make fewer",
        )
    for index, route in enumerate(port.routes):
        if len(route.grpc_methods) > _MOST_CALLS:
            yield Fault(
                (*path, index, "grpcMethods"),
                f"{len(route.grpc_methods)} matches, and a rule has {_MOST_CALLS} at most: leave "
                "the list out for all, or make two routes",
            )
        if len(route.to) > MOST:
            yield Fault(
                (*path, index, "to"), f"{len(route.to)} backends, and a rule has {MOST} at most"
            )


def _to(
    config: _Config, path: Path_, namespace: str, name: str, port: PortTraffic, route: TrafficRoute
) -> Iterator[Fault]:
    if route.to and not any(route.to.values()):
        yield Fault(path, "all weights are 0, so every request would fail: write one above 0")
    places: dict[tuple[str, str, int], str] = {}
    found = backends(route, namespace, name, port.port) if route.to else ()
    for text, (where, other, at, _) in zip(route.to, found, strict=False):
        if (where, other, at) in places:
            first = places[where, other, at]
            yield Fault((*path, text), f"is the same Service and port as {first!r}: keep one")
        places.setdefault((where, other, at), text)
        if where != namespace and (why := look_up.unmeshed(config, where)):
            yield Fault(
                (*path, text),
                f"pods of {where!r} are not in the mesh ({why}): mesh the namespace first, or "
                "remove the backend",
                looks_at=(("rollout",),),
            )
