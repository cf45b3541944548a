"""Opaque ports of a Service and of a pod behind it: both must say the same of a port.

The same as misconfiguredOpaqueAnnotation of linkerd2 pkg/healthcheck/healthcheck.go, with ranges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.clients.kubernetes import Manifest, place
from bot.mesh.status.objects import annotations_of

ANNOTATION = "config.linkerd.io/opaque-ports"


def faults(service: Manifest, pod: Manifest) -> Iterator[str]:
    """What does not fit, one sentence each."""
    outside, inside = opaque_ports(service), opaque_ports(pod)
    if outside is None or inside is None:
        odd = service if outside is None else pod
        yield f"{ANNOTATION} of {place(odd)} names what is no port"
        return
    for port in service["spec"].get("ports") or ():
        number, target = int(port["port"]), _target(port, pod)
        if target is None:
            continue
        if number in outside and target not in inside and target in _exposed(pod):
            yield f"port {target} of pods of {place(service)} is not opaque, {number} of it is"
        if target in inside and number not in outside and target not in outside:
            yield f"port {number} of {place(service)} is not opaque, {target} of its pods is"


def opaque_ports(manifest: Manifest) -> set[int] | None:
    """The ports of the annotation, none without it; None where it cannot be read."""
    found: set[int] = set()
    for part in annotations_of(manifest).get(ANNOTATION, "").split(","):
        if not part.strip():
            continue
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            # A name of a port is resolved by the injector alone, in the pod's own containers.
            number = _named(manifest, part.strip())
            if number is None:
                return None
            found.add(number)
            continue
        found |= set(range(int(first), int(last if dash else first) + 1))
    return found


def _target(port: dict[str, Any], pod: Manifest) -> int | None:
    target = port.get("targetPort") or port["port"]
    return target if isinstance(target, int) else _named(pod, target)


def _named(manifest: Manifest, name: str) -> int | None:
    for each in _ports(manifest):
        if each.get("name") == name:
            return int(each["containerPort"] if "containerPort" in each else each["port"])
    return None


def _exposed(pod: Manifest) -> set[int]:
    return {int(each["containerPort"]) for each in _ports(pod)}


def _ports(manifest: Manifest) -> list[dict[str, Any]]:
    spec = manifest["spec"]
    every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    inside = [port for each in every for port in each.get("ports") or ()]
    return inside or list(spec.get("ports") or ())
