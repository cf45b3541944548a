"""What Envoy Gateway says of the objects of both gateways, in words."""

from __future__ import annotations

from collections.abc import Mapping

from bot.clients.kubernetes import Manifest
from bot.mesh.status.objects import some
from components.envoy_gateway import CONTROLLER


def refused(found: Manifest | None, controller: str = CONTROLLER) -> str:
    """Why a controller does not act on a route or a policy; empty where it does."""
    if found is None:
        return "not there"
    status = found.get("status") or {}
    ours = [
        each
        for each in (*(status.get("parents") or ()), *(status.get("ancestors") or ()))
        if each.get("controllerName") == controller
    ]
    if not ours:
        return "nobody has looked at it"
    kinds = ("Accepted", "ResolvedRefs") if "parents" in status else ("Accepted",)
    return next((why for each in ours if (why := not_true(each, *kinds))), "")


def not_true(status: Manifest, *kinds: str) -> str:
    """What is said of the first condition that is not true; empty where all are."""
    known = {each["type"]: each for each in status.get("conditions") or ()}
    for kind in kinds:
        each = known.get(kind, {})
        if each.get("status") != "True":
            return f"not {kind}: {each.get('message') or each.get('reason') or 'nobody has said'}"
    return ""


def reasons(odd: Mapping[str, str]) -> str:
    """What is odd, each with the beginning of why."""
    return some(f"{name}: {why[:120]}" for name, why in odd.items())
