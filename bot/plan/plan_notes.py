"""What a reader of a plan must know besides its changes: what it cannot see, what it implies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.changes.model import Change, Op
from bot.changes.replacements import knows
from bot.plan.base_snapshot import Planned, PlannedChart
from bot.plan.plan_sides import Sides
from bot.text.hidden_values import UNKNOWN
from bot.text.lists import listed

_NAMED = 5  # names in one line


def doubts(sides: Sides, changes: tuple[Change, ...]) -> Iterator[str]:
    """What may change and cannot be seen here."""
    for urn in sorted(sides.unseen & sides.moved):
        where = " and ".join(
            name
            for name, side in zip(("base", "head"), sides.charts, strict=True)
            if not side[urn].rendered
        )
        yield (
            f"chart {sides.charts[1][urn].name}: not rendered in {where}, so only its values and "
            "its version are compared"
        )
    for (word, side), other in zip(
        (("goes", sides.charts[0]), ("is new", sides.charts[1])),
        reversed(sides.charts),
        strict=True,
    ):
        for urn, chart in side.items():
            if urn not in other and not chart.rendered:
                yield f"chart {chart.name} {word}: not rendered, so its objects are not listed"
    yield from _encrypted(sides)
    yield from sorted(_following(sides, changes))


def _encrypted(sides: Sides) -> Iterator[str]:
    if sides.base is None or sides.head is None:
        return
    one, two = sides.base.ciphertexts, sides.head.ciphertexts
    for key in sorted(one.keys() | two.keys()):
        if key in one and key in two and one[key] != two[key]:
            yield f"{key}: the encrypted value changed; only a preview can compare it"


def _following(sides: Sides, changes: tuple[Change, ...]) -> Iterator[str]:
    """Resources that take a value from one that is made anew: it is unknown."""
    renewed = {change.urn for change in changes if change.op is Op.REPLACE}
    listed = {change.urn for change in changes}
    before, after = sides.compared
    for urn in after.keys() & before.keys() - listed:
        sources = renewed & set(after[urn].dependencies)
        if sources and _unknown(after[urn].inputs):
            names = ", ".join(sorted(source.rpartition("::")[2] for source in sources))
            yield f"{after[urn].name}: takes values from {names}, which is replaced"
    for change in changes:
        if change.op is Op.UPDATE and not knows(change.type):
            yield f"{change.name}: unknown which changes replace a {change.type}"


def warnings(sides: Sides) -> Iterator[str]:
    """What a reader should know besides."""
    if sides.head is None:
        yield (
            "the stack's file is removed: all its resources are listed. They stay deployed until "
            "`destroy` runs from a revision that has the file"
        )
    if sides.base is None:
        yield "the stack is new: all its resources are listed"
    for side in (sides.base, sides.head):
        yield from side.warnings if side else ()
    for urn in sorted(sides.unseen - sides.moved):
        name = sides.charts[1][urn].name
        yield f"chart {name}: not rendered; its values and version are the same"
    for urn in sorted(sides.charts[0].keys() & sides.charts[1].keys() - sides.unseen):
        if sides.charts[1][urn].form == "Release":
            yield from _release(sides.charts[0][urn], sides.charts[1][urn])


def _unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_unknown, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_unknown, value))
    return isinstance(value, str) and UNKNOWN in value


def _release(old: PlannedChart, new: PlannedChart) -> Iterator[str]:
    """The objects of a Release, which the engine does not tell of."""
    before, after = ({_key(o): o.inputs for o in chart.objects} for chart in (old, new))
    for word, names in (
        ("comes", [n for n in after if n not in before]),
        ("changes", [n for n in after if n in before and after[n] != before[n]]),
        ("goes", [n for n in before if n not in after]),
    ):
        if names:
            yield f"release {new.name}: {word}: {listed(names, _NAMED)}"


def _key(planned: Planned) -> str:
    return f"{planned.inputs.get('kind')} {planned.name}"
