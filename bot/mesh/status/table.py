"""The stacks of a fleet in words: a line for each, with the first thing to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.mesh.status.model import STATES, Line, StatusReport

_HEADS = ("stack", "cluster", "outcome", "failed", "unknown")
# Characters of what a check saw: the report of one stack has all of it.
_LONGEST = 80


def lines(reports: Sequence[StatusReport]) -> list[str]:
    """The table, and below it how many stacks are how."""
    rows = [
        (each.stack, each.cluster or "-", each.outcome, str(each.count("fail")),
         str(each.count("unknown")))
        for each in reports
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)]
    made = [_row(_HEADS, widths, "first")]
    for row, each in zip(rows, reports, strict=True):
        found = first(each)
        made.append(_row(row, widths, _told(found) if found else ""))
    counted = Counter(each.outcome for each in reports)
    outcomes = ", ".join(
        f"{counted[name]} {name}" for name in ("not healthy", "undetermined", "healthy")
    )
    seconds = max((each.seconds for each in reports), default=0.0)
    return [*made, f"{len(reports)} stacks: {outcomes}; {seconds:.1f} s"]


def first(report: StatusReport) -> Line | None:
    """The first line of the worst state that wants somebody; None where nothing does."""
    for state in STATES:
        if state in ("skipped", "ok"):
            continue
        for line in report.lines:
            if line.result.state == state:
                return line
    return None


def _told(line: Line) -> str:
    seen = line.result.seen
    cut = seen if len(seen) <= _LONGEST else f"{seen[: _LONGEST - 3]}..."
    more = f"; next: {line.result.next}" if line.result.next else ""
    return f"{line.check}: {cut}{more}"


def _row(cells: Sequence[str], widths: Sequence[int], last: str) -> str:
    padded = "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{padded}  {last}".rstrip()
