"""Conditions of rules about where requests go, how often they are tried and when they end.

Semantics: https://linkerd.io/2/reference/httproute/, /retries/, /timeouts/ and /circuit-breaking/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bot.changes.label_changes import traffic_keys
from bot.changes.model import Change, Op
from bot.changes.objects import both, changed, goes, items, mapping
from bot.text.lists import listed
from components.traffic.values import READS, RULES, milliseconds

Answer = bool | str
Shares = dict[str, float]
_KINDS = frozenset({"HTTPRoute", "GRPCRoute"})
_SERVICES = frozenset({"Service", "ServicePatch"})
_TIMEOUT, _RETRY = "timeout.linkerd.io/", "retry.linkerd.io/"
_LIMIT = f"{_RETRY}limit"
_BREAKER = "balancer.linkerd.io/failure-accrual"
_RATE = "balancer.alpha.linkerd.io/failure-accrual-success-rate"
_BIAS = "balancer.alpha.linkerd.io/penalize-failures"
# Told by rules of their own, and by none for annotations of any kind.
_TOLD = (_TIMEOUT, _RETRY, _BREAKER, _RATE)
# More of it takes a pod out sooner or for longer, or less of it does.
_MORE_IS_TIGHTER = (
    *(f"{_BREAKER}-consecutive-min-penalty", f"{_BREAKER}-consecutive-max-penalty"),
    f"{_RATE}-threshold",
)
_LESS_IS_TIGHTER = (f"{_BREAKER}-consecutive-max-failures", f"{_RATE}-min-requests")
_JUMP = 0.5


def of_service(change: Change) -> bool:
    """True for a route that meshed clients of a Service take."""
    return change.kind in _KINDS and any(
        mapping(each).get("kind") == "Service"
        for side in both(change, "spec", "parentRefs")
        for each in items(side)
    )


def _rules(change: Change) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    before, after = ([mapping(e) for e in items(side)] for side in both(change, "spec", "rules"))
    return before, after


def _takes_everything(rule: Mapping[str, Any]) -> bool:
    """True for a rule without a match, or with one for every path and nothing else."""
    found = [mapping(each) for each in items(rule.get("matches"))]
    return not found or any(
        set(each) <= {"path"}
        and mapping(each.get("path")).get("type", "PathPrefix") == "PathPrefix"
        and mapping(each.get("path")).get("value", "/") == "/"
        for each in found
    )


def route_starts(change: Change) -> Answer:
    """A route takes the Service's default one away."""
    return change.op is Op.CREATE and of_service(change)


def route_ends(change: Change) -> Answer:
    """Requests go to the Service again, and what the route did for them is not done."""
    return change.op is Op.DELETE and of_service(change)


def rest_ends(change: Change) -> Answer:
    """A rule for every request goes, and what no other takes gets 404."""
    if change.op not in (Op.UPDATE, Op.REPLACE) or not of_service(change):
        return False
    before, after = _rules(change)
    return any(map(_takes_everything, before)) and not any(map(_takes_everything, after))


def routes_change(change: Change) -> Answer:
    """Other requests are taken, or they are changed or redirected in another way."""
    if change.op is not Op.UPDATE or not of_service(change):
        return False
    if changed(change, "spec", "parentRefs"):
        return True
    before, after = ([_without_backends(each) for each in side] for side in _rules(change))
    return before != after


def _without_backends(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key != "backendRefs"}


def _shares(rules: list[Mapping[str, Any]]) -> dict[str, Shares]:
    """By what a rule matches, the share of each backend."""
    found: dict[str, Shares] = {}
    for rule in rules:
        refs = [mapping(each) for each in items(rule.get("backendRefs"))]
        weights = [float(each.get("weight", 1)) for each in refs]
        whole = sum(weights) or 1.0
        key = json.dumps(rule.get("matches"), sort_keys=True, default=str)
        found[key] = {}
        for each, weight in zip(refs, weights, strict=True):
            name = f"{each.get('namespace', '')}/{each.get('name', '')}:{each.get('port', '')}"
            found[key][name] = found[key].get(name, 0.0) + weight / whole
    return found


def _moves(change: Change) -> Iterator[tuple[str, float | None, float]]:
    """Backend, and its share of a rule's requests before and after, where it gets more.

    Before it is None for one that the rule did not have.
    """
    if change.op is not Op.UPDATE or not of_service(change):
        return
    before, after = (_shares(side) for side in _rules(change))
    for key, shares in after.items():
        if key in before:
            for name, share in shares.items():
                if share > before[key].get(name, 0.0):
                    yield name, before[key].get(name), share


def weight_jump(change: Change) -> Answer:
    """A backend that may not bear it gets much more, or one that nobody has tried gets requests."""
    return _told(
        (name, before, after)
        for name, before, after in _moves(change)
        if before is None or after - before > _JUMP
    )


def weights_move(change: Change) -> Answer:
    """Shares move a little, between backends that have some."""
    return not weight_jump(change) and _told(_moves(change))


def _told(moves: Iterator[tuple[str, float | None, float]]) -> str:
    found = [
        f"{name} {'new' if before is None else f'{before:.0%}'} to {after:.0%}"
        for name, before, after in moves
    ]
    return listed(found, 4)


