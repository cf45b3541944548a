"""Whether the cluster treats requests as the stack file says: pure, over what was read.

What Linkerd accepts and then ignores has no event, so each of these is looked for here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.clients.kubernetes import Manifest
from bot.mesh.status.opaque_ports import opaque_ports
from bot.mesh.traffic import delivery
from bot.mesh.traffic.model import Figures, RouteState, ServiceState, TrafficObjects, TrafficState
from components.rollout import plan
from components.traffic.matches import has_route
from components.traffic.objects import routes as wanted_routes
from components.traffic.objects import service_patch
from components.traffic.section import PortTraffic, ServiceTraffic
from stack.config import StackConfig

CONTROLLER = "linkerd.io/policy-controller"
# linkerd2 policy-controller/core/src/outbound.rs: any other makes the port opaque.
_PROTOCOLS: Mapping[str, str] = {"http": "HTTP/1 alone", "kubernetes.io/h2c": "HTTP/2"}


def judge(
    config: StackConfig, objects: TrafficObjects, figures: Figures | None = None, unread: str = ""
) -> TrafficState:
    """Every service of the stack file."""
    services = {_key(each): each for each in objects.services}
    made = [
        _service(config, key, config.traffic.services[key], services.get(key), objects, figures)
        for key in sorted(config.traffic.services)
    ]
    return TrafficState(made, _silent(config, services), figures, unread)


def _service(
    config: StackConfig,
    key: str,
    wanted: ServiceTraffic,
    service: Manifest | None,
    objects: TrafficObjects,
    figures: Figures | None,
) -> ServiceState:
    found = tuple(_routes(key, wanted, objects))
    faults = [f"{each}: {each.why}" for each in found if each.standing != "accepted"]
    faults += _of_service(key, wanted, service)
    faults += _profile(config, key, objects)
    states: list[str] = []
    for port in wanted.ports:
        more, state = delivery.state(key, port, objects)
        if port.delivery == "flagger" and service is not None:
            more += delivery.owned(wanted, service)
        faults += more
        states += [state] if state else []
    unbounded = tuple(
        port.port for port in wanted.ports if port.retries is not None and not port.timeouts.request
    )
    notes = [
        *states,
        *(
            f"port {port} has no budget: retries without timeouts.request, so nothing ends all "
            "tries together"
            for port in unbounded
        ),
    ]
    if figures is not None:
        more_faults, more_notes = _figures(key, figures)
        faults += more_faults
        notes += more_notes
    return ServiceState(
        key,
        tuple(f"{port.port} {port.protocol}" for port in wanted.ports),
        wanted.breaker.mode if wanted.breaker else "none",
        wanted.delivery,
        found,
        tuple(dict.fromkeys(faults)),
        tuple(notes),
        unbounded,
    )


def _of_service(key: str, wanted: ServiceTraffic, service: Manifest | None) -> Iterator[str]:
    """The Service itself: whether Linkerd takes routes and a breaker for it at all."""
    if service is None:
        yield "there is no such Service, so nothing of it holds"
        return
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        yield "is of type ExternalName: Linkerd refuses routes for it: use egress instead"
        return
    if spec.get("clusterIP") in (None, "", "None"):
        yield "is headless: Linkerd refuses routes for it, and its breaker has no effect"
        return
    ports = {each["port"]: each for each in spec.get("ports") or ()}
    opaque = opaque_ports(service) or set()
    for port in wanted.ports:
        own = ports.get(port.port)
        if own is None:
            known = ", ".join(map(str, sorted(ports))) or "none"
            yield f"has no port {port.port}; its ports: {known}"
            continue
        if port.port in opaque:
            yield (
                f"port {port.port} is opaque by the annotation config.linkerd.io/opaque-ports of "
                "the Service: no route, retry, time-out or breaker holds there"
            )
        yield from _protocol(port, str(own.get("appProtocol") or ""))
    namespace, _, name = key.partition("/")
    patch = service_patch(namespace, name, wanted)
    has = service["metadata"].get("annotations") or {}
    lacking = [
        each
        for each, value in ((patch or {}).get("metadata") or {}).get("annotations", {}).items()
        if not each.startswith("pulumi.com/") and has.get(each) != value
    ]
    if lacking:
        yield f"{len(lacking)} annotations of its breaker are not there or differ: {lacking[0]}"


def _protocol(port: PortTraffic, given: str) -> Iterator[str]:
    if not given:
        return
    if given not in _PROTOCOLS:
        instead = "http" if port.protocol == "http" else "kubernetes.io/h2c"
        yield (
            f"appProtocol {given} of port {port.port} makes it opaque: no route, retry, time-out "
            f"or breaker holds there: write {instead}, or leave it out"
        )
    elif given == "http" and port.protocol != "http":
        yield (
            f"appProtocol http of port {port.port} is HTTP/1 alone, and the stack file says "
            f"{port.protocol}: write kubernetes.io/h2c"
        )


def _routes(key: str, wanted: ServiceTraffic, objects: TrafficObjects) -> Iterator[RouteState]:
    namespace, _, name = key.partition("/")
    there = {(each["kind"], _key(each)): each for each in objects.routes}
    own: set[tuple[str, str]] = set()
    for port in wanted.ports:
        for each in wanted_routes(namespace, name, port) if has_route(port) else ():
            kind, title = each["kind"], each["metadata"]["name"]
            own.add((kind, f"{namespace}/{title}"))
            found = there.get((kind, f"{namespace}/{title}"))
            if found is None:
                yield RouteState(kind, title, "missing", "is not there: apply the stack")
            else:
                yield _standing(kind, title, found, key, port.port)
    flagger = {port.port for port in wanted.ports if port.delivery == "flagger"}
    for (kind, place), each in sorted(there.items()):
        at = [ref for ref in _parents(each) if _is_parent(ref, each, key, None)]
        if (kind, place) in own or not at:
            continue
        if flagger and place == key:
            yield _standing(kind, place.partition("/")[2], each, key, wanted.port)
            continue
        shown = place if place.partition("/")[0] != namespace else place.partition("/")[2]
        why = "is another's, and of two routes at a port the older one holds"
        if place.partition("/")[0] != namespace:
            why = f"is another's, and holds for clients in {place.partition('/')[0]} instead"
        yield RouteState(kind, shown, "foreign", why)


def _standing(kind: str, name: str, route: Manifest, key: str, port: int) -> RouteState:
    """What Linkerd says of a route: without its word it does not act."""
    for each in (route.get("status") or {}).get("parents") or ():
        ref = each.get("parentRef") or {}
        if each.get("controllerName") != CONTROLLER or not _is_parent(ref, route, key, port):
            continue
        conditions = {one["type"]: one for one in each.get("conditions") or ()}
        for kind_ in ("Accepted", "ResolvedRefs"):
            one = conditions.get(kind_) or {}
            if one.get("status") == "False":
                said = one.get("message") or ""
                told = f"{one.get('reason', 'no reason given')}{f': {said}' if said else ''}"
                return RouteState(kind, name, "refused", f"is refused: {told}")
        if (conditions.get("Accepted") or {}).get("status") == "True":
            return RouteState(kind, name, "accepted")
    why = "has no status of Linkerd's, and does not act yet: are linkerd-destination's pods ready?"
    return RouteState(kind, name, "not seen", why)


def _parents(route: Manifest) -> list[dict[str, Any]]:
    return list((route.get("spec") or {}).get("parentRefs") or ())


def _is_parent(ref: Mapping[str, Any], route: Manifest, key: str, port: int | None) -> bool:
    namespace = ref.get("namespace") or route["metadata"].get("namespace", "")
    return (
        ref.get("kind") == "Service"
        and ref.get("group", "") in ("", "core")
        and f"{namespace}/{ref.get('name')}" == key
        and (port is None or ref.get("port") in (None, port))
    )


def _profile(config: StackConfig, key: str, objects: TrafficObjects) -> Iterator[str]:
    namespace, _, name = key.partition("/")
    domain = config.cluster.domain if config.cluster else "cluster.local"
    title = f"{name}.{namespace}.svc.{domain}"
    for each in objects.profiles:
        spec = each.get("spec") or {}
        if each["metadata"]["name"] == title and (spec.get("routes") or spec.get("dstOverrides")):
            yield (
                f"ServiceProfile {title} in {each['metadata'].get('namespace')} stands above it: "
                "routes, retries, time-outs and breaker have no effect: delete it, and restart the "
                "clients"
            )


def _figures(key: str, seen: Figures) -> tuple[list[str], list[str]]:
    namespace, _, name = key.partition("/")
    place = (namespace, name)
    faults, notes = [], []
    if clients := seen.shut.get(place):
        faults.append(f"breaker: {clients:,.0f} clients have no ready pod, and answer with 504")
    if pending := seen.out.get(place):
        notes.append(
            f"breaker: {pending[0]:,.0f} of {pending[1]:,.0f} pods are out, or not connected, as "
            "clients see them"
        )
    if tried := seen.retried.get(place):
        good = seen.recovered.get(place, 0.0)
        notes.append(
            f"retries in {seen.window}: {tried:,.0f}, of which {good:,.0f} were good "
            f"({good / tried:.0%})"
        )
    for words, counted in (
        ("requests still failed after the last retry", seen.exhausted),
        ("retries were not made because no pod was ready", seen.overflowed),
        ("requests were ended by a time-out", seen.timed_out),
    ):
        if number := counted.get(place):
            notes.append(f"{number:,.0f} {words} in {seen.window}")
    return faults, notes


def _silent(config: StackConfig, services: Mapping[str, Manifest]) -> list[str]:
    """Services of meshed namespaces that the stack file says nothing about."""
    meshed = {
        planned.name
        for wave, planned in plan.named(config)
        if wave.state == "on" and not planned.opt_out
    }
    return sorted(
        key
        for key, each in services.items()
        if key.partition("/")[0] in meshed
        and key not in config.traffic.services
        and (each.get("spec") or {}).get("clusterIP") not in (None, "", "None")
    )


def _key(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
