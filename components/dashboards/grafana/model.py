"""What a dashboard is made of: rows of panels, each with its queries.

Plain data. `components.dashboards.grafana.render` makes Grafana's JSON of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from components.alerts.groups.model import Setting
from components.base import Args

TAG = "linkerd-platform"
UID = "linkerd-platform"
# Columns of Grafana's grid.
WIDTH = 24
HEALTHY = "None"
NO_TRAFFIC = "No traffic"
Kind = Literal["timeseries", "stat", "table", "bargauge"]


class WaveView(Args):
    """A wave of the rollout: its name, its state, and the namespaces that it names."""

    name: str
    state: str
    namespaces: tuple[str, ...]


class View(Args):
    """All that the dashboards depend on.

    `datasource` is the uid of the Prometheus, none for a choice on the dashboard.
    `cluster_label` tells the clusters of one Prometheus apart, none where it holds one alone.
    `runbooks` is the address of docs/runbooks/alerts.
    """

    setting: Setting
    waves: tuple[WaveView, ...]
    runbooks: str
    cluster: str
    environment: str
    datasource: str | None
    cluster_label: str | None


@dataclass(frozen=True)
class Query:
    """A query of PromQL; `legend` names its series with `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Steps:
    """Colours from a value on: the first is the colour below all of them."""

    base: str
    above: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Column:
    """A column of a table: a label, or the value of the query at that place (0, 1, ...).

    `states` are words and colours instead of a number. `link` is where a click on it leads.
    """

    of: str | int
    title: str
    unit: str = ""
    steps: Steps | None = None
    states: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    link: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel. `width` is of 24, `height` in Grafana's rows of 30 px.

    `runbook` is the page below docs/runbooks/alerts, with an anchor. `empty` is shown where the
    queries find nothing.
    """

    kind: Kind
    title: str
    description: str
    queries: Sequence[Query]
    width: int
    height: int = 8
    unit: str = "short"
    decimals: int | None = None
    steps: Steps | None = None
    limits: tuple[float | None, float | None] = (None, None)
    stacked: bool = False
    columns: Sequence[Column] = ()
    sort: str = ""
    runbook: str = ""
    empty: str = NO_TRAFFIC


@dataclass(frozen=True)
class Row:
    """Panels below a heading, from left to right, wrapped at the full width."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Variable:
    """A choice at the top: from a query on labels, or from fixed values."""

    name: str
    label: str
    query: str = ""
    values: Sequence[str] = ()
    multiple: bool = False
    current: str = ""


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; its uid is in every link to it."""

    name: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()

    @property
    def uid(self) -> str:
        """At most 40 characters, as Grafana wants it."""
        return f"{UID}-{self.name}"


class Metrics:
    """Selectors of metrics, each for the cluster that is looked at alone."""

    def __init__(self, view: View) -> None:
        label = view.cluster_label
        self._cluster = (f'{label}="$cluster"',) if label else ()

    def __call__(self, name: str, *matchers: str) -> str:
        """The metric with these matchers, and the cluster's."""
        inside = ",".join((*self._cluster, *(each for each in matchers if each)))
        return f"{name}{{{inside}}}" if inside else name


def stat(title: str, description: str, expr: str, unit: str, steps: Steps, **more: object) -> Panel:
    """A single number, six to a line."""
    given = {"width": 4, "height": 4, **more}
    return Panel("stat", title, description, [Query(expr)], unit=unit, steps=steps, **given)  # type: ignore[arg-type]


def at_least(good: float, tolerable: float | None = None) -> Steps:
    """Green from `good` on, orange from `tolerable`, red below."""
    orange = [] if tolerable is None else [(tolerable, "orange")]
    return Steps("red", [*orange, (good, "green")])


def at_most(bad: float, colour: str = "red") -> Steps:
    """Green below `bad`."""
    return Steps("green", [(bad, colour)])


NEUTRAL = Steps("blue", [])
YES_NO: Mapping[int, tuple[str, str]] = {0: ("no", "red"), 1: ("yes", "green")}
