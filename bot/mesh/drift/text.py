"""The report on drift in words: the worst of each stack first, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.changes.model import Absent, Change, ChangeSet, FieldChange, Op
from bot.changes.risk import assess
from bot.changes.rules import Level, RiskFinding
from bot.mesh.drift.fields import HELM
from bot.mesh.drift.report import Added, DriftReport, StackDrift, Undeclared
from bot.text.durations import duration

_FIELDS_SHOWN = 6
_VALUE_WIDTH = 60
_WORDS = {
    Op.CREATE: "added",
    Op.IMPORT: "added",
    Op.UPDATE: "changed",
    Op.REPLACE: "changed",
    Op.DELETE: "gone",
    Op.UNKNOWN: "unknown",
}


def lines(report: DriftReport) -> list[str]:
    """The report in words, the worst of each stack first."""
    return [line for each in report.stacks for line in _stack_lines(each)]


def _stack_lines(drift: StackDrift) -> Iterable[str]:
    took = duration(drift.seconds)
    if drift.outcome == "none":
        yield f"{drift.stack}: no drift, {drift.tracked.unchanged} resources looked at in {took}"
        return
    heading = "drift" if drift.outcome == "drift" else "could not be determined"
    tracked = len(drift.tracked.changes) + len(drift.added)
    counted = f"{tracked} tracked, {len(drift.undeclared)} undeclared"
    yield f"{drift.stack}: {heading}: {counted}, in {took}"
    errors = (*drift.errors, *drift.tracked.errors)
    for error in errors or drift.tracked.doubts:
        yield f"  error: {error}"
    for what, why in drift.unlisted.items():
        yield f"  could not be looked at: {what}: {why}"
    levels = _levels(drift.tracked)
    order = sorted(
        drift.tracked.changes, key=lambda each: levels.get(each.urn, Level.LOW), reverse=True
    )
    for change in order:
        yield from _change_lines(change, levels.get(change.urn, Level.LOW), drift.writers)
    for touched in drift.added:
        yield f"  {touched.level.value:8}  added to    {told_added(touched)}"
    for each in sorted(drift.undeclared, key=lambda found: found.level, reverse=True):
        yield f"  {each.level.value:8}  undeclared  {told(each)}"
    yield from _next(drift)


def _levels(tracked: ChangeSet) -> dict[str, Level]:
    """The worst level of each resource."""
    worst: dict[str, Level] = {}
    found: Iterable[RiskFinding] = assess(tracked)
    for finding in found:
        if finding.urn:
            worst[finding.urn] = max(worst.get(finding.urn, Level.LOW), finding.level)
    return worst


def _change_lines(change: Change, level: Level, writers: Mapping[str, str]) -> Iterable[str]:
    who = f", last written by {writers[change.urn]}" if change.urn in writers else ""
    yield f"  {level.value:8}  {_WORDS[change.op]:10}  {change.kind} {change.place}{who}"
    for each in change.fields[:_FIELDS_SHOWN]:
        yield f"{'':24}{_field(each)}"
    if len(change.fields) > _FIELDS_SHOWN:
        yield f"{'':24}and {len(change.fields) - _FIELDS_SHOWN} more fields"


def _field(changed: FieldChange) -> str:
    return f"{changed.path}: {_value(changed.before)} -> {_value(changed.after)}"


def _value(value: Any) -> str:
    if value == Absent.ABSENT.value:
        return "absent"
    text = " ".join(str(value).split())
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 1]}…"


def _next(drift: StackDrift) -> Iterable[str]:
    if any(change.urn not in drift.helm for change in drift.tracked.changes):
        yield (
            "  next: keep it by a change of the program, or set it right: "
            f"python -m bot up --stack {drift.stack} --refresh"
        )
    for release in sorted(set(drift.helm.values())):
        # The provider asks Helm, which believes that all is there and upgrades nothing.
        namespace, _, name = release.partition("/")
        yield (
            f"  next: put back what Helm made: helm -n {namespace} get manifest {name} | kubectl "
            f"apply --server-side --field-manager={HELM} -f -"
        )
    if drift.undeclared or drift.added:
        yield "  next: declare what nobody declared, or remove it by hand: no command here does"


def told(found: Undeclared) -> str:
    """An undeclared object in one line: when, by whom, and why that is bad."""
    made = f"created {found.created or 'at an unknown time'} by {', '.join(found.managers)}"
    below = ", ".join(f"{count} {kind}" for kind, count in found.children.items())
    more = f" (with {below} made from it)" if below else ""
    return f"{found.subject}, {made}{more}: {found.reason}"


def told_added(found: Added) -> str:
    """Fields that somebody added, in one line."""
    shown = ", ".join(found.paths[:_FIELDS_SHOWN])
    more = (
        f" and {len(found.paths) - _FIELDS_SHOWN} more" if len(found.paths) > _FIELDS_SHOWN else ""
    )
    return f"{found.subject}: {found.manager} at {found.time} set {shown}{more}"
