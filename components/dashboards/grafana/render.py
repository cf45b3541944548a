"""From a dashboard as data to Grafana's JSON: the same text for the same dashboard.

Follows https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
What is a plugin's own default is left out: each byte is in every preview.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from components.dashboards.grafana.model import (
    TAG,
    WIDTH,
    Column,
    Dashboard,
    DashboardRow,
    Panel,
    Steps,
    Variable,
    View,
)

# Grafana 12; older releases read it, newer ones migrate it.
SCHEMA_VERSION = 41
_REFS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Json = dict[str, Any]


def text(dashboard: Dashboard, view: View) -> str:
    """The JSON of a dashboard, without blanks."""
    return json.dumps(document(dashboard, view), separators=(",", ":"), ensure_ascii=False)


def document(dashboard: Dashboard, view: View) -> Json:
    """The dashboard as Grafana reads it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "1m",
        "timezone": "browser",
        "links": _links(view),
        "templating": {"list": [*_variables(dashboard, view)]},
        "annotations": {"list": []},
        "panels": [*_placed(dashboard.rows, view)],
    }


def _links(view: View) -> list[Json]:
    base: Json = {"icon": "external link", "tooltip": "", "tags": [], "asDropdown": False}
    return [
        base | {
            "type": "dashboards", "title": "Linkerd", "tags": [TAG], "asDropdown": True,
            "includeVars": True, "keepTime": True, "targetBlank": False,
        },
        base | {
            "type": "link", "title": "Runbooks", "url": view.runbooks, "icon": "doc",
            "includeVars": False, "keepTime": False, "targetBlank": True,
        },
    ]  # fmt: skip


def _variables(dashboard: Dashboard, view: View) -> Iterator[Json]:
    if view.datasource is None:
        yield {
            "name": "datasource", "label": "Prometheus", "type": "datasource",
            "query": "prometheus", "refresh": 1,
        }  # fmt: skip
    if view.cluster_label:
        query = f"label_values(kube_pod_info, {view.cluster_label})"
        yield _variable(Variable("cluster", "Cluster", query, current=view.cluster), view)
    for variable in dashboard.variables:
        yield _variable(variable, view)


def _variable(variable: Variable, view: View) -> Json:
    made: Json = {"name": variable.name, "label": variable.label}
    if variable.values:
        options = [
            {"text": value, "value": value, "selected": value == variable.values[0]}
            for value in variable.values
        ]
        # Known before the first query; nothing to refresh.
        made |= {"type": "custom", "query": ",".join(variable.values), "options": options}
        return made | {"current": options[0]}
    made |= {
        "type": "query",
        "datasource": _datasource(view),
        "query": variable.query,
        # With the time range: what is gone from Prometheus is no choice.
        "refresh": 2,
        "sort": 1,
    }
    if variable.multiple:
        every = {"text": ["All"], "value": ["$__all"], "selected": True}
        made |= {"multi": True, "includeAll": True, "allValue": ".*", "current": every}
    elif variable.current:
        given = variable.current
        made["current"] = {"text": given, "value": given, "selected": True}
    return made


def _datasource(view: View) -> Json:
    return {"type": "prometheus", "uid": view.datasource or "${datasource}"}


def _placed(rows: Sequence[DashboardRow], view: View) -> Iterator[Json]:
    """Every row and panel at its place: from left to right, and then the next line."""
    y = 0
    for row in rows:
        place = {"h": 1, "w": WIDTH, "x": 0, "y": y}
        own = {"type": "row", "id": _id(row.title, ""), "title": row.title, "gridPos": place}
        yield own | {"collapsed": False, "panels": []}
        y, x, deepest = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                y, x, deepest = y + deepest, 0, 0
            place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
            yield {"id": _id(row.title, panel.title), "gridPos": place, **_panel(panel, view)}
            x, deepest = x + panel.width, max(deepest, panel.height)
        y += deepest


def _id(*names: str) -> int:
    """A number that a panel keeps when others come and go: it is in addresses."""
    return zlib.crc32("/".join(names).encode()) & 0x7FFFFFFF


