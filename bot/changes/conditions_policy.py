"""Conditions of rules about who may talk to whom: Linkerd's policy, networks, Kubernetes' rights.

Semantics: https://linkerd.io/2/reference/authorization-policy/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from bot.changes.model import Change, Op
from bot.changes.objects import both, goes, is_policy, items, mapping, of_chart, told

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
    if change.op not in (Op.UPDATE, Op.REPLACE):
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
    return goes(change) and is_policy(change) and change.kind in _ADMITTING


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
    return goes(change) and is_policy(change) and change.kind == "Server"


def server_selects(change: Change) -> Answer:
    """A Server denies who has no authorization; a chart brings the authorizations along."""
    if not is_policy(change) or change.kind != "Server" or goes(change):
        return False
    if change.op is Op.CREATE and of_chart(change):
        return False
    if change.op is Op.UPDATE and not change.touches("spec"):
        return False
    policy = str(both(change, "spec", "accessPolicy")[1] or "deny")
    if change.op is Op.CREATE and strictness(policy) == 0:
        return False
    return f"access policy {policy}"


def egress_denies(change: Change) -> Answer:
    """Traffic that leaves the cluster is denied."""
    if not is_policy(change) or change.kind != "EgressNetwork" or goes(change):
        return False
    return both(change, "spec", "trafficPolicy")[1] == "Deny" and (
        change.op is Op.CREATE or change.touches("spec")
    )


def egress_goes(change: Change) -> Answer:
    """What let traffic out, or kept it in, goes."""
    return goes(change) and is_policy(change) and change.kind == "EgressNetwork"


def rate_limits(change: Change) -> Answer:
    """Callers above a rate are turned away."""
    if change.op not in (Op.CREATE, Op.UPDATE) or change.kind != "HTTPLocalRateLimitPolicy":
        return False
    return change.op is Op.CREATE or change.touches("spec")


def network_policy(change: Change) -> Answer:
    """Packets are dropped that were not, or let through that were dropped."""
    return change.kind in ("NetworkPolicy", "CiliumNetworkPolicy") and (
        change.op is not Op.UPDATE or change.touches("spec")
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
    told_ = sorted(f"{verb} {what}{f'.{group}' if group else ''}" for group, what, verb in found)
    more = f" and {len(told_) - 4} more" if len(told_) > 4 else ""
    return ", ".join(told_[:4]) + more
