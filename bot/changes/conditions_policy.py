"""Conditions of rules about who may talk to whom: Linkerd's policy, networks, Kubernetes' rights.

Semantics: https://linkerd.io/2/reference/authorization-policy/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from bot.changes.conditions_traffic import of_service
from bot.changes.label_changes import PATCH
from bot.changes.model import Change, Op
from bot.changes.objects import (
    both,
    changed,
    goes,
    is_policy,
    items,
    mapping,
    of_chart,
    told,
)
from bot.text.lists import listed

# From what admits most to what admits least; `audit` only writes down what it would deny.
STRICTNESS: Mapping[str, int] = {
    "all-unauthenticated": 0,
    "audit": 0,
    "cluster-unauthenticated": 1,
    "all-authenticated": 2,
    "cluster-authenticated": 3,
    "deny": 4,
}
_ADMITTING = frozenset(
    {
        *("AuthorizationPolicy", "MeshTLSAuthentication", "NetworkAuthentication"),
        "ServerAuthorization",
    }
)
# What is a list of callers that are let in.
_LISTS: Mapping[str, tuple[str, ...]] = {
    "MeshTLSAuthentication": ("identities", "identityRefs"),
    "NetworkAuthentication": ("networks",),
}
_DEFAULT_KEYS = ("config.linkerd.io/default-inbound-policy", "defaultInboundPolicy")
_DEFAULT_VARIABLE = "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY"
_IN_TEXT = re.compile(
    r"(?:defaultInboundPolicy|default-inbound-policy|--default-policy)"
    r"[\"']?\s*[:=]\s*[\"']?([a-z-]+)"
)
# One of them is in each of the names above.
_IN_EACH = ("efault", "DEFAULT")
_ROUTES = frozenset({"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"})
_DANGEROUS_VERBS = frozenset({"*", "escalate", "bind", "impersonate"})
_READ = frozenset({"*", "get", "list", "watch"})
Answer = bool | str
Right = tuple[str, str, str]


def strictest_default(inputs: Any) -> str:
    """The strictest default inbound policy that stands anywhere in an object; empty for none."""
    # Looking into every value takes fifty times as long as finding out that none is about it.
    text = repr(inputs or {})
    if not any(word in text for word in _IN_EACH):
        return ""
    return max(_defaults(inputs), key=strictness, default="")


def strictness(policy: str) -> int:
    """A number that is higher the less a policy admits; one that is not known may deny all."""
    return STRICTNESS.get(policy, len(STRICTNESS)) if policy else 0


def _defaults(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.get("name") == _DEFAULT_VARIABLE and value.get("value"):
            yield str(value["value"])
        for key, item in value.items():
            if key in _DEFAULT_KEYS and isinstance(item, str):
                yield item
            else:
                yield from _defaults(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _defaults(item)
    elif isinstance(value, str) and "efault" in value:
        yield from _IN_TEXT.findall(value)


@lru_cache(maxsize=1)  # three rules ask in turn
def _default_moves(change: Change) -> tuple[str, str]:
    # A patch of a namespace comes and goes on pods that are there.
    if change.op not in (Op.UPDATE, Op.REPLACE) and change.kind != PATCH:
        return "", ""
    return strictest_default(change.before), strictest_default(change.after)


def default_denies(change: Change) -> Answer:
    """Nobody is let in any more unless a policy says so."""
    before, after = _default_moves(change)
    denies = strictness(after) >= STRICTNESS["deny"] > strictness(before)
    return denies and f"{before or 'not set'} to {after}"


def default_tightens(change: Change) -> Answer:
    """Fewer callers are let in where no policy says otherwise."""
    before, after = _default_moves(change)
    tighter = strictness(before) < strictness(after) < STRICTNESS["deny"]
    return tighter and f"{before or 'not set'} to {after}"


def default_loosens(change: Change) -> Answer:
    """More callers are let in where no policy says otherwise."""
    before, after = _default_moves(change)
    return strictness(after) < strictness(before) and f"{before} to {after or 'not set'}"


def grant_goes(change: Change) -> Answer:
    """What lets callers in goes."""
    return goes(change) and is_policy(change) and change.kind in _ADMITTING and not _chart(change)


def _chart(change: Change) -> bool:
    """True for what goes together with a chart's own pods, which it is for."""
    return of_chart(change) and change.op is Op.DELETE


