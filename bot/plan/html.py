"""A plan as one HTML page: no script, no network, light and dark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from bot.plan.model import Plan, kind_of
from bot.plan.svg import COLOURS, svg
from bot.plan.text import counts, headline
from bot.plan.text import escaped as escape
from bot.text.lists import counted

STYLE = """
:root { color-scheme: light dark; --ground:#ffffff; --text:#0f172a; --faint:#52606f; --line:#cbd5e1;
  --note:#fef3c7 }
@media (prefers-color-scheme: dark) {
  :root { --ground:#0f172a; --text:#f1f5f9; --faint:#a9b6c8; --line:#475569; --note:#45370f }
}
body { margin: 0 auto; max-width: 1400px; padding: 24px; background: var(--ground);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif }
h1, h2 { line-height: 1.2 } h2 { margin-top: 48px; border-top: 1px solid var(--line);
  padding-top: 24px } h3 { margin: 28px 0 8px }
a { color: inherit } p.faint, td.faint { color: var(--faint) }
.picture { overflow-x: auto } .picture svg { display: block; max-width: 100%; height: auto }
.legend span { display: inline-block; margin-right: 18px } .legend i { display: inline-block;
  width: 10px; height: 10px; margin-right: 6px; border-radius: 2px }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: 5px 18px 5px 0;
  border-bottom: 1px solid var(--line) }
td:nth-child(-n+2) { white-space: nowrap }
code, pre { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, monospace }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }
ul.warnings { background: var(--note); margin: 0; padding: 10px 14px 10px 32px; border-radius: 6px }
summary { cursor: pointer }
"""


ORIGIN = (
    "Computed from the program, its stack files and charts; no cluster, Vault or state was read. "
    "Values that only a deployment can provide are [known after apply]."
)


# The files that belong to the page, for the next plan to remove.
FILES = re.compile(r'<meta name="plan-files" content="([\w./ -]*)">', re.ASCII)


def page(plans: Sequence[Plan], files: Sequence[str] = ()) -> str:
    """The page; one section per stack. files: paths of the other files, which are listed in it."""
    title = "Plan: " + ", ".join(plan.stack for plan in plans)
    links = " · ".join(f'<a href="#{escape(p.stack)}">{escape(p.stack)}</a>' for p in plans)
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="plan-files" content="{escape(" ".join(files))}">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            f"<h1>Planned resources</h1><p>{links}</p>",
            f'<p class="faint">{escape(ORIGIN)}</p>',
            *(_section(plan) for plan in plans),
            "</body></html>\n",
        ]
    )


def _section(plan: Plan) -> str:
    parts = [
        f'<section id="{escape(plan.stack)}"><h2>{escape(plan.stack)}</h2>',
        f"<p>{escape(headline(plan))}</p>",
    ]
    if plan.warnings:
        items = "".join(f"<li>{escape(warning)}</li>" for warning in plan.warnings)
        parts.append(f'<ul class="warnings">{items}</ul>')
    parts += [
        "<h3>Components, in order of creation</h3>",
        f'<p class="legend">{_legend(plan)}</p><div class="picture">{svg(plan)}</div>',
    ]
    if plan.charts:
        parts += ["<h3>Charts</h3>", _charts(plan)]
    parts += [
        "<h3>Exports</h3>",
        _table((), _exports(plan)),
        f"<h3>Kinds</h3><p>{escape(counts(plan.kinds()))}</p>",
        "<h3>Resources</h3>",
        f"<details><summary>all resources, with their inputs</summary>{_resources(plan)}</details>",
        "</section>",
    ]
    return "\n".join(parts)


def _legend(plan: Plan) -> str:
    used = {r.type.split(":")[1] for r in plan.evaluation.resources if r.parent is None}
    areas = "".join(
        f'<span><i style="background:{colour}"></i>{area}</span>'
        for area, colour in COLOURS.items()
        if area in used
    )
    protected = "a mark before a line: protected, kept on destroy"
    return areas + (protected if any(r.protect for r in plan.evaluation.resources) else "")


def _charts(plan: Plan) -> str:
    rows = []
    for chart in plan.charts:
        if chart.rendered:
            listed = "".join(
                f"<li>{escape(item.kind)} {escape(item.place)}</li>" for item in chart.objects
            )
            objects = (
                f"<details><summary>{counted(len(chart.objects), 'object')}</summary>"
                f"<ul>{listed}</ul></details>"
            )
        else:
            objects = "not rendered"
        rows.append(
            [*map(escape, (chart.name, chart.version, chart.form, chart.namespace)), objects]
        )
    return _table(("Chart", "Version", "As", "Namespace", "Objects"), rows)


def _exports(plan: Plan) -> list[list[str]]:
    return [
        [escape(name), f"<pre>{escape(json.dumps(value, indent=2))}</pre>"]
        for name, value in sorted(plan.evaluation.exports.items())
    ]


def _resources(plan: Plan) -> str:
    rows = []
    for resource in plan.evaluation.resources:
        inputs = escape(json.dumps(resource.inputs, indent=2, ensure_ascii=False))
        shown = (
            f"<details><summary>inputs</summary><pre>{inputs}</pre></details>"
            if resource.inputs
            else ""
        )
        marked = "protected" if resource.protect else ""
        rows.append([escape(kind_of(resource)), escape(resource.name), marked, shown])
    return _table(("Kind", "Name", "", ""), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    heading = f"<tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>" if head else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>{heading}{body}</table></div>'
