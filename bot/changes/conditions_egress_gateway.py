"""Conditions of rules about partners outside: who calls them, as whom, where they are, how much.

What a BackendTrafficPolicy says of a route is the same at the ingress gateway.
Semantics: https://gateway.envoyproxy.io/docs/api/extension_types/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.changes.conditions_ingress import Answer, callers, of_envoy
from bot.changes.model import Change, Op
from bot.changes.objects import both, changed, goes, items, mapping, seconds
from bot.text.lists import listed
from components.names import LINKERD_EGRESS_GATEWAY

_TLS = ("spec", "tls")
# More of the first, or less of the second, and more requests are answered by the gateway itself.
_LESS_IS_TIGHTER = (
    ("circuitBreaker", "maxParallelRequests"),
    ("timeout", "http", "requestTimeout"),
    ("healthCheck", "passive", "consecutive5XxErrors"),
)
_MORE_IS_TIGHTER = (("healthCheck", "passive", "baseEjectionTime"),)
_IN_A = {"Second": 3600, "Minute": 60, "Hour": 1}


def _ours(change: Change) -> bool:
    return change.namespace == LINKERD_EGRESS_GATEWAY


def partner_added(change: Change) -> Answer:
    """A server outside is called that was not."""
    if change.op is not Op.CREATE or change.kind != "HTTPRoute" or not _ours(change):
        return False
    return ", ".join(map(str, items(both(change, "spec", "hostnames")[1]))) or True


def partner_callers(change: Change) -> Answer:
    """More accounts call a partner, as we do."""
    if not of_envoy(change, "SecurityPolicy") or change.op not in (Op.UPDATE, Op.REPLACE):
        return False
    before, after = (callers(mapping(side)) for side in both(change, "spec"))
    # Of one that had none, everybody was let in.
    return listed(sorted(after - before), 4) if before else ""


def partner_trust_goes(change: Change) -> Answer:
    """A partner is called without TLS, or its certificate is checked by others than its CA."""
    if not of_envoy(change, "Backend"):
        return False
    before, after = (mapping(side) for side in both(change, *_TLS))
    dynamic = both(change, "spec", "type")
    found = []
    if change.op in (Op.UPDATE, Op.REPLACE) and before and not after:
        found.append("no TLS")
    if after.get("insecureSkipVerify") and not before.get("insecureSkipVerify"):
        found.append("its certificate is not checked")
    if before.get("caCertificateRefs") and after and not after.get("caCertificateRefs"):
        found.append("any public authority will do")
    if dynamic[1] == "DynamicResolver" != dynamic[0]:
        found.append("requests go wherever their caller says")
    return change.op is not Op.CREATE and ", ".join(found)


def partner_moves(change: Change) -> Answer:
    """Requests with credentials go to another server, or to whoever another CA vouches for."""
    if change.kind == "ConfigMap" and _ours(change):
        return change.op in (Op.UPDATE, Op.REPLACE) and bool(change.touches("data"))
    if not of_envoy(change, "Backend"):
        return False
    keys = (("endpoints",), ("tls", "sni"), ("tls", "caCertificateRefs"))
    return ", ".join(".".join(key) for key in keys if changed(change, "spec", *key))


def partner_credential(change: Change) -> Answer:
    """A partner is shown a certificate or a header more, less or another; not by its value.

    Rules about synced Secrets tell of that.
    """
    if of_envoy(change, "Backend"):
        found = changed(change, *_TLS, "clientCertificateRef")
        return found is not None and ("no certificate" if found[1] is None else True)
    if not of_envoy(change, "HTTPRouteFilter") or change.op is Op.CREATE:
        return False
    return "no header" if goes(change) else bool(change.touches("spec"))


def _policy(change: Change) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Both sides of a BackendTrafficPolicy that stays; nothing of any other change."""
    if not of_envoy(change, "BackendTrafficPolicy") or change.op not in (Op.UPDATE, Op.REPLACE):
        return {}, {}
    before, after = both(change, "spec")
    return mapping(before), mapping(after)


def _value(spec: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    for key in path:
        spec = mapping(spec).get(key, {})
    return spec or None


def gateway_limits(change: Change) -> Answer:
    """Requests that were answered are refused or ended by the gateway."""
    before, after = _policy(change)
    found = list(_tighter(before, after))
    was, now = _rates(before), _rates(after)
    for key, rate in now.items():
        if key not in was or rate < was[key]:
            found.append(f"rate {key} {was.get(key, 'none')} to {rate} an hour")
    return listed(found, 4)


def _tighter(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for paths, sign in ((_LESS_IS_TIGHTER, -1), (_MORE_IS_TIGHTER, 1)):
        for path in paths:
            old, new = (_value(side, path) for side in (before, after))
            if new is None or old == new:
                continue
            if old is None or sign * ((seconds(new) or 0) - (seconds(old) or 0)) > 0:
                yield f"{path[-1]} {old or 'none'} to {new}"


def _rates(spec: Mapping[str, Any]) -> dict[str, float]:
    """Requests in an hour, by what they are counted by."""
    found: dict[str, float] = {}
    for kind in ("local", "global"):
        for rule in map(mapping, items(_value(spec, ("rateLimit", kind, "rules")))):
            limit = mapping(rule.get("limit"))
            counted = ", ".join(sorted(_selected(rule))) or "all"
            hourly = int(limit.get("requests") or 0) * _IN_A.get(str(limit.get("unit")), 1)
            key = f"{kind} by {counted}"
            found[key] = min(hourly, found.get(key, hourly))
    return found


def _selected(rule: Mapping[str, Any]) -> Iterator[str]:
    for each in map(mapping, items(rule.get("clientSelectors"))):
        yield from (str(mapping(h).get("name")) for h in items(each.get("headers")))
        if "sourceCIDR" in each:
            yield "address"


def gateway_limits_end(change: Change) -> Answer:
    """A rate holds no longer, or nothing ends requests to what fails."""
    before, after = _policy(change)
    found = [f"rate {key}" for key in _rates(before).keys() - _rates(after).keys()]
    if "healthCheck" in before and "healthCheck" not in after:
        found.append("breaker")
    return listed(sorted(found), 4)


def gateway_retries(change: Change) -> Answer:
    """Requests are tried again, or more often, and what changes something may be done twice."""
    before, after = (mapping(side.get("retry")) for side in _policy(change))
    old, new = (int(side.get("numRetries") or 0) for side in (before, after))
    triggers = [
        set(map(str, items(mapping(side.get("retryOn")).get("triggers"))))
        for side in (before, after)
    ]
    more = sorted(triggers[1] - triggers[0])
    return (new > old or bool(more)) and ", ".join([f"{old} to {new} times", *more])
