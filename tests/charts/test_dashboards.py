"""Every query of the dashboards, evaluated by Prometheus' own engine (promtool) on a small mesh."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from components.alerts import component as alerts
from components.dashboards.grafana.budget import burn
from components.dashboards.grafana.model import Metrics
from tests.charts.dashboard_series import DAY, HOUR, world
from tests.charts.test_alert_rules import promtool
from tests.programs import ran
from tests.unit.alert_samples import alerts_args, setting
from tests.unit.dashboard_samples import dashboards, queries, sent, view
from tests.unit.metric_lists import exported, selectors

MINUTES = 70
ARGS = alerts_args()
QUERIES = queries()
PASSED = 60 * MINUTES


def rules() -> dict[str, Any]:
    """What is recorded; the alerts are tested elsewhere."""
    content = alerts.content(ARGS, alerts.groups(ARGS.setting))
    for group in content["groups"]:
        group["rules"] = [rule for rule in group["rules"] if "record" in rule]
    content["groups"] = [group for group in content["groups"] if group["rules"]]
    return content


def notation(series: Any) -> dict[str, str]:
    """A series as promtool writes it, from its clock's start on."""
    values = f"{series.value}+{series.growth}x{MINUTES}"
    return {"series": series.selector, "values": values}


def group(expected: list[dict[str, Any]], without: str = "") -> dict[str, Any]:
    """A test of promtool: the sample, without one metric or with all, and what it must give."""
    return {
        "interval": "1m",
        "input_series": [notation(each) for each in world() if each.name != without],
        "promql_expr_test": expected,
    }


def run(folder: Path, *groups: dict[str, Any], record: bool = True) -> str:
    """What promtool says against these tests; empty where they hold."""
    recorded = rules()
    (folder / "rules.yaml").write_text(alerts.as_file(recorded), encoding="utf-8")
    content = {
        "rule_files": ["rules.yaml"] if record else [],
        "evaluation_interval": "1m",
        "group_eval_order": [each["name"] for each in recorded["groups"]] if record else [],
        "tests": list(groups),
    }
    (folder / "tests.yaml").write_text(json.dumps(content), encoding="utf-8")
    done = ran([promtool(), "test", "rules", str(folder / "tests.yaml")], timeout=300)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def sample(labels: str, value: float) -> dict[str, Any]:
    return {"labels": labels, "value": value}


def at(expression: str, *expected: dict[str, Any]) -> dict[str, Any]:
    """What an expression gives at the end of the samples."""
    return {"expr": expression, "eval_time": f"{MINUTES}m", "exp_samples": list(expected)}


def found(query: str) -> dict[str, Any]:
    """That a query gives something, whatever it is."""
    return at(f"(count({query}) > bool 0)", sample("{}", 1))


def test_every_query_parses_and_finds_what_it_is_about(tmp_path: Path) -> None:
    """A panel that is empty on a mesh with traffic and trouble is empty always."""
    assert len(QUERIES) > 120
    assert run(tmp_path, group([found(query) for _, query in QUERIES])) == ""


def test_a_query_that_finds_nothing_is_noticed(tmp_path: Path) -> None:
    """The check itself must bite, for a query that finds nothing and for one that is none."""
    nothing = found('proxy_build_info{namespace="other"}')
    wrong = at("count(proxy_build_info)", sample("{}", 7))
    for bad in (nothing, wrong):
        assert "FAILED" in run(tmp_path, group([bad]), record=False)
    assert "parse error" in run(tmp_path, group([found("sum(")]), record=False)


def test_the_sample_has_every_metric_that_is_read() -> None:
    """And none that no exporter has."""
    read = {each.metric for _, query in QUERIES for each in selectors(query)}
    there = {each.name for each in world()}
    assert read & exported().keys() <= there
    for series in world():
        if series.name in exported():
            assert set(series.labels) <= exported()[series.name], series.selector


@functools.cache
def expression(name: str, row: str, title: str, index: int = 0) -> str:
    """The query of a panel, as it is sent."""
    (panel,) = [
        panel
        for dashboard in dashboards()
        for each in dashboard.rows
        for panel in each.panels
        if (dashboard.name, each.title, panel.title) == (name, row, title)
    ]
    return sent(panel.queries[index].expr)


