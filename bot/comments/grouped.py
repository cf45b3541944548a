"""Resources of a kind of component that are in many namespaces: a line per namespace.

A plan for 500 namespaces changes the same objects in each; one by one nobody reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bot.changes.label_changes import PATCH
from bot.changes.model import Change, ChangeSet, Op
from bot.changes.rules import Level, RiskFinding
from bot.comments import details
from bot.comments.split import Block, FoldedSection
from bot.comments.values import Amount
from bot.text.markdown import in_html, one_line

NOTE = "resources of many namespaces are listed by namespace"
_MANY = 100  # resources of a kind of component
_SPREAD = 20  # namespaces that they are in
_CHANGED = (Op.UPDATE, Op.REPLACE, Op.UNKNOWN)
_COMPONENT = "linkerd-platform:"


def sections(
    changes: ChangeSet, findings: Sequence[RiskFinding], amount: Amount, *, most: int
) -> list[FoldedSection] | None:
    """The sections with what is alike told by namespace; None where nothing is, or not enough."""
    kinds: dict[str, list[Change]] = {}
    alike = Counter(details.difference(each) for each in changes.changes if each.op in _CHANGED)
    for change in changes.changes:
        # One that changes in another way than the rest is what a reviewer must not miss.
        if change.op not in _CHANGED or alike[details.difference(change)] >= _SPREAD:
            kinds.setdefault(_kind(change), []).append(change)
    wide = {kind: each for kind, each in kinds.items() if kind and _is_wide(each)}
    if not wide:
        return None
    worst: dict[str | None, Level] = {}
    for finding in findings:
        worst[finding.urn] = max(finding.level, worst.get(finding.urn, Level.LOW), key=details.rank)
    told = {change.urn for each in wide.values() for change in each}
    made = [_section(kind, each, worst) for kind, each in sorted(wide.items())]
    rest = tuple(change for change in changes.changes if change.urn not in told)
    left = changes.model_copy(update={"changes": rest})
    others = details.sections(left, findings, amount, most=most)
    return None if others is None else [*made, *others]


def _kind(change: Change) -> str:
    """The kind of component that a resource is of, such as `ServicePolicy`; empty without one."""
    chain = change.urn.split("::")[2].split("$")[:-1] if change.urn.count("::") > 1 else []
    own = [each for each in chain if each.startswith(_COMPONENT)]
    return own[-1].rpartition(":")[2] if own else ""


def _namespace(change: Change) -> str:
    return change.object_name if change.kind in (PATCH, "Namespace") else change.namespace or ""


def _is_wide(changes: Sequence[Change]) -> bool:
    return len(changes) >= _MANY and len({_namespace(each) for each in changes}) >= _SPREAD


def _section(
    kind: str, changes: Sequence[Change], worst: Mapping[str | None, Level]
) -> FoldedSection:
    by_namespace: dict[str, Counter[tuple[str, str]]] = {}
    for change in changes:
        counts = by_namespace.setdefault(_namespace(change), Counter())
        counts[str(change.op), change.kind] += 1
    lines = [
        f"{one_line(name) or 'no namespace'}: "
        + ", ".join(f"{op} {n:,} {one_line(of)}" for (op, of), n in sorted(counts.items()))
        for name, counts in sorted(by_namespace.items())
    ]
    levels = [worst[change.urn] for change in changes if change.urn in worst]
    level = max(levels, key=details.rank, default=Level.LOW)
    mark = "" if level is Level.LOW else f"<b>{level.name}</b> "
    title = f"<b><code>{in_html(kind)}</code></b>: {details.operations(changes)}"
    where = f"{mark}in {len(by_namespace):,} namespaces"
    return FoldedSection(title, False, (Block(where, tuple(lines), "text"),))
