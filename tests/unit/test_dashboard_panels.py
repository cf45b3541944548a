"""Every panel of the dashboards: metrics that exist, labels that are left, a place of its own."""

from __future__ import annotations

import json
import re

import pytest

from components.dashboards.grafana import render
from components.dashboards.grafana.model import Dashboard, Panel
from tests.unit.dashboard_samples import (
    dashboards,
    documents,
    panels,
    queries,
    recorded,
    sent,
    shown,
    view,
)
from tests.unit.metric_lists import exported, grouped, selectors

NAMES = [each.name for each in dashboards()]
# Labels that a query itself adds.
ADDED = {"kind", "wave", "protocol", "partner"}


def panels_of(name: str) -> list[tuple[str, Panel]]:
    found = [(where, panel) for where, panel in panels() if where.startswith(f"{name}/")]
    assert len(found) > 10
    return found


def labels_of(metric: str) -> frozenset[str]:
    known = recorded() if metric in recorded() else exported()
    assert metric in known, metric
    return known[metric]


@pytest.mark.parametrize("dashboard", NAMES)
def test_a_query_reads_metrics_and_labels_that_are_there(dashboard: str) -> None:
    """A panel on a metric that was renamed says "no data", which reads as "no trouble"."""
    for name, query in queries():
        found = selectors(query)
        assert found, name
        if not name.startswith(f"{dashboard}/"):
            continue
        for each in found:
            assert set(each.labels) <= labels_of(each.metric), (name, each)
        known = ADDED.union(*(labels_of(each.metric) for each in found))
        assert grouped(query) <= known, name


@pytest.mark.parametrize("dashboard", NAMES)
def test_a_legend_names_labels_that_are_left(dashboard: str) -> None:
    """One that is summed away leaves all lines with the same name, or none."""
    every = [(name, p, query) for name, p in panels_of(dashboard) for query in p.queries]
    for name, panel, query in every:
        expression = sent(query.expr)
        read = frozenset().union(*(labels_of(each.metric) for each in selectors(expression)))
        left = grouped(expression) or read
        used = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        assert used <= left, (name, used)
        if len(panel.queries) > 1 and panel.kind != "table":
            assert query.legend


@pytest.mark.parametrize("dashboard", NAMES)
def test_a_panel_says_what_it_shows_and_what_its_silence_means(dashboard: str) -> None:
    """An empty panel is either good news or a broken scrape: the reader must know which."""
    for name, panel in panels_of(dashboard):
        assert len(panel.description) > 10, name
        assert panel.description.endswith((".", ").")), name
        assert panel.empty, name
        assert panel.queries, name
        assert (panel.kind == "table") == bool(panel.columns), name


@pytest.mark.parametrize(("name", "panel"), [p for p in panels() if p[1].columns])
def test_a_table_has_a_column_for_every_label_and_value(name: str, panel: Panel) -> None:
    """One without a title comes last, as `Value #C`."""
    numbers = {column.of for column in panel.columns if isinstance(column.of, int)}
    assert numbers == set(range(len(panel.queries))), name
    words = {column.of for column in panel.columns if isinstance(column.of, str)}
    for query in panel.queries:
        outer = re.search(r"by \(([^)]*)\)", query.expr)
        assert outer, name
        added = {label for label in ADDED if f'"{label}"' in query.expr}
        assert {each.strip() for each in outer[1].split(",")} | added >= words
    titles = [column.title for column in panel.columns]
    assert len(set(titles)) == len(titles)
    assert panel.sort in ("", *titles)


def test_every_selector_is_of_the_chosen_cluster() -> None:
    """Where one Prometheus holds several, a query without it sums staging and production."""
    count = 0
    for name, query in queries("kube_cluster"):
        for each in selectors(query):
            assert "kube_cluster" in each.labels, name
            count += 1
    assert count > len(queries())
    variables = [
        variable["query"]
        for document in documents(cluster_label="kube_cluster").values()
        for variable in document["templating"]["list"]
        if variable["type"] == "query"
    ]
    assert all("kube_cluster" in query for query in variables)
    assert not any("kube_cluster" in query for _, query in queries())


def test_a_variable_reads_metrics_that_are_there() -> None:
    """An empty choice empties every panel below it."""
    count = 0
    for document in documents().values():
        for variable in document["templating"]["list"]:
            if variable["type"] == "query":
                inside = re.fullmatch(r"label_values\((.+), ([\w$]+)\)", variable["query"])
                assert inside
                (each,) = selectors(sent(inside[1]))
                assert {*each.labels, sent(inside[2])} <= labels_of(each.metric)
                count += 1
    assert count == 7


@pytest.mark.parametrize("label", [None, "cluster", "k8s_cluster"])
def test_variables_are_all_that_the_queries_use(label: str | None) -> None:
    """Grafana sends an unknown variable as it is written, and Prometheus refuses the query."""
    for name, document in documents(cluster_label=label).items():
        defined = [variable["name"] for variable in document["templating"]["list"]]
        assert len(set(defined)) == len(defined)
        text = json.dumps([panel["targets"] for panel in shown(document)])
        used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval"}
        # A label_replace's own, which Grafana leaves alone.
        used.discard("1")
        assert used == set(defined), name
        assert ("cluster" in defined) == (label is not None)


@pytest.mark.parametrize("each", dashboards(), ids=lambda each: each.name)
def test_no_panels_overlap_and_no_row_has_a_hole(each: Dashboard) -> None:
    """Grafana moves what overlaps to where nobody put it."""
    taken: set[tuple[int, int]] = set()
    document = render.document(each, view())
    for panel in document["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    depth = max(y for _, y in taken) + 1
    assert taken == {(x, y) for x in range(24) for y in range(depth)}
