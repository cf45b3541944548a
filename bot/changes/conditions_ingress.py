"""Conditions of rules about the ingress gateway: who gets in from outside.

Semantics: https://gateway.envoyproxy.io/docs/api/extension_types/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.changes.model import Change, ChartMove, Op
from bot.changes.objects import both, changed, goes, items, mapping
from bot.changes.versions import older
from components.names import GATEWAY_API_CRDS, LINKERD_INGRESS, WITH_GATEWAYS

Answer = bool | str
_ENVOY = "gateway.envoyproxy.io/"
_FIRST_ONE_WAY = ".".join(map(str, (*WITH_GATEWAYS, 0)))
_VALIDATION = ("spec", "tls", "clientValidation")
# Parts of a SecurityPolicy that ask a caller who they are.
_ASKING = {"jwt", "oidc"}


def _of_envoy(change: Change, kind: str) -> bool:
    return change.kind == kind and change.api_version.startswith(_ENVOY)


def ingress_opens(change: Change) -> Answer:
    """A route asks for less than before: no token or login, or less that it must hold."""
    if not _of_envoy(change, "SecurityPolicy") or change.op is Op.CREATE:
        return False
    before, after = (mapping(side) for side in both(change, "spec"))
    if _ASKING & set(before) and not _ASKING & set(after):
        return "no token and no login"
    was, now = _required(before), _required(after)
    less = sorted(name for name, values in was.items() if not now.get(name, {"*"}) <= values)
    return ", ".join(less[:3])


def _required(spec: Mapping[str, Any]) -> dict[str, set[str]]:
    """The scopes and claims that are asked for, with the values that will do."""
    found: dict[str, set[str]] = {}
    for rule in items(mapping(spec.get("authorization")).get("rules")):
        token = mapping(mapping(mapping(rule).get("principal")).get("jwt"))
        for scope in items(token.get("scopes")):
            found[f"scope {scope}"] = set()
        for claim in map(mapping, items(token.get("claims"))):
            found[f"claim {claim.get('name')}"] = set(map(str, items(claim.get("values"))))
    return found


def client_certificate_optional(change: Change) -> Answer:
    """Clients get in without a certificate where one was required."""
    if not _of_envoy(change, "ClientTrafficPolicy") or change.op is Op.CREATE:
        return False
    before, after = (mapping(side).get("mode") for side in both(change, *_VALIDATION))
    return before == "RequireAndVerify" and after != before


def gateway_goes(change: Change) -> Answer:
    """A Gateway, or the class of all of them, goes."""
    return goes(change) and change.kind in ("Gateway", "GatewayClass")


def tokens_change(change: Change) -> Answer:
    """Tokens of another issuer, other audiences or other keys are taken, or other logins."""
    if not _of_envoy(change, "SecurityPolicy"):
        return False
    logins = changed(change, "spec", "oidc")
    if logins and all(logins):
        one, other = map(mapping, logins)
        if any(one.get(key) != other.get(key) for key in ("provider", "clientID")):
            return "logins"
    found = changed(change, "spec", "jwt", "providers")
    return found is not None and all(map(items, found)) and _trusted(found[0]) != _trusted(found[1])


def _trusted(providers: Any) -> list[Any]:
    return [
        [mapping(each).get(key) for key in ("issuer", "audiences", "remoteJWKS", "localJWKS")]
        for each in items(providers)
    ]


def cors_widens(change: Change) -> Answer:
    """Web pages of more origins may call."""
    if not _of_envoy(change, "SecurityPolicy"):
        return False
    before, after = (
        set(map(str, items(mapping(side).get("allowOrigins"))))
        for side in both(change, "spec", "cors")
    )
    more = sorted(after - before)
    return bool(more and change.op is not Op.CREATE) and ", ".join(more[:3])


def route_opens(change: Change) -> Answer:
    """A service is reached from outside that was not."""
    return (
        change.op is Op.CREATE
        and change.kind == "HTTPRoute"
        and change.namespace == LINKERD_INGRESS
        and change.place
    )


def one_way(move: ChartMove) -> bool:
    """Gateway API CRDs that the older ones cannot follow any more."""
    if move.chart != GATEWAY_API_CRDS or move.before is None or move.after is None:
        return False
    return older(_FIRST_ONE_WAY, move.before) and not older(_FIRST_ONE_WAY, move.after)
