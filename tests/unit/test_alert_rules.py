"""The rules as data: metrics that exist, links that lead somewhere, numbers from the config."""

from __future__ import annotations

import re

import pytest
import yaml

from components.alerts import component as alerts
from components.alerts.groups import anchor, overview, slo
from components.alerts.groups.model import PREFIX, Alert, RecordingRule, duration
from tests.unit.alert_samples import ANCHOR_END, setting, thresholds
from tests.unit.metric_lists import exported, grouped, lists, selectors
from tests.unit.stack_files import REPO

EVERY = [anchor.ends({"anchor-1": ANCHOR_END}), *alerts.groups(setting())]
RULES = [rule for group in EVERY for rule in group.rules]
ALERTS = [rule for rule in RULES if isinstance(rule, Alert)]
RECORDS = {rule.name: rule for rule in RULES if isinstance(rule, RecordingRule)}
PAGES = REPO / "docs" / "runbooks" / "alerts"


def _id(rule: Alert | RecordingRule) -> str:
    return rule.name.removeprefix(f"{PREFIX}:")


@pytest.mark.parametrize("rule", RULES, ids=_id)
def test_a_rule_reads_metrics_and_labels_that_are_exported(rule: Alert | RecordingRule) -> None:
    """Several names in public documentation are stale: an alert on one of them never fires."""
    found = selectors(rule.expr)
    assert found or rule.expr.startswith("vector(")
    known = {"workload", "latency_ms", "generation", "counter", "version", "object", "partner"}
    for each in found:
        if each.metric in RECORDS:
            continue
        assert each.metric in exported()
        assert set(each.labels) <= exported()[each.metric], each
        known |= exported()[each.metric]
    if not any(each.metric in RECORDS for each in found):
        assert grouped(rule.expr) <= known


def test_the_reading_of_expressions_sees_what_is_in_them() -> None:
    """A check that finds no metric finds no fault."""
    text = 'sum by (a, b) (rate(x_total{c="d{e}",f=~"g"}[5m])) > 1 and on () y:z offset 10m'
    assert [(s.metric, s.labels) for s in selectors(text)] == [("x_total", ("c", "f")), ("y:z", ())]
    assert grouped(text) == {"a", "b"}


def test_metric_lists_are_those_of_the_pinned_charts() -> None:
    """A chart that is updated may rename a metric: read its source again, then set the version."""
    charts = yaml.safe_load((REPO / "charts.yaml").read_text(encoding="utf-8"))["charts"]
    checked = [each for each in lists().values() if "chart" in each]
    assert len(checked) == 4
    for each in checked:
        assert each["version"] == charts[each["chart"]]["version"], each["chart"]


@pytest.mark.parametrize("rule", ALERTS, ids=_id)
def test_a_runbook_has_a_heading_of_each_alert(rule: Alert) -> None:
    """A link that leads nowhere costs the minutes that count."""
    page = (PAGES / f"{rule.page}.md").read_text(encoding="utf-8")
    assert f"\n## {rule.name}\n" in page