def delivery_weights(change: Change) -> Answer:
    """Weights that a rollout has moved are those of the stack file again."""
    # Of a new route nothing has been moved.
    return of_service(change) and bool(changed(change, "metadata", "annotations", RULES))


def _annotations(change: Change) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    before, after = both(change, "metadata", "annotations")
    return mapping(before), mapping(after)


def timeout_shortens(change: Change) -> Answer:
    """Requests that took longer, and were answered, are ended with 504."""
    if not of_service(change) or change.op is Op.DELETE:
        return False
    before, after = _annotations(change)
    found = []
    for key in sorted(key for key in after if key.startswith(_TIMEOUT)):
        old, new = str(before.get(key, "")), str(after[key])
        if old != new and (not old or milliseconds(new) < milliseconds(old)):
            found.append(f"{key.removeprefix(_TIMEOUT)} {old or 'none'} to {new}")
    return ", ".join(found)


def _retries(side: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in side.items() if key.startswith(_RETRY)}


def _writes(rules: list[Mapping[str, Any]], kind: str) -> bool:
    """True where a route takes more than GET, HEAD and OPTIONS."""
    found = [mapping(each) for rule in rules for each in items(rule.get("matches")) or [{}]]
    return kind == "GRPCRoute" or any(each.get("method") not in READS for each in found)


def retries_on_writes(change: Change) -> Answer:
    """Requests that change something may be done twice."""
    if not of_service(change) or change.op is Op.DELETE:
        return False
    (old, new), (before, after) = _rules(change), _annotations(change)
    was = bool(_retries(before)) and _writes(old, change.kind)
    return bool(_retries(after)) and _writes(new, change.kind) and not was


def retries_rise(change: Change) -> Answer:
    """Pods that fail for want of room get more requests."""
    if not of_service(change) or change.op is Op.DELETE:
        return False
    before, after = map(_retries, _annotations(change))
    most, now = (int(side.get(_LIMIT) or 1) if side else 0 for side in (before, after))
    return now > most and f"{most} to {now}"


def _breaker(change: Change) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return _annotations(change) if change.kind in _SERVICES else ({}, {})


def breaker_starts(change: Change) -> Answer:
    """Pods that fail get no requests, which is all of them where all fail."""
    before, after = _breaker(change)
    words = {_BREAKER: "breaker", _BIAS: "load bias"}
    found = [word for key, word in words.items() if key in after and key not in before]
    return change.op is not Op.DELETE and ", ".join(found)


def breaker_tightens(change: Change) -> Answer:
    """Pods are out sooner or for longer than before."""
    before, after = _breaker(change)
    if _BREAKER not in before or _BREAKER not in after:
        return False
    found = [f"mode {after[_BREAKER]}"] if before[_BREAKER] != after[_BREAKER] else []
    for keys, sign in ((_MORE_IS_TIGHTER, 1), (_LESS_IS_TIGHTER, -1)):
        for key in keys:
            old, new = str(before.get(key, "")), str(after.get(key, ""))
            if old and new and sign * (_number(new) - _number(old)) > 0:
                found.append(f"{key.partition('failure-accrual-')[2]} {old} to {new}")
    return ", ".join(found)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float(milliseconds(text))


def breaker_ends(change: Change) -> Answer:
    """Pods that fail get their share of the requests again."""
    before, after = _breaker(change)
    words = {_BREAKER: "breaker", _BIAS: "load bias"}
    return ", ".join(word for key, word in words.items() if key in before and key not in after)


def other_marks(change: Change) -> Answer:
    """Annotations that the mesh or an operator reads, without those that other rules tell of."""
    told = (*_TOLD, _BIAS) if change.kind in (*_SERVICES, *_KINDS) else ()
    return ", ".join(key for key in traffic_keys(change) if not key.startswith(told))


def _rates(side: Any) -> dict[str, int]:
    """Each rate of an HTTPLocalRateLimitPolicy by what it is for."""
    spec = mapping(mapping(side).get("spec"))
    found = {
        key: mapping(spec[key]).get("requestsPerSecond")
        for key in ("total", "identity")
        if key in spec
    }
    for each in map(mapping, items(spec.get("overrides"))):
        for ref in map(mapping, items(each.get("clientRefs"))):
            found[f"{ref.get('namespace')}/{ref.get('name')}"] = each.get("requestsPerSecond")
    return {key: value for key, value in found.items() if isinstance(value, int)}


def limit_lowers(change: Change) -> Answer:
    """Requests above a rate that is new, or lower than before, get 429."""
    if change.kind != "HTTPLocalRateLimitPolicy" or change.op is Op.DELETE:
        return False
    before, after = _rates(change.before), _rates(change.after)
    found = []
    for key in dict.fromkeys([*after, *before]):
        # A client without a rate of its own has that of each identity.
        own = "identity" if "/" in key else key
        old, new = before.get(key, before.get(own)), after.get(key, after.get(own))
        if new is not None and (old is None or new < old):
            found.append(f"{key} {'none' if old is None else old} to {new}")
    return listed(found, 4)


def limit_ends(change: Change) -> Answer:
    """Pods take every request that comes."""
    if change.kind != "HTTPLocalRateLimitPolicy" or change.op is Op.CREATE:
        return False
    gone = _rates(change.before).keys() - _rates(change.after).keys()
    return bool(gone & {"total", "identity"}) or goes(change)
