"""A comparison as text for a terminal or a job's log, and as one JSON document."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bot.changes import verdict
from bot.changes.causes import report
from bot.changes.label_changes import PATCHED, patch_removed
from bot.changes.model import Absent, Change, ChangeSet, Op
from bot.changes.risk import assess
from bot.changes.risk import verdict as worst
from bot.text import log_file
from bot.text.git import SHORT
from bot.text.lines import line
from bot.text.lists import short
from bot.text.markdown import one_line

if TYPE_CHECKING:
    from bot.plan.base import Comparison

_LONGEST_VALUE = 80
# Fields of one change in a listing; the document and the comment have them all.
_FIELDS = 8
_SIGNS: Mapping[Op, str] = {
    Op.CREATE: "+",
    Op.IMPORT: "=",
    Op.UPDATE: "~",
    Op.REPLACE: "±",
    Op.DELETE: "-",
    Op.UNKNOWN: "?",
}
_WORDS: Mapping[Op, str] = {
    Op.CREATE: "created",
    Op.IMPORT: "imported",
    Op.UPDATE: "updated",
    Op.REPLACE: "replaced",
    Op.DELETE: "deleted",
    Op.UNKNOWN: "unknown",
}


def text(comparison: Comparison) -> str:
    """Every stack: how risky and why, the answers, what casts doubt on it, and the changes."""
    head = "the working tree" if comparison.dirty else comparison.head[:SHORT]
    lines = [f"Plan of {head} against {comparison.base[:SHORT]}"]
    for changes in comparison.sets:
        lines += ["", *_stack(changes)]
    return "\n".join(line(each) if each.strip() else each for each in lines)


def document(comparison: Comparison) -> dict[str, Any]:
    """One JSON document: the revisions, and per stack its change set, verdict and findings."""
    return {
        "base": comparison.base,
        "commit": comparison.head,
        "dirty": comparison.dirty,
        "stacks": [_document(changes) for changes in comparison.sets],
    }


def as_json(comparison: Comparison) -> str:
    """The document as text; ASCII alone, so that no terminal finds a sequence in it."""
    return json.dumps(document(comparison), indent=2)


def _document(changes: ChangeSet) -> dict[str, Any]:
    findings = assess(changes)
    level = worst(findings)
    return {
        "stack": changes.stack,
        "level": level.value if level else None,
        "findings": [
            {
                "level": finding.level.value,
                "rule": finding.rule,
                "reason": finding.reason,
                "urn": finding.urn,
                "subject": finding.subject,
            }
            for finding in findings
        ],
        "changes": changes.model_dump(mode="json"),
    }


def _stack(changes: ChangeSet) -> Iterator[str]:
    def kept(text: str) -> str:
        log = log_file.write(f"plan {changes.stack}", text)
        return f"all of it is in {log}" if log else "`--out DIR` writes all of it"

    found = report(changes)
    level = found.level.value if found.level else "none"
    yield f"Stack {changes.stack}: {_sum(changes)}; risk: {level}"
    yield from (f"  {each}" for each in verdict.causes(found))
    yield from (f"  {each}" for each in verdict.answers(found))
    for title, entries in (
        ("What went wrong", verdict.reasons(changes.errors, kept)),
        ("Why this result is incomplete", verdict.reasons(changes.doubts, kept)),
        ("Warnings", changes.warnings),
    ):
        if entries:
            yield f"  {title}"
            yield from (f"    {entry}" for entry in entries)
    if changes.changes:
        yield "  Changes (* protected)"
        for change in changes.changes:
            yield from (f"    {each}" for each in _change(change))


def _sum(changes: ChangeSet) -> str:
    if not changes.changes:
        return "no changes" if changes.complete else "not known"
    counted = Counter(change.op for change in changes.changes)
    told = [f"{counted[op]} {word}" for op, word in _WORDS.items() if counted[op]]
    return ", ".join([*told, f"{changes.unchanged} unchanged"])


def _change(change: Change) -> Iterator[str]:
    mark = " *" if change.protected else ""
    subject = f"{change.kind} {change.place}"
    if patch_removed(change):
        what = PATCHED[change.kind]
        subject = f"labels of {what} {change.place} (the {what} stays)"
    yield f"{_SIGNS[change.op]} {change.component}  {subject}{mark}"
    fields = [
        f"    {field.path}: {_value(field.before)} -> {_value(field.after)}"
        + ("  (replaces)" if field.replaces else "")
        for field in change.fields
    ]
    yield from short(fields, _FIELDS, "    ")


def _value(value: Any) -> str:
    if value == Absent.ABSENT:
        return "nothing"
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return one_line(shown, _LONGEST_VALUE)
