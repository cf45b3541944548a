"""A report in a terminal: how risky, what makes it so, and what whoever is on call asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bot.changes.causes import Cause, RiskReport, report, subjects
from bot.changes.model import ChangeSet
from bot.changes.rules import Level
from bot.text.lists import counted, short

_SHOWN = 8
_NAMED = 4
_TEXTS = 6  # of an answer
_REASON_LINES = 8  # of what went wrong


def lines(changes: ChangeSet) -> list[str]:
    """`verdict: high risk, 5 changes`, then a line for each cause that is more than low."""
    found = report(changes)
    if found.level is None:
        return ["verdict: no changes"]
    told = [f"verdict: {found.level} risk, {counted(len(changes.changes), 'change')}"]
    rows = [f"  {row}" for row in causes(found) if not row.startswith(Level.LOW)]
    told += rows[:_SHOWN]
    if len(rows) > _SHOWN:
        told.append(f"  and {len(rows) - _SHOWN} more; `--out FILE` has them all")
    return told


def causes(found: RiskReport) -> Iterator[str]:
    """A line for each cause, broken policies before risks."""
    for cause in found.policy:
        kind = "mandatory" if cause.level is Level.CRITICAL else "advisory"
        yield _row(cause, f"{kind} policy {cause.rule}: ")
    for cause in found.risk:
        yield _row(cause, "")


def _row(cause: Cause, before: str) -> str:
    return f"{cause.level:8}  {before}{cause.told}: {subjects(cause, _NAMED)}"


def answers(found: RiskReport) -> Iterator[str]:
    """The questions that have an answer, and what is next."""
    for answer in found.answers:
        if answer.texts:
            yield answer.question
            yield from (f"  {text}" for text in short(answer.texts, _TEXTS))
    if found.level is not None:
        yield f"Next: {found.then.replace('`', '')}"


def reasons(texts: Sequence[str], whole: Callable[[str], str]) -> list[str]:
    """What went wrong, its first lines; whole: keeps all of it, and says where that is."""
    rows = [row for text in texts for row in text.splitlines() if row.strip()]
    told = short(rows, _REASON_LINES)
    if len(rows) <= _REASON_LINES:
        return told
    return [*told[:-1], f"{told[-1]} lines: {whole(chr(10).join(texts))}"]
