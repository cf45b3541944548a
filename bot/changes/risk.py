"""The risk of a change set: what each rule of the table says about it, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.changes.model import Change, ChangeSet, Op
from bot.changes.rules import AT_CREATION, DEFAULTS, RULES, Level, RiskFinding, Rule
from bot.changes.set_rules import WHOLE


def assess(changes: ChangeSet) -> tuple[RiskFinding, ...]:
    """Every finding, the worst first; each change has at least one.

    A set that is not complete and an operation that is not known are critical: what nobody has
    seen to the end cannot be called safe.
    """
    found = [*_of_the_set(changes), *(f for change in changes.changes for f in findings(change))]
    return tuple(sorted(found, key=lambda finding: -finding.level.rank))


def verdict(findings: Iterable[RiskFinding]) -> Level | None:
    """The worst level; None where there is no finding, that is where nothing changes."""
    return max((finding.level for finding in findings), default=None)


def findings(change: Change) -> list[RiskFinding]:
    """What the rules say of one change; the defaults speak where no other reaches their level."""
    rules = AT_CREATION if change.op is Op.CREATE else RULES
    found = [_finding(rule, change, answer) for rule in rules if (answer := rule.when(change))]
    default, answer = next((r, said) for r in DEFAULTS if (said := r.when(change)))
    worst = verdict(found)
    # A rule can say more of a change than its operation does, never less.
    if worst is None or worst < default.level:
        found.append(_finding(default, change, answer))
    return found


def _finding(rule: Rule, change: Change, answer: bool | str) -> RiskFinding:
    detail = answer if isinstance(answer, str) else ""
    reason = f"{rule.reason}: {detail}" if detail else rule.reason
    subject = f"{change.kind} {change.place}"
    return RiskFinding(rule.level, rule.name, reason, change.urn, subject, detail)


def _of_the_set(changes: ChangeSet) -> Iterator[RiskFinding]:
    for rule in WHOLE:
        for subject, detail in rule.when(changes):
            reason = f"{rule.reason}: {detail}" if detail else rule.reason
            yield RiskFinding(rule.level, rule.name, reason, None, subject, detail)
