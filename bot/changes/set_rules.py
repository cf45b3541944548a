"""The rows of the risk table that look at a change set as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.changes.model import ChangeSet, ChartMove, Op
from bot.changes.rules import Level
from bot.changes.versions import older

WHOLE_SET = "the whole set"
# With fewer resources a half is no sign of anything.
_MANY = 10
Found = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class SetRule:
    """One row. when: subject and words for the reason, for each time that it applies."""

    level: Level
    name: str
    when: Callable[[ChangeSet], Found]
    reason: str


def _incomplete(changes: ChangeSet) -> Found:
    yield from ((WHOLE_SET, doubt) for doubt in changes.doubts)


def _errors(changes: ChangeSet) -> Found:
    if changes.errors:
        first = " ".join(changes.errors[0].split())
        more = f", and {len(changes.errors) - 1} more" if len(changes.errors) > 1 else ""
        yield WHOLE_SET, f"{first[:200]}{more}"


def _half_goes(changes: ChangeSet) -> Found:
    going = sum(change.op in (Op.DELETE, Op.REPLACE) for change in changes.changes)
    there = changes.unchanged + sum(change.op is not Op.CREATE for change in changes.changes)
    if going >= _MANY and going * 2 >= there:
        yield WHOLE_SET, f"{going} of {there}"


def _violations(level: str) -> Callable[[ChangeSet], Found]:
    def found(changes: ChangeSet) -> Found:
        for each in changes.violations:
            if each.level == level:
                name = each.urn.rpartition("::")[2] or WHOLE_SET
                yield name, f"{each.policy}: {' '.join(each.message.split())}"

    return found


def _moves(wanted: Callable[[ChartMove], bool]) -> Callable[[ChangeSet], Found]:
    def found(changes: ChangeSet) -> Found:
        for move in changes.moves:
            if wanted(move):
                yield f"chart {move.chart}", f"{move.before} to {move.after or 'nothing'}"

    return found


def _kept_apart(move: ChartMove) -> bool:
    """A chart whose older version cannot read what the newer one has written."""
    return move.chart.endswith("-crds") or move.chart == "linkerd-control-plane"


def is_older(move: ChartMove) -> bool:
    """True when the chart goes back; also when its versions cannot be compared."""
    if move.before is None or move.after is None:
        return False
    return older(move.before, move.after)


WHOLE: tuple[SetRule, ...] = (
    SetRule(Level.CRITICAL, "incomplete", _incomplete, "this may not be all"),
    SetRule(Level.CRITICAL, "failed", _errors, "it failed"),
    SetRule(
        Level.CRITICAL,
        "policy-violated",
        _violations("mandatory"),
        "a mandatory rule of the policy pack is broken",
    ),
    SetRule(
        Level.CRITICAL, "half-goes", _half_goes, "half of the stack or more is deleted or replaced"
    ),
    SetRule(
        Level.CRITICAL,
        "chart-goes-back",
        _moves(lambda move: is_older(move) and _kept_apart(move)),
        "an older version may not read what the newer one has written",
    ),
    SetRule(
        Level.HIGH,
        "chart-older",
        _moves(lambda move: is_older(move) and not _kept_apart(move)),
        "an older version of a chart",
    ),
    SetRule(
        Level.HIGH,
        "chart-removed",
        _moves(lambda move: move.before is not None and move.after is None),
        "all objects of the chart go",
    ),
    SetRule(
        Level.MEDIUM,
        "policy-advice",
        _violations("advisory"),
        "an advisory rule of the policy pack is broken",
    ),
    SetRule(
        Level.MEDIUM,
        "chart-newer",
        _moves(lambda m: m.before is not None and m.after is not None and not is_older(m)),
        "a newer version of a chart",
    ),
)