def _panel(panel: Panel, view: View) -> Json:
    made: Json = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _datasource(view),
        "targets": [*_targets(panel, view)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": [*_overrides(panel)]},
        "options": _options(panel),
    }
    if panel.kind == "table":
        made["transformations"] = _transformations(panel)
    if panel.runbook:
        url = f"{view.runbooks.rstrip('/')}/{panel.runbook}"
        made["links"] = [_link("Runbook", url, new=True)]
    return made


def _link(title: str, url: str, *, new: bool) -> Json:
    return {
        "type": "link", "title": title, "url": url, "icon": "", "tooltip": "", "tags": [],
        "asDropdown": False, "targetBlank": new, "includeVars": False, "keepTime": False,
    }  # fmt: skip


def _targets(panel: Panel, view: View) -> Iterator[Json]:
    # A number is what it is now; only a graph asks for every step of its range.
    instant = panel.kind != "timeseries"
    for ref, query in zip(_REFS, panel.queries, strict=False):
        yield {
            "refId": ref,
            "datasource": _datasource(view),
            "expr": query.expr,
            "instant": instant,
            "range": not instant,
            **({"legendFormat": query.legend} if query.legend else {}),
            **({"format": "table"} if panel.kind == "table" else {}),
        }


def _defaults(panel: Panel) -> Json:
    made: Json = {"unit": panel.unit, "noValue": panel.empty}
    low, high = panel.limits
    made |= {key: value for key, value in (("min", low), ("max", high)) if value is not None}
    if panel.decimals is not None:
        made["decimals"] = panel.decimals
    if panel.steps:
        made["thresholds"] = _steps(panel.steps)
    if panel.kind != "timeseries":
        return made | {"color": {"mode": "thresholds"}}
    custom: Json = {"fillOpacity": 40 if panel.stacked else 8, "showPoints": "never"}
    if panel.stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    if panel.steps:
        custom["thresholdsStyle"] = {"mode": "dashed"}
    return made | {"color": {"mode": "palette-classic"}, "custom": custom}


def _steps(steps: Steps) -> Json:
    first = {"color": steps.base, "value": None}
    above = [{"color": colour, "value": value} for value, colour in steps.above]
    return {"mode": "absolute", "steps": [first, *above]}


def _options(panel: Panel) -> Json:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "stat":
            return {"reduceOptions": last, "colorMode": "background", "graphMode": "none"}
        case "bargauge":
            return {
                "reduceOptions": last, "orientation": "horizontal", "displayMode": "basic",
                "valueMode": "color", "showUnfilled": True,
            }  # fmt: skip
        case "table":
            order = {"displayName": panel.sort, "desc": True}
            return {"showHeader": True, **({"sortBy": [order]} if panel.sort else {})}
        case _:
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }


def _transformations(panel: Panel) -> list[Json]:
    """One row for each set of labels; the columns in their order, by their titles."""
    names = {name: column.title for column in panel.columns for name in _sources(panel, column)}
    order = {name: index for index, name in enumerate(names)}
    organized = {"excludeByName": {"Time": True}, "renameByName": names, "indexByName": order}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organized}]


def _sources(panel: Panel, column: Column) -> list[str]:
    """What Grafana calls a column: the value of a query alone has no letter."""
    if isinstance(column.of, str):
        return [column.of]
    return [f"Value #{_REFS[column.of]}", *(["Value"] if len(panel.queries) == 1 else [])]


def _overrides(panel: Panel) -> Iterator[Json]:
    for column in panel.columns:
        properties: list[Json] = []
        if column.unit:
            properties.append({"id": "unit", "value": column.unit})
        if column.steps:
            properties.append({"id": "thresholds", "value": _steps(column.steps)})
        if column.states:
            options = {
                str(value): {"text": word, "color": colour}
                for value, (word, colour) in column.states.items()
            }
            properties.append({"id": "mappings", "value": [{"type": "value", "options": options}]})
        if column.steps or column.states:
            properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
        if column.link:
            link = {"title": "Open", "url": column.link}
            properties.append({"id": "links", "value": [link]})
        if properties:
            matcher = {"id": "byName", "options": column.title}
            yield {"matcher": matcher, "properties": properties}
