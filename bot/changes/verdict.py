"""The verdict on a change set in a few lines of text: how risky, and what makes it so."""

from __future__ import annotations

from bot.changes.model import ChangeSet
from bot.changes.risk import assess, verdict
from bot.changes.rules import Finding, Level

_SHOWN = 8
_NAMED = 4


def lines(changes: ChangeSet) -> list[str]:
    """`verdict: high risk, 5 changes`, then a line for each rule that is more than low."""
    found = assess(changes)
    worst = verdict(found)
    if worst is None:
        return ["verdict: no changes"]
    count = len(changes.changes)
    told = [f"verdict: {worst} risk, {count} change{'' if count == 1 else 's'}"]
    rows = _by_reason(found)
    told += rows[:_SHOWN]
    if len(rows) > _SHOWN:
        told.append(f"  and {len(rows) - _SHOWN} more; `--out FILE` has them all")
    return told


def _by_reason(found: tuple[Finding, ...]) -> list[str]:
    groups: dict[tuple[Level, str], list[str]] = {}
    for finding in found:
        if finding.level > Level.LOW:
            groups.setdefault((finding.level, finding.reason), []).append(finding.subject)
    rows = []
    for (level, reason), subjects in groups.items():
        named = ", ".join(subjects[:_NAMED])
        more = f" and {len(subjects) - _NAMED} more" if len(subjects) > _NAMED else ""
        rows.append(f"  {level:8}  {named}{more}: {reason}")
    return rows
