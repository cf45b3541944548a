"""The dashboards: metrics that exist, a layout without holes, links and limits of the config."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from components.alerts import component as alerts
from components.alerts.groups.model import Alert, RecordingRule
from components.dashboards.component import Dashboards, manifests
from components.dashboards.grafana import catalog, render
from components.dashboards.grafana.model import Metrics
from tests.unit.alert_samples import RUNBOOKS, setting
from tests.unit.dashboard_samples import (
    dashboards,
    dashboards_args,
    documents,
    panels,
    queries,
    recorded,
    sent,
    shown,
    view,
)
from tests.unit.every_feature import base_sections, program
from tests.unit.metric_lists import selectors
from tests.unit.samples import made
from tests.unit.stack_files import REPO

PAGES = REPO / "docs" / "runbooks" / "alerts"


def test_uids_and_ids_are_unique_and_stay() -> None:
    """They are in addresses: a bookmark must not lead to another panel after a release."""
    found = documents()
    uids = [document["uid"] for document in found.values()]
    assert uids == [
        f"linkerd-platform-{name}"
        for name in (
            *("mesh", "workload", "service", "traffic"),
            *("certificates", "rollout", "policy", "ingress", "egress-gateway"),
        )
    ]
    assert all(len(uid) <= 40 for uid in uids)
    for document in found.values():
        ids = [panel["id"] for panel in document["panels"]]
        assert len(set(ids)) == len(ids)
        assert all(0 < each < 2**31 for each in ids)
    (first, *_) = dashboards()
    fewer = dataclasses.replace(first, rows=first.rows[1:])
    ids_of = {panel["id"] for panel in render.document(first, view())["panels"]}
    assert {panel["id"] for panel in render.document(fewer, view())["panels"]} < ids_of


def test_the_gateway_has_one_where_it_runs() -> None:
    """Panels without any series look like an outage; so with either."""
    without = view()
    without = without.model_copy(
        update={
            "setting": without.setting.model_copy(
                update={"ingress": False, "egress_gateway": False}
            )
        }
    )
    names = [[each.name for each in catalog.every(given)] for given in (without, view())]
    assert names[1] == [*names[0], "ingress", "egress-gateway"]


def test_the_same_arguments_give_the_same_text() -> None:
    """An unchanged program previews as no change."""
    first, second = manifests(dashboards_args()), manifests(dashboards_args())
    assert first == second
    assert [each["data"] for each in first] == [each["data"] for each in second]
    text = "".join(value for each in first for value in each["data"].values())
    assert not re.search(r"20\d\d-\d\d-\d\d|: |, \"", re.sub(r'"(?:[^"\\]|\\.)*"', '""', text))


def test_a_config_map_holds_it() -> None:
    """The API server refuses more than 1 MiB; all of it is in every preview."""
    sizes = [
        len(text.encode())
        for each in manifests(dashboards_args())
        for text in each["data"].values()
    ]
    assert len(sizes) == 9
    assert max(sizes) < 40_000
    assert sum(sizes) < 180_000


def test_every_link_to_a_runbook_leads_to_a_heading() -> None:
    """A click in an outage must not end at the top of a long page, or nowhere."""
    links = [
        link["url"]
        for document in documents().values()
        for panel in shown(document)
        for link in panel.get("links", [])
    ]
    assert len(links) > 20
    for link in links:
        assert link.startswith(f"{RUNBOOKS}/")
        page, _, anchor = link.removeprefix(f"{RUNBOOKS}/").partition("#")
        text = (PAGES / page).read_text(encoding="utf-8")
        headings = {each.lower() for each in re.findall(r"^## (\w+)$", text, re.MULTILINE)}
        assert not anchor or anchor in headings, link


def test_every_link_to_a_dashboard_leads_to_one_of_ours() -> None:
    """A uid that is misspelt opens an empty page."""
    found = documents()
    text = json.dumps(found)
    uids = {document["uid"] for document in found.values()}
    targets = set(re.findall(r"/d/([a-z-]+)", text))
    assert targets
    assert targets <= uids
    for document in found.values():
        (others, runbooks) = document["links"]
        assert others["tags"] == document["tags"] == ["linkerd-platform"]
        assert (others["includeVars"], others["keepTime"]) == (True, True)
        assert runbooks["url"] == RUNBOOKS


def test_the_first_of_the_clusters_is_this_one() -> None:
    """Whoever opens the dashboard in staging's Grafana means staging."""
    (variable,) = [
        each
        for each in documents(cluster_label="cluster")["mesh"]["templating"]["list"]
        if each["name"] == "cluster"
    ]
    assert variable["current"]["value"] == "test"


def test_a_fixed_data_source_is_in_every_query() -> None:
    """One that is left out is asked of Grafana's default, which may be another Prometheus."""
    for choice, uid in ((None, "${datasource}"), ("thanos", "thanos")):
        for document in documents(datasource=choice).values():
            sources = [p["datasource"]["uid"] for p in shown(document)]
            sources += [t["datasource"]["uid"] for p in shown(document) for t in p["targets"]]
            assert set(sources) == {uid}
            names = [each["name"] for each in document["templating"]["list"]]
            assert ("datasource" in names) == (choice is None)


