"""Who moves the weights of a service: whether Argo Rollouts or Flagger does, and how far it is.

Argo's plugin: argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi pkg/plugin/plugin.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.clients.kubernetes import Manifest
from bot.mesh.rollout.network_policies import matches
from bot.mesh.traffic.model import TrafficObjects
from bot.text.lists import listed
from components.traffic.objects import route_name
from components.traffic.section import PortTraffic, ServiceTraffic

PLUGIN = "argoproj-labs/gatewayAPI"
# From here on Flagger waits for a field that Linkerd never sets (linkerd2#14964).
_HANGS = (1, 42)
_VERSION = re.compile(r":v?(\d+)\.(\d+)")
# What the plugin's configuration calls a route, several, and a selector of them.
_KEYS = {"HTTPRoute": "httpRoute", "GRPCRoute": "grpcRoute"}
_MOST = 3


def state(key: str, port: PortTraffic, objects: TrafficObjects) -> tuple[list[str], str]:
    """What is wrong with who moves the weights, and how far that is."""
    namespace, _, name = key.partition("/")
    if port.delivery == "argo":
        kind = "GRPCRoute" if port.protocol == "grpc" else "HTTPRoute"
        title = route_name(name, port.port)
        for each in objects.rollouts:
            plugin = _plugin(each)
            if (plugin.get("namespace") or each["metadata"].get("namespace")) != namespace:
                continue
            chosen = _selected(plugin, kind, namespace, objects)
            if title in {*_named(plugin, kind), *chosen}:
                found = list(_argo(each, plugin, kind, (namespace, title), objects))
                return found, f"Rollout {each['metadata']['name']}: {_phase(each)}"
        return [f"delivery argo: no Rollout in {namespace} moves the route {title}"], ""
    if port.delivery == "flagger":
        for each in objects.canaries:
            own = (each["spec"].get("service") or {}).get("name") or each["spec"]["targetRef"][
                "name"
            ]
            if each["metadata"].get("namespace") == namespace and own == name:
                told = f"Canary {each['metadata']['name']}: {_phase(each)}"
                return list(_flagger(each, objects.flagger)), told
        return [f"delivery flagger: no Canary in {namespace} is for {name}"], ""
    return [], ""


def _canary(rollout: Manifest) -> Mapping[str, Any]:
    return (rollout.get("spec") or {}).get("strategy", {}).get("canary") or {}


def _plugin(rollout: Manifest) -> Mapping[str, Any]:
    routing = _canary(rollout).get("trafficRouting") or {}
    return (routing.get("plugins") or {}).get(PLUGIN) or {}


def _named(plugin: Mapping[str, Any], kind: str) -> set[str]:
    key = _KEYS[kind]
    several = (each.get("name") for each in plugin.get(f"{key}s") or ())
    return {str(each) for each in (plugin.get(key), *several) if each}


def _selected(
    plugin: Mapping[str, Any], kind: str, namespace: str, objects: TrafficObjects
) -> dict[str, Manifest]:
    """The routes that a selector takes, by name: without one none, as the plugin has it."""
    selector = plugin.get(f"{_KEYS[kind]}Selector")
    if selector is None:
        return {}
    return {
        each["metadata"]["name"]: each
        for each in objects.routes
        if each["kind"] == kind
        and each["metadata"].get("namespace") == namespace
        and matches(selector, each["metadata"].get("labels") or {})
    }


def _argo(
    rollout: Manifest,
    plugin: Mapping[str, Any],
    kind: str,
    route: tuple[str, str],
    objects: TrafficObjects,
) -> Iterator[str]:
    """What the plugin takes, and then stops at or leaves out."""
    who, (namespace, title) = f"Rollout {rollout['metadata']['name']}", route
    key, canary = _KEYS[kind], _canary(rollout)
    if not plugin.get("namespace"):
        yield (
            f"{who} has no `namespace` in its {PLUGIN}, without which the plugin reads no route: "
            f"write namespace: {namespace}"
        )
    if title in _named(plugin, kind):
        return
    if any("setHeaderRoute" in each for each in canary.get("steps") or ()):
        yield (
            f"{who} selects its route by labels, and the plugin leaves setHeaderRoute out for "
            f"such: write {key}: {title} instead of {key}Selector"
        )
    own = [canary.get("stableService"), canary.get("canaryService")]
    others = sorted(
        name
        for name, each in _selected(plugin, kind, namespace, objects).items()
        if not _backends(each).issuperset(own)
    )
    if others:
        yield (
            f"{who} selects {listed(others, _MOST)} as well, without {' and '.join(map(str, own))} "
            f"among its backends, and the plugin stops at it: write {key}: {title} instead of "
            f"{key}Selector"
        )


def _backends(route: Manifest) -> set[str]:
    rules = (route.get("spec") or {}).get("rules") or ()
    return {each.get("name", "") for rule in rules for each in rule.get("backendRefs") or ()}


def _phase(manifest: Manifest) -> str:
    status = manifest.get("status") or {}
    weight = status.get("canaryWeight")
    if weight is None:
        weight = ((status.get("canary") or {}).get("weights") or {}).get("canary", {}).get("weight")
    told = str(status.get("phase") or "no phase yet")
    if status.get("message"):
        told += f" ({status['message']})"
    return f"{told}, canary at {weight} %" if weight is not None else told


def _flagger(canary: Manifest, image: str | None) -> Iterator[str]:
    refs = (canary["spec"].get("service") or {}).get("gatewayRefs") or ()
    found = _VERSION.search(image or "")
    version = (int(found[1]), int(found[2])) if found else None
    if any(each.get("group") == "core" for each in refs) and (version is None or version >= _HANGS):
        shown = ".".join(map(str, version)) if version else "of a version that could not be read"
        yield (
            f"Flagger {shown} waits for ever with `group: core` in gatewayRefs of Canary "
            f"{canary['metadata']['name']} (1.42 and newer): docs/traffic.md"
        )


def owned(wanted: ServiceTraffic, service: Manifest) -> Iterator[str]:
    """Flagger sets the annotations of a Service back that it has made (kubernetes_default.go)."""
    owners = service["metadata"].get("ownerReferences") or ()
    canary = next((each["name"] for each in owners if each.get("kind") == "Canary"), None)
    if canary is not None and (wanted.breaker is not None or wanted.load_bias is not None):
        yield (
            f"is made by Canary {canary}, which takes the annotations of its breaker off again: "
            "remove its ownerReferences, and keep the Service with the application"
        )
