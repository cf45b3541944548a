"""Which charts come, go or change their version, from the objects that the engine tells of.

A `helm.v4.Chart` leaves no inputs in the state, so the version that is there is read from what
charts write on their objects: `helm.sh/chart`, or `linkerd.io/created-by` of Linkerd's own charts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.changes.engine_values import plain
from bot.changes.model import ChartMove
from bot.changes.objects import RELEASE
from bot.engine.events import CHART_TYPE, OperationRecord, ResourceStep
from stack.arguments import chart_refs
from stack.charts import ChartError, Charts
from stack.config import StackConfig

_BELOW_CHART = f"{CHART_TYPE}$"
_CREATED_BY = "linkerd.io/created-by"
# An edge release and its charts: edge-26.6.3 is chart 2026.6.3 (linkerd2 bin/helm-build).
_EDGE = re.compile(r"edge-(\d\d)\.(\d+)\.(\d+)")


def moves_of(
    record: OperationRecord, config: StackConfig | None, project_dir: Path
) -> tuple[ChartMove, ...]:
    """Every chart whose version is not the same before and after, by name."""
    found = {move.chart: move for move in _releases(record)}
    for chart, steps in _objects(record).items():
        known = [step for step in record.steps.values() if step.type == CHART_TYPE]
        its = next((step for step in known if step.name.endswith(f"-{chart}")), None)
        before = _version_of(chart, (step.old for step in steps))
        after = _version_of(chart, (step.new for step in steps))
        if its is not None and its.kind == "created":
            before, after = None, after or _listed(config, project_dir).get(chart)
        elif its is not None and its.kind == "deleted":
            after = None
        elif before is None or after is None:
            continue  # nothing on these objects tells, or all of them come or go
        if before != after:
            found[chart] = ChartMove(chart=chart, before=before, after=after)
    return tuple(found[name] for name in sorted(found))


def version_on(chart: str, inputs: Mapping[str, Any]) -> str | None:
    """The chart's version as one of its objects tells it; None where it does not."""
    metadata = inputs.get("metadata")
    marks: dict[str, Any] = {}
    for part in ("labels", "annotations"):
        found = metadata.get(part) if isinstance(metadata, Mapping) else None
        marks |= found if isinstance(found, Mapping) else {}
    label = str(marks.get("helm.sh/chart") or "")
    if label.startswith(f"{chart}-"):
        # A label may hold no `+`: charts write `_` for it.
        return label.removeprefix(f"{chart}-").replace("_", "+")
    if edge := _EDGE.search(str(marks.get(_CREATED_BY) or "")):
        return f"20{edge[1]}.{edge[2]}.{edge[3]}"
    return None


def _listed(config: StackConfig | None, project_dir: Path) -> dict[str, str]:
    if config is None:
        return {}
    try:
        refs = chart_refs(config, Charts(project_dir))
    except (ChartError, OSError):
        return {}  # the engine has said it, if that is why it failed
    return {ref.name: ref.version for ref in refs.values()}


def _releases(record: OperationRecord) -> Iterator[ChartMove]:
    for step in record.changes:
        if step.type != RELEASE:
            continue
        old, new = (_inputs(side) for side in (step.old, step.new))
        before = None if step.kind in ("created", "imported") else old.get("version")
        after = None if step.kind == "deleted" else new.get("version")
        if before != after:
            name = str((new or old).get("name") or step.name)
            yield ChartMove(
                chart=name,
                before=None if before is None else str(before),
                after=None if after is None else str(after),
            )


def _objects(record: OperationRecord) -> dict[str, list[ResourceStep]]:
    """The objects that change, by chart: they are called `<chart>:<namespace>/<name>`."""
    found: dict[str, list[ResourceStep]] = {}
    for step in record.changes:
        if _BELOW_CHART in step.urn and ":" in step.name:
            found.setdefault(step.name.partition(":")[0], []).append(step)
    return found


def _version_of(chart: str, states: Iterator[Mapping[str, Any] | None]) -> str | None:
    versions = (version_on(chart, _inputs(state)) for state in states)
    return next((version for version in versions if version), None)


def _inputs(state: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = plain((state or {}).get("inputs") or {})
    return found if isinstance(found, Mapping) else {}
