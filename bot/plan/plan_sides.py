"""The two revisions of a stack side by side, and what of them can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from bot.plan.base_snapshot import Planned, PlannedChart, PlanSnapshot

_COMPONENT = "linkerd-platform:"


class Sides:
    """Both sides of one stack, None where it is not there: `base` is index 0, `head` index 1.

    renamed: the URN in `base` of each resource that its aliases lead to; below it has the new one
    on both sides. charts: by URN. all: every resource by URN. compared: what the engine would tell
    of, objects of charts included; a chart itself where its objects are not known.
    """

    def __init__(self, base: PlanSnapshot | None, head: PlanSnapshot | None) -> None:
        self.renamed = _renamed(base, head)
        if base is not None and self.renamed:
            base = _under_new_names(base, {old: new for new, old in self.renamed.items()})
        self.base, self.head = base, head
        self.charts = _charts(base), _charts(head)
        self.all = _resources(base), _resources(head)
        self.compared = _compared(base, self.unseen), _compared(head, self.unseen)

    @cached_property
    def unseen(self) -> frozenset[str]:
        """Charts that are on both sides, and whose objects cannot be compared."""
        both = self.charts[0].keys() & self.charts[1].keys()
        return frozenset(u for u in both if not all(side[u].rendered for side in self.charts))

    @cached_property
    def moved(self) -> frozenset[str]:
        """Charts on both sides that are given something else, or are another version."""
        both = self.charts[0].keys() & self.charts[1].keys()
        return frozenset(urn for urn in both if self._given(0, urn) != self._given(1, urn))

    def _given(self, side: int, urn: str) -> tuple[object, ...]:
        return self.charts[side][urn].version, self.all[side][urn].inputs

    def component(self, planned: Planned, side: int) -> str:
        """Name of the component that it belongs to; its own without one."""
        seen: Planned | None = planned
        while seen is not None:
            if seen.type.startswith(_COMPONENT):
                return seen.name
            seen = self.all[side].get(seen.parent or "")
        return planned.name


def _renamed(base: PlanSnapshot | None, head: PlanSnapshot | None) -> dict[str, str]:
    before, after = _resources(base), _resources(head)
    found: dict[str, str] = {}
    for urn, planned in after.items():
        if urn in before or not planned.aliases:
            continue
        taken = set(found.values())
        old = next(
            (a for a in planned.aliases if a in before and a not in after and a not in taken), None
        )
        if old is not None:
            found[urn] = old
    return found


def _under_new_names(base: PlanSnapshot, new: Mapping[str, str]) -> PlanSnapshot:
    def moved(planned: Planned) -> Planned:
        return planned.model_copy(
            update={
                "urn": new.get(planned.urn, planned.urn),
                "parent": new.get(planned.parent or "", planned.parent),
                "provider": new.get(planned.provider or "", planned.provider),
                "dependencies": tuple(new.get(urn, urn) for urn in planned.dependencies),
            }
        )

    charts = (
        chart.model_copy(
            update={
                "urn": new.get(chart.urn, chart.urn),
                "objects": tuple(map(moved, chart.objects)),
            }
        )
        for chart in base.charts
    )
    return base.model_copy(
        update={"resources": tuple(map(moved, base.resources)), "charts": tuple(charts)}
    )


def _resources(side: PlanSnapshot | None) -> dict[str, Planned]:
    return {planned.urn: planned for planned in side.resources} if side else {}


def _charts(side: PlanSnapshot | None) -> dict[str, PlannedChart]:
    return {chart.urn: chart for chart in side.charts} if side else {}


def _compared(side: PlanSnapshot | None, unseen: frozenset[str]) -> dict[str, Planned]:
    """What the engine would tell of; a chart itself where its objects are not known."""
    found: dict[str, Planned] = {}
    charts = _charts(side)
    for urn, planned in _resources(side).items():
        if not planned.component or urn in unseen:
            found[urn] = planned
        chart = charts.get(urn)
        if chart is not None and chart.form == "Chart" and urn not in unseen:
            found.update((child.urn, child) for child in chart.objects)
    return found