def grant_changes(change: Change) -> Answer:
    """Who is let in changes, and nobody is named who was not: some may be denied."""
    if change.op is not Op.UPDATE or not is_policy(change) or change.kind not in _ADMITTING:
        return False
    return bool(change.touches("spec")) and not _only_more(change)


def grant_widens(change: Change) -> Answer:
    """More callers are let in, and all who were stay."""
    if change.op is not Op.UPDATE or not is_policy(change) or change.kind not in _ADMITTING:
        return False
    return bool(change.touches("spec")) and _only_more(change)


def _only_more(change: Change) -> bool:
    """True when the lists of identities or networks grow, and nothing else changes."""
    names = _LISTS.get(change.kind, ())
    before, after = both(change, "spec")
    old, new = mapping(before), mapping(after)
    others = {key for key in (*old, *new) if old.get(key) != new.get(key)} - set(names)
    if others or not names:
        return False
    return all(item in items(new.get(name)) for name in names for item in items(old.get(name)))


def server_goes(change: Change) -> Answer:
    """The ports it selects fall back to the default inbound policy."""
    return goes(change) and is_policy(change) and change.kind == "Server" and not _chart(change)


def server_selects(change: Change) -> Answer:
    """A Server denies who has no authorization; a chart brings the authorizations along."""
    if not is_policy(change) or change.kind != "Server" or goes(change):
        return False
    if change.op is Op.CREATE and of_chart(change):
        return False
    if change.op is Op.UPDATE and not change.touches("spec"):
        return False
    policy = str(both(change, "spec", "accessPolicy")[1] or "deny")
    if strictness(policy) == 0 and not _selects_others(change):
        return False
    return not server_denies(change) and f"access policy {policy}"


def _selects_others(change: Change) -> bool:
    """True when a Server that is there is for other pods or another port than before."""
    parts = ("podSelector", "externalWorkloadSelector", "port", "proxyProtocol")
    return any(changed(change, "spec", part) for part in parts)


def server_denies(change: Change) -> Answer:
    """A Server denies, from now on, whom no authorization lets in."""
    if not is_policy(change) or change.kind != "Server" or change.op is not Op.UPDATE:
        return False
    # A Server without an access policy denies.
    before, after = (str(side or "deny") for side in both(change, "spec", "accessPolicy"))
    denies = strictness(after) >= STRICTNESS["deny"] > strictness(before)
    return denies and f"{before} to {after}"


def server_loosens(change: Change) -> Answer:
    """A Server lets in callers that it denied."""
    if not is_policy(change) or change.kind != "Server" or change.op is not Op.UPDATE:
        return False
    before, after = (str(side or "deny") for side in both(change, "spec", "accessPolicy"))
    return strictness(after) < strictness(before) and f"{before} to {after}"


def _egress_policy(change: Change) -> tuple[str, str] | None:
    """What an EgressNetwork does with traffic that no route takes, before and after."""
    if not is_policy(change) or change.kind != "EgressNetwork" or change.after is None:
        return None
    before, after = both(change, "spec", "trafficPolicy")
    return str(before or "Allow"), str(after or "Allow")


def egress_denies(change: Change) -> Answer:
    """Traffic that leaves the cluster is denied from now on."""
    found = _egress_policy(change)
    return found is not None and found[1] == "Deny" != found[0]


def egress_changes(change: Change) -> Answer:
    """What is taken for outside, and denied, changes."""
    denied = _egress_policy(change) == ("Deny", "Deny")
    return denied and change.op is Op.UPDATE and change.touches("spec")


def egress_opens(change: Change) -> Answer:
    """Traffic that was kept in gets out."""
    return change.op is Op.UPDATE and _egress_policy(change) == ("Deny", "Allow")


def egress_route_goes(change: Change) -> Answer:
    """A host outside is no longer listed, or is reached in another way."""
    if change.op is Op.CREATE or not _leads_out(change):
        return False
    return goes(change) or change.touches("spec")


def _leads_out(change: Change) -> bool:
    return change.kind in _ROUTES and any(
        mapping(each).get("kind") == "EgressNetwork"
        for side in both(change, "spec", "parentRefs")
        for each in items(side)
    )


def route_changes(change: Change) -> Answer:
    """Requests are authorized by other rules: probes and metrics have routes too."""
    if change.op is not Op.UPDATE or change.kind not in _ROUTES or _leads_out(change):
        return False
    return not of_service(change) and change.touches("spec")


