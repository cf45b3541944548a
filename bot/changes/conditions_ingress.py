"""Conditions of rules about routes of both gateways: who gets in from outside, or may call out.

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
_Asked = dict[str, set[str]]
_ENVOY = "gateway.envoyproxy.io/"
_FIRST_ONE_WAY = ".".join(map(str, (*WITH_GATEWAYS, 0)))
_VALIDATION = ("spec", "tls", "clientValidation")
# Parts of a SecurityPolicy that ask a caller who they are.
_ASKING = {"jwt", "oidc"}
# The header that the mesh's proxy tells the gateway the caller's identity by.
_CALLER = "header l5d-client-id"


def of_envoy(change: Change, kind: str) -> bool:
    """True for an object of Envoy Gateway's API."""
    return change.kind == kind and change.api_version.startswith(_ENVOY)


def ingress_opens(change: Change) -> Answer:
    """A route asks for less than before: no token or login, or less that it must hold."""
    if not of_envoy(change, "SecurityPolicy") or change.op is Op.CREATE:
        return False
    before, after = (mapping(side) for side in both(change, "spec"))
    if _ASKING & set(before) and not _ASKING & set(after):
        return "no token and no login"
    return ", ".join(_dropped(before, after)[:3])


def ingress_asks_more(change: Change) -> Answer:
    """A route asks for more than before, or lets fewer callers in."""
    if not of_envoy(change, "SecurityPolicy") or change.op not in (Op.UPDATE, Op.REPLACE):
        return False
    before, after = (mapping(side) for side in both(change, "spec"))
    if _ASKING & set(after) and not _ASKING & set(before):
        return "a token or a login"
    gone = sorted(callers(before) - callers(after)) if callers(after) else []
    return ", ".join([*gone, *_dropped(after, before)][:3])


def callers(spec: Mapping[str, Any]) -> set[str]:
    """The identities of the mesh that a SecurityPolicy names."""
    return set().union(*(rule.get(_CALLER, set()) for rule in _allowing(spec) or ()))


def _dropped(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What was asked for and is not any more, of who gets in by the easiest rule.

    Other identities of the mesh are told by a rule of their own.
    """
    was, now = _allowing(before), _allowing(after)
    if was is None:
        return []
    found: set[str] = set()
    for rule in [{}] if now is None else now:
        each = [_missing(old, rule) for old in was]
        found |= min(each, key=len) if each else {"a caller"}
    return sorted(found)


def _missing(old: _Asked, new: _Asked) -> set[str]:
    """What a rule asks for, and another does not."""
    return {
        name
        for name, values in old.items()
        if not (name == _CALLER and name in new) and not new.get(name, {"*"}) <= values
    }


def _allowing(spec: Mapping[str, Any]) -> list[_Asked] | None:
    """Of each rule that lets somebody in, what it asks for, with the values that will do.

    One of them is enough. None where everybody is let in.
    """
    authorization = mapping(spec.get("authorization"))
    if authorization.get("defaultAction", "Deny" if authorization else "Allow") == "Allow":
        return None
    rules = [mapping(each) for each in items(authorization.get("rules"))]
    return [_required(each) for each in rules if each.get("action", "Allow") == "Allow"]


def _required(rule: Mapping[str, Any]) -> _Asked:
    principal = mapping(rule.get("principal"))
    token = mapping(principal.get("jwt"))
    found: _Asked = {f"scope {each}": set() for each in items(token.get("scopes"))}
    for kind, named in (("claim", token.get("claims")), ("header", principal.get("headers"))):
        for each in map(mapping, items(named)):
            found[f"{kind} {each.get('name')}"] = set(map(str, items(each.get("values"))))
    return found


def client_certificate_optional(change: Change) -> Answer:
    """Clients get in without a certificate where one was required."""
    if not of_envoy(change, "ClientTrafficPolicy") or change.op is Op.CREATE:
        return False
    before, after = (mapping(side).get("mode") for side in both(change, *_VALIDATION))
    return before == "RequireAndVerify" and after != before


def gateway_goes(change: Change) -> Answer:
    """A Gateway, or the class of all of them, goes."""
    return goes(change) and change.kind in ("Gateway", "GatewayClass")


def tokens_change(change: Change) -> Answer:
    """Tokens of another issuer, other audiences or other keys are taken, or other logins."""
    if not of_envoy(change, "SecurityPolicy"):
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
    if not of_envoy(change, "SecurityPolicy"):
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