def thresholds(document: dict[str, Any], title: str) -> list[tuple[Any, str]]:
    panel = next(each for each in shown(document) if each["title"] == title)
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return [(step["value"], step["color"]) for step in steps]


def test_colours_change_where_the_alerts_do() -> None:
    """A panel that is green while an alert fires is not believed again."""
    limits = setting().thresholds
    found = documents()
    anchors = thresholds(found["certificates"], "First anchor")
    assert anchors == [
        (None, "red"),
        (limits.anchor_critical, "orange"),
        (limits.anchor_warning, "green"),
    ]
    for title, seconds in (
        ("Identity issuer", limits.issuer_left),
        ("First webhook", limits.webhook_left),
        ("First proxy", limits.leaf_left),
    ):
        assert thresholds(found["certificates"], title) == [(None, "red"), (seconds, "green")]
    assert thresholds(found["mesh"], "Success rate") == [
        (None, "red"),
        (0.9856, "orange"),
        (0.999, "green"),
    ]
    assert thresholds(found["mesh"], "Latency p95") == [(None, "green"), (1000, "red")]
    assert thresholds(found["policy"], "Denied")[1] == (limits.denials + 1, "red")


def test_a_workload_with_an_objective_of_its_own_is_measured_by_it() -> None:
    """Else it is red all day, or never."""
    from components.dashboards.grafana.budget import burn

    text = burn(Metrics(view()), setting().objectives, "1h")
    own, _, rest = text.partition(" or ")
    assert 'namespace="shop",workload="db"' in own
    assert own.endswith("/ 0.05")
    assert rest.endswith("/ 0.001")


def test_waves_are_bars_with_their_state() -> None:
    """A wave without namespaces has no pods of which to show a share."""
    (panel,) = [panel for name, panel in panels() if name.startswith("rollout/Waves/")]
    assert [query.legend for query in panel.queries] == ["canary (on)", "later (off)"]
    assert 'namespace=~"shop|third"' in panel.queries[0].expr
    titles = {name for name, _ in panels()}
    without = catalog.every(view(waves=()))
    assert "rollout/Waves/Pods with a proxy, by wave" in titles
    assert "Waves" not in {row.title for each in without for row in each.rows}
    # And no query is left with an expression that matches nothing on purpose.
    assert all('=~""' not in sent(q.expr) for d in without for r in d.rows for p in r.panels
               for q in p.queries)  # fmt: skip


def test_what_the_dashboards_read_is_recorded_where_they_are_on() -> None:
    """And nowhere else: a sum over all proxies has its price."""
    names = {
        rule.name
        for group in alerts.groups(setting())
        for rule in group.rules
        if isinstance(rule, RecordingRule)
    }
    read = {
        each.metric
        for _, query in queries()
        for each in selectors(query)
        if each.metric in recorded()
    }
    assert read - names == {"linkerd_platform:trust_anchor:expiry_timestamp_seconds"}
    without = alerts.groups(setting().model_copy(update={"overview": False}))
    assert "linkerd-platform-overview" not in {group.name for group in without}
    assert not any(isinstance(rule, Alert) for rule in _overview().rules)


def _overview() -> Any:
    (group,) = [g for g in alerts.groups(setting()) if g.name == "linkerd-platform-overview"]
    return group


def test_the_component_makes_one_config_map_each() -> None:
    """The sidecar writes each key to one folder: two of a name would be one file."""
    recording = made(Dashboards)
    found = recording.of_kind(":ConfigMap")
    assert len(found) == 9
    keys = [key for each in found for key in each.inputs["data"]]
    assert len(set(keys)) == 9
    for each in found:
        metadata = each.inputs["metadata"]
        assert metadata["labels"] == {"grafana_dashboard": "1"}
        assert metadata["annotations"] == {"grafana_folder": "Linkerd"}
        (text,) = each.inputs["data"].values()
        assert json.loads(text)["uid"] == metadata["name"]
    without = made(Dashboards, annotations={})
    assert "annotations" not in without.of_kind(":ConfigMap")[0].inputs["metadata"]


@pytest.mark.parametrize("preview", [True, False])
def test_the_whole_program_makes_them_of_the_stack_file(preview: bool) -> None:
    """Waves and limits come from it; everything is known in a preview."""
    from tests.unit.stack_files import write
    from tests.unit.whole_program import evaluated_file, project

    evaluated = evaluated_file(write(project(), base_sections("observability")), preview)
    found = [
        each
        for each in evaluated.of_kind(":ConfigMap")
        if each.inputs["metadata"]["name"].startswith("linkerd-platform-")
        and "Dashboards" in each.urn
    ]
    assert len(found) == 7
    texts = {each.inputs["metadata"]["name"]: json.dumps(each.inputs["data"]) for each in found}
    assert "a (on)" in texts["linkerd-platform-rollout"]
    assert "shop|third" in texts["linkerd-platform-rollout"]


def test_a_stack_without_them_does_not_pay() -> None:
    """They are off unless asked for."""
    evaluated = program(base_sections("policy"))
    assert not [r for r in evaluated.resources if r.type == Dashboards.type_token]
