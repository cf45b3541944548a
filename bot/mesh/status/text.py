"""The report in words, on one screen: a line per subject, below it what does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from bot.mesh.status.model import STATES, Line, State, StatusReport, worst

_WIDTH = 15
_WORDS: dict[State, str] = {
    "fail": "FAIL",
    "unknown": "unknown",
    "warn": "warn",
    "skipped": "-",
    "ok": "ok",
}


def lines(report: StatusReport, *, verbose: bool = False) -> list[str]:
    """The report. verbose: also what holds, and what was not looked at."""
    place = f", cluster {report.cluster}" if report.cluster else ""
    told = [f"stack {report.stack}{place}: {report.outcome}"]
    reasons: set[str] = set()
    for subject, found in groupby(report.lines, key=lambda line: line.subject):
        told += _subject(subject, list(found), reasons, verbose=verbose)
    return [*told, summary(report)]


def summary(report: StatusReport) -> str:
    """How many lines are in which state."""
    words: dict[State, str] = {
        "fail": "failed",
        "unknown": "unknown",
        "warn": "to look at",
        "skipped": "not looked at",
        "ok": "hold",
    }
    counted = ", ".join(f"{report.count(state)} {words[state]}" for state in STATES)
    return f"{report.outcome}: {counted}; {report.seconds:.1f} s"


def _subject(name: str, found: list[Line], reasons: set[str], *, verbose: bool) -> Iterator[str]:
    state = worst(line.result.state for line in found if line.result.state != "skipped")
    looked = [line for line in found if line.result.state != "skipped"]
    if not looked:
        why = "; ".join(dict.fromkeys(line.result.seen for line in found))
        yield f"{name:{_WIDTH}} {_WORDS['skipped']:8} {why}"
        return
    yield f"{name:{_WIDTH}} {_WORDS[state]:8} {_head(looked)}"
    shown = found if verbose else [each for each in looked if each.result.state != "ok"]
    for line in _unique(shown, reasons):
        result = line.result
        yield f"  {_WORDS[result.state]:8} {line.check.partition('/')[2]}: {result.seen}"
        if result.next:
            yield f"           next: {result.next}"


def _head(found: list[Line]) -> str:
    """What holds, in the words of the first check that does; else how much does not."""
    good = [line.result.seen for line in found if line.result.state == "ok"]
    counted = f"{len(good)} of {len(found)} hold"
    return f"{counted}; {good[0]}" if good else counted


def _unique(found: Iterable[Line], reasons: set[str]) -> Iterator[Line]:
    """Checks that lack the same source say so once, in all of the report."""
    for line in found:
        if line.result.state != "unknown":
            yield line
        elif line.result.seen not in reasons:
            reasons.add(line.result.seen)
            yield line
