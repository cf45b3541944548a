"""Which actions need their own `--allow`, read from what would change.

One table of rules: what goes and cannot be had back, or locks callers out, is not applied because
it stands in a longer list that somebody approved at a glance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.changes import conditions_trust
from bot.changes.conditions_policy import (
    grant_changes,
    grant_goes,
    strictest_default,
    strictness,
)
from bot.changes.model import Change, ChangeSet, Op
from bot.changes.objects import mapping
from bot.exit_codes import RefusedError
from components.names import LINKERD, LINKERD_BUOYANT, LINKERD_TRACING, LINKERD_VIZ

_GONE = (Op.DELETE, Op.REPLACE)
# Their URNs have the component's type in the chain: what is below it is the trust's.
_TRUST = (":TrustAnchor$", ":TrustBundle$", ":ClusterAnchor$", ":IdentityIssuer$", ":VaultAuth$")
# An extension brings the policy of its own servers along.
_OWN_POLICY = (LINKERD, LINKERD_VIZ, LINKERD_BUOYANT, LINKERD_TRACING)


class Action(StrEnum):
    """What `--allow` takes."""

    ANCHOR = "anchor"
    CRD = "crd"
    NAMESPACE = "namespace"
    STACK = "stack"
    DENY = "deny"


@dataclass(frozen=True)
class Need:
    """One change that needs an `--allow`, and why."""

    action: Action
    subject: str
    why: str


def destruction(stack: str) -> Need:
    """What destroying a stack needs, whatever is in it."""
    return Need(Action.STACK, f"stack {stack}", "is destroyed, with all its resources")


def needs(changes: ChangeSet) -> tuple[Need, ...]:
    """Everything that needs to be allowed, in the order of the actions."""
    found = [
        Need(action, _subject(change), why)
        for action, rule in _RULES
        for change in changes.changes
        if (why := rule(change))
    ]
    return tuple(dict.fromkeys(found))


def refuse(found: Sequence[Need], allowed: Sequence[Action], command: str) -> None:
    """Raise RefusedError that lists what is not allowed, and the flag for it."""
    missing = [need for need in found if need.action not in allowed]
    if not missing:
        return
    flags = " ".join(f"--allow {action}" for action in dict.fromkeys(n.action for n in missing))
    raise RefusedError(
        "\n".join(
            [
                *(f"refused: {n.subject}: {n.why} (--allow {n.action})" for n in missing),
                f"next: to confirm, {command} with {flags}",
            ]
        )
    )


def _crd(change: Change) -> str:
    if change.op not in _GONE:
        return ""
    if change.kind == "CustomResourceDefinition":
        return f"{_verb(change)}, with every object of its kind"
    if "helm.sh/v3:Release" in change.type and "-crds" in change.name:
        return f"{_verb(change)}: a release of CRDs, with every object of their kinds"
    return ""


def _namespace(change: Change) -> str:
    if change.op in _GONE and change.kind == "Namespace":
        return f"{_verb(change)}, with everything in it"
    return ""


def _anchor(change: Change) -> str:
    if change.op in _GONE:
        if change.type.startswith("vault:"):
            return f"{_verb(change)}: part of the trust anchor in Vault"
        if any(part in change.urn for part in _TRUST):
            return f"{_verb(change)}: part of the trust"
    if change.op == Op.UPDATE and change.kind == "Bundle":
        before, after = conditions_trust.sources(change)
        gone = before - after
        if gone:
            return f"no longer trusts {', '.join(sorted(gone))}"
    return ""


def _deny(change: Change) -> str:
    if change.api_version.startswith("policy.linkerd.io/") and change.namespace not in _OWN_POLICY:
        moves = change.op != Op.UPDATE or change.touches("spec")
        if change.kind == "Server" and change.op != Op.DELETE and moves:
            policy = str(mapping(change.inputs.get("spec")).get("accessPolicy") or "deny")
            if strictness(policy) > 0:
                return f"selects pods with access policy {policy}"
        elif grant_goes(change) or grant_changes(change):
            return f"{_verb(change)}: callers that it allowed may be denied"
    if change.op == Op.DELETE:
        return ""
    was, is_ = strictest_default(change.before), strictest_default(change.after)
    if strictness(is_) > strictness(was):
        return f"default inbound policy becomes {is_}, was {was or 'not set'}"
    return ""


_RULES: tuple[tuple[Action, Callable[[Change], str]], ...] = (
    (Action.ANCHOR, _anchor),
    (Action.CRD, _crd),
    (Action.NAMESPACE, _namespace),
    (Action.DENY, _deny),
)


def _verb(change: Change) -> str:
    verbs = {Op.DELETE: "is deleted", Op.REPLACE: "is replaced"}
    return verbs.get(change.op, "changes")


def _subject(change: Change) -> str:
    return f"{change.kind} {change.place}"
