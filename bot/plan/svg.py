"""The dependency graph of a stack as an SVG that needs nothing else and reads in light and dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bot.plan.graph import PlanNode, graph
from bot.plan.layout import Placed, place
from bot.plan.mock.monitor import Resource
from bot.plan.model import Plan, kind_of
from bot.plan.text import escaped as escape
from bot.text.lists import counted

CHAR, LINE, PAD, GAP, BETWEEN = 7.25, 19.0, 14.0, 36.0, 72.0  # pixels
HEADER = 48.0
LONGEST = 50  # characters of a line in a box
# Areas of the type tokens; each colour has contrast enough on both grounds.
COLOURS = {
    "crds": "#64748b",
    "cluster": "#0d9488",
    "certificates": "#7c3aed",
    "secrets": "#b45309",
    "trust": "#dc2626",
    "mesh": "#2563eb",
    "extensions": "#c026d3",
}
STYLE = """
.plan { --ground:#ffffff; --box:#f8fafc; --line:#cbd5e1; --text:#0f172a; --faint:#52606f;
  --edge:#7b8794 }
@media (prefers-color-scheme: dark) {
  .plan { --ground:#0f172a; --box:#1e293b; --line:#475569; --text:#f1f5f9; --faint:#a9b6c8;
    --edge:#8595ab }
}
.plan text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  fill: var(--text) }
.plan .name { font-size: 14px; font-weight: 700 }
.plan .faint { fill: var(--faint) }
.plan .box { fill: var(--box); stroke: var(--line) }
.plan .edge { fill: none; stroke: var(--edge); stroke-width: 1.5 }
.plan .tip { fill: var(--edge) }
"""


@dataclass(frozen=True)
class _Box:
    lines: tuple[tuple[str, str, bool], ...]  # kind, name, protected
    width: float
    height: float
    kinds: int  # characters of the kinds' column


def svg(plan: Plan) -> str:
    """The picture; one box per component with its resources, what is made first at the top."""
    nodes = graph(plan)
    objects = {c.resource.urn: len(c.objects) if c.rendered else None for c in plan.charts}
    boxes = {urn: _box(node, objects) for urn, node in nodes.items()}
    placed = place(nodes, {urn: box.width for urn, box in boxes.items()}, GAP)
    tops: list[float] = []
    heights: list[float] = []
    y = PAD
    for row in placed.rows:
        tops.append(y)
        heights.append(max((boxes[urn].height for urn in row), default=0.0))
        y += heights[-1] + BETWEEN
    height, width = y - BETWEEN + PAD, placed.width + 2 * PAD
    size = f'width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg class="plan" xmlns="http://www.w3.org/2000/svg" role="img" {size} ',
        f'viewBox="0 0 {width:.0f} {height:.0f}">',
        f"<title>Stack {escape(plan.stack)}: components in order of creation</title>",
        f"<style>{STYLE}</style>",
        f'<rect {size} style="fill:var(--ground)"/>',
        *_edges(nodes, boxes, placed, tops, heights),
    ]
    for urn, node in nodes.items():
        left = placed.middle[urn] - boxes[urn].width / 2 + PAD
        parts.append(_drawn(node, boxes[urn], left, tops[node.layer]))
    return "\n".join([*parts, "</svg>"])


def _box(node: PlanNode, objects: Mapping[str, int | None]) -> _Box:
    children = sorted(node.children, key=lambda r: (kind_of(r), r.name))
    kinds = max((len(kind_of(child)) for child in children), default=0)
    lines = []
    for child in children:
        note = ""
        if child.urn in objects:
            count = objects[child.urn]
            note = f" · {'not rendered' if count is None else counted(count, 'object')}"
        name = child.name.removeprefix(f"{node.resource.name}-")
        name = _clipped(name, LONGEST - kinds - 2 - len(note)) + note
        lines.append((kind_of(child), name, child.protect))
    longest = max(
        *(kinds + 2 + len(name) for _, name, _ in lines),
        (len(node.resource.name) * 14 + 11) // 12,
        len(node.resource.type),
    )
    return _Box(tuple(lines), longest * CHAR + 2 * PAD + 8, HEADER + LINE * len(lines) + PAD, kinds)


def _clipped(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def _drawn(node: PlanNode, box: _Box, left: float, top: float) -> str:
    resource = node.resource
    colour = COLOURS.get(_area(resource), "#64748b")
    x = left + PAD + 4
    at = f'x="{left:.1f}" y="{top:.1f}" height="{box.height:.1f}"'
    parts = [
        f"<g><title>{escape(resource.urn)}</title>",
        f'<rect class="box" {at} width="{box.width:.1f}" rx="6"/>',
        f'<rect {at} width="5" rx="2.5" fill="{colour}"/>',
        f'<text class="name" x="{x:.1f}" y="{top + 21:.1f}">{escape(resource.name)}</text>',
        f'<text class="faint" x="{x:.1f}" y="{top + 37:.1f}">{escape(resource.type)}</text>',
    ]
    for index, (kind, name, protected) in enumerate(box.lines):
        y = top + HEADER + LINE * (index + 1) - 5
        column = x + (box.kinds + 2) * CHAR
        parts.append(f'<text class="faint" x="{x:.1f}" y="{y:.1f}">{escape(kind)}</text>')
        parts.append(f'<text x="{column:.1f}" y="{y:.1f}">{escape(name)}</text>')
        if protected:
            parts.append(
                f'<rect x="{x - 9:.1f}" y="{y - 9:.1f}" width="4" height="10" fill="{colour}"/>'
            )
    return "".join([*parts, "</g>"])


def _area(resource: Resource) -> str:
    return resource.type.split(":")[1]


def _edges(
    nodes: Mapping[str, PlanNode],
    boxes: Mapping[str, _Box],
    placed: Placed,
    tops: list[float],
    heights: list[float],
) -> list[str]:
    """Curves between the rows, straight lines within them: an edge never meets a box."""
    starts = _ports(
        {e: (e[0], (*lanes, placed.middle[e[1]])[0]) for e, lanes in placed.lanes.items()},
        boxes,
        placed,
    )
    ends = _ports(
        {e: (e[1], (placed.middle[e[0]], *lanes)[-1]) for e, lanes in placed.lanes.items()},
        boxes,
        placed,
    )
    parts = []
    for (first, second), lanes in placed.lanes.items():
        row = nodes[first].layer
        x, y = starts[first, second] + PAD, tops[row] + boxes[first].height
        path = [f"M{x:.1f},{y:.1f}V{tops[row] + heights[row]:.1f}"]
        for lane in (*(lane + PAD for lane in lanes), ends[first, second] + PAD):
            above, below = tops[row] + heights[row], tops[row + 1]
            last = row + 1 == nodes[second].layer
            below -= 7 if last else 0  # room for the tip
            half = (above + below) / 2
            path.append(f"C{x:.1f},{half:.1f} {lane:.1f},{half:.1f} {lane:.1f},{below:.1f}")
            row, x = row + 1, lane
            if not last:
                path.append(f"V{tops[row] + heights[row]:.1f}")
        tip = tops[nodes[second].layer]
        title = f"{nodes[second].resource.name} comes after {nodes[first].resource.name}"
        parts.append(
            f'<g><title>{escape(title)}</title><path class="edge" d="{"".join(path)}"/>'
            f'<path class="tip" d="M{x:.1f},{tip:.1f}l-4.5,-8h9z"/></g>'
        )
    return parts


def _ports(
    joins: Mapping[tuple[str, str], tuple[str, float]],
    boxes: Mapping[str, _Box],
    placed: Placed,
) -> dict[tuple[str, str], float]:
    """Where each edge meets its box: side by side, in the order of where the edges go."""
    count = Counter(urn for urn, _ in joins.values())
    taken: Counter[str] = Counter()
    found = {}
    for edge, (urn, _) in sorted(joins.items(), key=lambda item: (item[1][0], item[1][1])):
        taken[urn] += 1
        share = taken[urn] / (count[urn] + 1) - 0.5
        found[edge] = placed.middle[urn] + share * boxes[urn].width * 0.7
    return found