def test_no_runbook_is_about_an_alert_that_is_gone() -> None:
    """A heading nobody links to is a name that nobody finds."""
    names = {rule.name for rule in ALERTS}
    for page in PAGES.glob("*.md"):
        headings = set(re.findall(r"^## (\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert headings
        assert headings <= names, page.name
        assert all(rule.page == page.stem for rule in ALERTS if rule.name in headings)


@pytest.mark.parametrize("rule", ALERTS, ids=_id)
def test_an_alert_has_a_namespace(rule: Alert) -> None:
    """prometheus-operator's Alertmanager routes by it: one without reaches nobody."""
    by_series = re.search(r"by \([^)]*\bnamespace\b", rule.expr)
    recorded = rule.expr.startswith("(") and "workload_" in rule.expr
    assert bool(rule.namespace) != bool(by_series or recorded)


@pytest.mark.parametrize("rule", ALERTS, ids=_id)
def test_a_text_names_only_labels_that_the_alert_has(rule: Alert) -> None:
    """A label that a rule sums away, or adds itself, is empty in its own text."""
    used = set(re.findall(r"\$labels\.(\w+)", rule.summary + rule.description))
    first = re.search(r"\bby \(([^)]*)\)", rule.expr)
    given = {label.strip() for label in first[1].split(",")} if first else set()
    if "workload_" in rule.expr:
        given = {"namespace", "workload"}
    if rule.expr.startswith(anchor.EXPIRY):
        given = {"generation"}
    assert used <= given
    assert rule.summary
    assert rule.description


@pytest.mark.parametrize("name", sorted(type(thresholds()).model_fields))
def test_a_threshold_is_in_a_rule(name: str) -> None:
    """A key that changes no rule deceives whoever sets it."""
    before = thresholds()
    changed = before.model_copy(update={name: getattr(before, name) + 61})
    after = alerts.groups(setting().model_copy(update={"thresholds": changed}))
    assert after != alerts.groups(setting())


def test_what_is_not_meshed_by_the_plan_has_no_alert() -> None:
    """An empty list of namespaces would match none, or with a slip all."""
    without = alerts.groups(setting().model_copy(update={"meshed": ()}))
    assert "LinkerdPodsUnmeshed" not in alerts.names(without)
    assert "LinkerdPodsUnmeshed" in alerts.names(EVERY)


def test_recorded_series_are_bounded_by_workload() -> None:
    """A record per pod, route or client would be as many series as there are already."""
    allowed = {"namespace", "workload", *slo.KINDS}
    assert len(RECORDS) > 15
    for record in RECORDS.values():
        if record.name in overview.LABELS:
            continue
        assert grouped(record.expr) <= allowed, record.name
        raw = [each.metric for each in selectors(record.expr) if each.metric in exported()]
        # Days of raw series at each evaluation would take Prometheus down.
        assert not raw or "[5m]" in record.expr
    assert all(r.name in RECORDS for r in RULES for r in [*_read(r)])


@pytest.mark.parametrize("name", overview.LABELS)
def test_what_the_dashboards_read_is_bounded(name: str) -> None:
    """By namespace, bucket, Service, or policy of a Server: as many as somebody wrote."""
    bounded = {"namespace", "tls", "le", "version"}
    bounded |= {"srv_kind", "srv_name", "srv_port", "authz_kind", "authz_name", "ratelimit_name"}
    bounded |= {f"{of}_{key}" for of in ("parent", "backend") for key in ("namespace", "name")}
    bounded |= {"endpoint_state"}
    expression = RECORDS[name].expr
    outer = re.match(r"(sum|count) by \(([^)]*)\) \(", expression)
    assert outer
    assert set(outer[2].split(", ")) <= bounded
    assert "pod" not in outer[2]
    assert "client" not in outer[2]
    counters = [each.metric for each in selectors(expression) if each.metric.endswith("_total")]
    assert not counters or expression.count("[5m]") == len(counters)


def _read(rule: Alert | RecordingRule) -> list[RecordingRule]:
    return [
        RecordingRule(each.metric, "")
        for each in selectors(rule.expr)
        if each.metric.startswith(f"{PREFIX}:")
    ]


def test_the_buckets_are_the_proxys() -> None:
    """linkerd2-proxy linkerd/metrics/src/latency.rs."""
    assert slo.BUCKETS[:12] == (1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200)
    assert slo.BUCKETS[-1] == 50000
    assert len(slo.BUCKETS) == 25


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (1, "1s"), (90, "1m30s"), (3600, "1h"), (90000, "1d1h"), (604800, "7d")],
)
def test_a_duration_is_as_prometheus_reads_it(seconds: int, text: str) -> None:
    """It takes no `90.0s`, and no units in another order."""
    assert duration(seconds) == text


def test_the_end_of_an_anchor_is_its_unix_time() -> None:
    """Whatever the zone of the machine that deploys."""
    assert anchor.seconds("2030-01-01T00:00:00+00:00") == 1893456000
    assert anchor.seconds("2030-01-01T02:00:00+02:00") == 1893456000