def egress_goes(change: Change) -> Answer:
    """What let traffic out, or kept it in, goes."""
    return goes(change) and is_policy(change) and change.kind == "EgressNetwork"


def guard_denies(change: Change) -> Answer:
    """The API server refuses objects that it let pass."""
    if change.kind != "ValidatingAdmissionPolicyBinding" or change.after is None:
        return False
    before, after = (items(side) for side in both(change, "spec", "validationActions"))
    return "Deny" in after and (change.op is Op.CREATE or "Deny" not in before)


def network_policy(change: Change) -> Answer:
    """Packets are dropped that were not, or let through that were dropped."""
    return change.kind in ("NetworkPolicy", "CiliumNetworkPolicy") and (
        change.op is not Op.UPDATE or (change.touches("spec") and not network_opens(change))
    )


def network_opens(change: Change) -> Answer:
    """A NetworkPolicy lets through more than before, and all that it did."""
    if change.kind != "NetworkPolicy" or change.op is not Op.UPDATE:
        return False
    before, after = (mapping(side) for side in both(change, "spec"))
    kept = all(before.get(key) == after.get(key) for key in ("podSelector", "policyTypes"))
    return kept and all(
        _covers(items(before.get(way)), items(after.get(way))) for way in ("egress", "ingress")
    )


def _covers(before: list[Any], after: list[Any]) -> bool:
    """True when every rule is still there, or names more peers or ports than it did."""
    return all(any(_wider(mapping(old), mapping(new)) for new in after) for old in before)


def _wider(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    # A list that is not there, or is empty, is everything.
    return all(
        not new.get(key)
        or (bool(old.get(key)) and all(item in items(new[key]) for item in items(old[key])))
        for key in ("to", "from", "ports")
    )


def rights(inputs: Any) -> set[Right]:
    """Every right of a role as (API group, resource, verb)."""
    found = set()
    for rule in map(mapping, items(mapping(inputs).get("rules"))):
        places = [
            (g, r) for g in items(rule.get("apiGroups")) for r in items(rule.get("resources"))
        ]
        places += [("", str(url)) for url in items(rule.get("nonResourceURLs"))]
        for verb in items(rule.get("verbs")):
            found |= {(group, what, str(verb)) for group, what in places}
    return found


def _new_rights(change: Change) -> set[Right]:
    if change.kind not in ("Role", "ClusterRole") or change.op is Op.DELETE:
        return set()
    before = rights(change.before)
    return {right for right in rights(change.after) - before if not _covered(right, before)}


def _covered(right: Right, by: set[Right]) -> bool:
    return any(
        all(mine in (own, "*") for mine, own in zip(held, right, strict=True)) for held in by
    )


def strong_rights(change: Change) -> Answer:
    """Rights are added with which one can take all others, or read Secrets."""
    if change.op is Op.CREATE and of_chart(change):
        return False
    strong = {
        right
        for right in _new_rights(change)
        if right[2] in _DANGEROUS_VERBS or (right[1] in ("*", "secrets") and right[2] in _READ)
    }
    return _listed(strong)


def more_rights(change: Change) -> Answer:
    """Rights are added."""
    return change.op is not Op.CREATE and _listed(_new_rights(change))


def fewer_rights(change: Change) -> Answer:
    """Rights are taken away: something may not be able to do its work."""
    if change.op is not Op.UPDATE or change.kind not in ("Role", "ClusterRole"):
        return False
    after = rights(change.after)
    return _listed({right for right in rights(change.before) - after if not _covered(right, after)})


def cluster_admin(change: Change) -> Answer:
    """Somebody gets every right."""
    if not change.kind.endswith("RoleBinding") or change.op is Op.DELETE:
        return False
    if both(change, "roleRef", "name")[1] not in ("cluster-admin", "admin"):
        return False
    return change.op is Op.CREATE or bool(change.touches("subjects", "roleRef"))


def bound_to_more(change: Change) -> Answer:
    """Others than before get the rights of a role."""
    if not change.kind.endswith("RoleBinding") or change.op not in (Op.UPDATE, Op.REPLACE):
        return False
    before, after = (items(side) for side in both(change, "subjects"))
    added = [mapping(each).get("name") for each in after if each not in before]
    return ", ".join(told(name) for name in added)


def _listed(found: set[Right]) -> str:
    rights = sorted(f"{verb} {what}{f'.{group}' if group else ''}" for group, what, verb in found)
    return listed(rights, 4)