SHOP = '{namespace="shop"}'
NOW = "Now"
EXPECTED = {
    # 12 failures of 1500, probes left out, with those to db and the control plane.
    ("mesh", "Namespaces", "Success rate"): [(SHOP, 1 - 12 / 1560)],
    ("mesh", "Namespaces", "Requests"): [(SHOP, 26)],
    ("mesh", NOW, "mTLS"): [("{}", 1260 / 1560)],
    ("mesh", NOW, "Pods with a proxy"): [("{}", 3 / 4)],
    ("mesh", NOW, "Alerts"): [("{}", 1)],
    ("mesh", "Namespaces", "TCP connections"): [(SHOP, 7)],
    ("workload", NOW, "Success rate"): [('{namespace="shop",workload="web"}', 1 - 12 / 1500)],
    ("workload", NOW, "Burn rate, 1 h"): [('{namespace="shop",workload="web"}', 8)],
    ("workload", NOW, "mTLS"): [("{}", 1200 / 1500)],
    ("workload", NOW, "Pods"): [("{}", 2)],
    ("workload", "Outbound", "Failures by service"): [
        ('{dst_namespace="shop",dst_service="db"}', 0.1)
    ],
    ("service", NOW, "Success rate"): [("{}", 0.9)],
    ("service", NOW, "Requests"): [("{}", 20)],
    ("service", NOW, "Least ready endpoints"): [("{}", 2)],
    ("service", "Routes", "Failures by route"): [('{route_name="checkout"}', 0.1)],
    # Of HTTP and of gRPC, 60 a minute each.
    ("traffic", NOW, "Retries"): [("{}", 2)],
    ("traffic", NOW, "Retries that were good"): [("{}", 1)],
    ("traffic", NOW, "Failed in spite of retries"): [("{}", 5 * 240)],
    # The 504 of a server is none.
    ("traffic", NOW, "Timed out"): [("{}", 5 * 12)],
    ("traffic", NOW, "Clients without a pod"): [("{}", 1)],
    ("traffic", NOW, "Rate limited"): [("{}", 5 * 30)],
    ("traffic", "Services", "By service"): [('{parent_namespace="shop",parent_name="web"}', 2)],
    ("traffic", "Breakers and limits", "Pods out"): [
        ('{backend_namespace="shop",backend_name="pay"}', 3 / 4),
        ('{backend_namespace="shop",backend_name="web"}', 1 / 3),
    ],
    ("traffic", "Breakers and limits", "Clients without a pod"): [
        ('{backend_namespace="shop",backend_name="pay"}', 1)
    ],
    ("certificates", NOW_ := "Time left", "First anchor"): [("{}", 100 * DAY - PASSED)],
    ("certificates", NOW_, "Identity issuer"): [("{}", 29 * HOUR)],
    ("certificates", NOW_, "First webhook"): [("{}", 2 * DAY - PASSED)],
    ("certificates", NOW_, "First proxy"): [("{}", 10 * HOUR - PASSED)],
    ("certificates", NOW_, "Renewals overdue"): [("{}", 1)],
    ("certificates", NOW_, "Not ready"): [("{}", 1)],
    ("rollout", NOW, "Pods with a proxy"): [("{}", 6)],
    ("rollout", NOW, "Running pods"): [("{}", 9)],
    ("rollout", NOW, "Namespaces in the mesh"): [("{}", 2)],
    ("rollout", NOW, "Pods without a proxy"): [("{}", 1)],
    ("rollout", NOW, "Proxies of another version"): [("{}", 1)],
    ("rollout", "Waves", "Pods with a proxy, by wave"): [("{}", 3 / 4)],
    ("rollout", "Namespaces", "By namespace"): [
        ('{namespace="shop",wave="canary (on)"}', 4),
        ('{namespace="pay",wave="later (off)"}', 2),
        ('{namespace="linkerd"}', 3),
    ],
    ("policy", NOW, "Denied"): [("{}", 60)],
    ("policy", NOW, "Rate limited"): [("{}", 150)],
    ("policy", NOW, "On a default policy"): [("{}", 60 / 720)],
    ("policy", NOW, "In audit"): [("{}", 60 / 720)],
    ("policy", "Rate limits", "By scope"): [('{ratelimit_scope="identity"}', 0.5)],
}


def rounded(query: str) -> str:
    """To six digits: sums of fractions differ in the last one."""
    return f"round(({query}) * 1e6) / 1e6"


def test_a_panel_shows_the_right_number(tmp_path: Path) -> None:
    """A number that is wrong is worse than none."""
    tests = [
        at(rounded(expression(*panel)), *(sample(labels, round(x, 6)) for labels, x in samples))
        for panel, samples in EXPECTED.items()
    ]
    # In the table of namespaces, one without a proxy counts as none: it is the row one looks for.
    shares = ({"shop": 3, "pay": 0, "linkerd": 3}, {"shop": 0.75, "pay": 0, "linkerd": 1})
    for index, expected in enumerate(shares, 1):
        query = expression("rollout", "Namespaces", "By namespace", index)
        tests.append(at(query, *(sample(ROWS[name], value) for name, value in expected.items())))
    # 0.8 per cent of failures is 8 times what 99.9 per cent allows, and 0.16 of what 95 do.
    objectives = setting().objectives
    own = objectives.workloads[0].model_copy(update={"workload": "web"})
    changed = objectives.model_copy(update={"workloads": (own,)})
    for given, value in ((objectives, 8), (changed, 0.16)):
        query = rounded(sent(burn(Metrics(view()), given, "1h")))
        tests.append(at(query, sample('{namespace="shop",workload="web"}', value)))
    assert run(tmp_path, group(tests)) == ""


ROWS = {
    "shop": '{namespace="shop",wave="canary (on)"}',
    "pay": '{namespace="pay",wave="later (off)"}',
    "linkerd": '{namespace="linkerd"}',
}
# Metrics that come with their first event, and a panel for each.
LATE = {
    "apiserver_admission_webhook_rejection_count": ("rollout", "Refused within 10 minutes"),
    "inbound_http_local_ratelimit_total": ("policy", "Rate limited"),
    "outbound_http_route_retry_requests_total": ("service", "Retries"),
    "ALERTS": ("mesh", "Alerts"),
}


def test_a_counter_that_is_not_there_yet_is_zero(tmp_path: Path) -> None:
    """Most counters appear with their first event: until then all is well, and not unknown."""
    tests = [
        group([at(expression(name, NOW, title), sample("{}", 0))], without=metric)
        for metric, (name, title) in LATE.items()
    ]
    # Nothing is recorded: the counter of rate limits has no record either.
    assert run(tmp_path, *tests, record=False) == ""
