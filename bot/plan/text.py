"""A plan as text for a terminal."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterator

from bot.plan.graph import graph
from bot.plan.mock.monitor import Resource
from bot.plan.model import ChartPlan, Plan, is_provider, kind_of
from bot.text.lines import inert
from bot.text.lists import counted
from bot.text.output import visible


def text(plan: Plan) -> str:
    """Components and resources as a tree, counts, charts, exports and warnings."""
    return "\n".join(map(inert, _lines(plan)))


def escaped(text: str) -> str:
    """Text for HTML and SVG, with what nobody sees, or XML does not take, written out."""
    return html.escape(visible(text))


def headline(plan: Plan) -> str:
    """The size of the plan in one line."""
    resources = plan.evaluation.resources
    protected = sum(r.protect for r in resources)
    size = f"{counted(len(resources), 'resource')}, {protected} protected"
    if not plan.charts:
        return size
    objects = sum(len(chart.objects) for chart in plan.charts)
    charts = counted(len(plan.charts), "chart")
    return f"{size}; {charts} with {counted(objects, 'object')}"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"Stack {plan.stack}: {headline(plan)}"
    yield ""
    yield "Providers"
    for resource in plan.evaluation.resources:
        if is_provider(resource):
            yield f"  {kind_of(resource)}  {resource.name}"
    yield ""
    yield "Components, in order of creation (* protected)"
    nodes = graph(plan)
    charts = {chart.resource.urn: chart for chart in plan.charts}
    for node in nodes.values():
        after = ", ".join(sorted(nodes[urn].resource.name for urn in node.direct))
        yield f"  {node.resource.name}  {node.resource.type}" + (
            f"  after {after}" if after else ""
        )
        children = sorted(node.children, key=lambda r: (kind_of(r), r.name))
        for child in children:
            branch = "└─" if child is children[-1] else "├─"
            yield f"  {branch} {_child(child, charts.get(child.urn))}"
    yield ""
    yield f"Kinds, objects of charts included: {counts(plan.kinds())}"
    if plan.charts:
        yield ""
        yield "Charts"
        yield from _charts(plan)
    yield ""
    yield "Exports"
    for name, value in sorted(plan.evaluation.exports.items()):
        yield f"  {name}: {value if isinstance(value, str) else json.dumps(value)}"
    if plan.warnings:
        yield ""
        yield "Warnings"
        yield from (f"  {warning}" for warning in plan.warnings)


def _child(child: Resource, chart: ChartPlan | None) -> str:
    line = f"{kind_of(child)} {child.name}{' *' if child.protect else ''}"
    if chart is None:
        return line
    objects = counted(len(chart.objects), "object") if chart.rendered else "not rendered"
    return f"{line} ({chart.name} {chart.version}, {objects})"


def _charts(plan: Plan) -> Iterator[str]:
    wide = max(len(chart.name) for chart in plan.charts)
    versions = max(len(chart.version) for chart in plan.charts)
    for chart in plan.charts:
        kinds = Counter(item.kind for item in chart.objects)
        objects = counts(kinds) if chart.rendered else "not rendered"
        yield (
            f"  {chart.name:<{wide}}  {chart.version:<{versions}}  {chart.form:<7}  "
            f"in {chart.namespace}: {objects}"
        )


def counts(kinds: Counter[str]) -> str:
    """`3 Deployment, 2 Service`, most first."""
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number} {kind}" for kind, number in ordered)
