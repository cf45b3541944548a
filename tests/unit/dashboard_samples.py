"""What the dashboards are tried with: arguments, and queries as Grafana would send them."""

from __future__ import annotations

import functools
import json
from typing import Any

from components.alerts.groups import anchor, overview
from components.alerts.groups.model import PREFIX
from components.dashboards.component import DashboardsArgs
from components.dashboards.grafana import catalog, render
from components.dashboards.grafana.model import Dashboard, Panel, View, WaveView
from tests.unit.alert_samples import RUNBOOKS, setting

# What is chosen on a dashboard, and what Grafana itself puts in.
CHOSEN = {
    "$__rate_interval": "5m",
    "$service_namespace": "shop",
    "$service": "web",
    "$namespace": "shop",
    "$workload": "web",
    "$kind": "deployment",
    "$cluster": "test",
}


def view(**changes: Any) -> View:
    """A stack with two waves."""
    made: dict[str, Any] = {
        "setting": setting(),
        "waves": (
            WaveView(name="canary", state="on", namespaces=("shop", "third")),
            WaveView(name="later", state="off", namespaces=("pay",)),
            WaveView(name="rest", state="off", namespaces=()),
        ),
        "runbooks": RUNBOOKS,
        "cluster": "test",
        "environment": "staging",
        "datasource": None,
        "cluster_label": None,
    }
    return View(**{**made, **changes})


def dashboards_args(**changes: Any) -> DashboardsArgs:
    """Arguments of `Dashboards`, some of them changed."""
    made: dict[str, Any] = {
        "namespace": "linkerd",
        "labels": {"grafana_dashboard": "1"},
        "annotations": {"grafana_folder": "Linkerd"},
        "view": view(),
    }
    return DashboardsArgs(**{**made, **changes})


@functools.cache
def dashboards(cluster_label: str | None = None) -> tuple[Dashboard, ...]:
    """Every dashboard."""
    return tuple(catalog.every(view(cluster_label=cluster_label)))


def panels(cluster_label: str | None = None) -> list[tuple[str, Panel]]:
    """Every panel, with a name for it."""
    return [
        (f"{dashboard.name}/{row.title}/{panel.title}", panel)
        for dashboard in dashboards(cluster_label)
        for row in dashboard.rows
        for panel in row.panels
    ]


def queries(cluster_label: str | None = None) -> list[tuple[str, str]]:
    """Every query of every panel as Prometheus gets it, with a name for it."""
    return [
        (f"{name}#{index}", sent(query.expr))
        for name, panel in panels(cluster_label)
        for index, query in enumerate(panel.queries)
    ]


def documents(**changes: Any) -> dict[str, dict[str, Any]]:
    """The JSON of each dashboard by its name, read back."""
    given = view(**changes)
    return {each.name: json.loads(render.text(each, given)) for each in catalog.every(given)}


def shown(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Its panels without the headings."""
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def sent(expression: str) -> str:
    """The query with the choices put in, the longer names first."""
    for name in sorted(CHOSEN, key=len, reverse=True):
        expression = expression.replace(name, CHOSEN[name])
    # `"$1"` of a label_replace is no variable of Grafana's, which leaves it as it is.
    assert "$" not in expression.replace('"$1"', ""), expression
    return expression


def recorded() -> dict[str, frozenset[str]]:
    """The labels of each series that the rules record."""
    made = {name: frozenset(text.split(", ")) for name, text in overview.LABELS.items()}
    made[anchor.EXPIRY] = frozenset({"generation"})
    for name in ("requests:rate5m", "errors:rate5m", *(f"error_ratio:{w}" for w in _WINDOWS)):
        made[f"{PREFIX}:workload_{name}"] = frozenset({"namespace", "workload"})
    return made


_WINDOWS = ("5m", "1h", "6h", "3d")
