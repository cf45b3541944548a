"""The whole mesh at a glance: traffic by namespace, what is meshed, control plane, versions."""

from __future__ import annotations

from components.alerts.groups import overview, slo
from components.dashboards.grafana import control_plane
from components.dashboards.grafana.model import (
    NEUTRAL,
    UID,
    Column,
    Dashboard,
    DashboardRow,
    Metrics,
    Panel,
    Query,
    Steps,
    Variable,
    View,
    at_least,
    at_most,
    stat,
)

_NS = 'namespace=~"$namespace"'


def mesh(view: View) -> Dashboard:
    """The dashboard to begin with."""
    metrics = Metrics(view)
    recorded = metrics(slo.REQUESTS)
    query = f"label_values({recorded}, namespace)"
    return Dashboard(
        "mesh",
        "Linkerd / Mesh",
        "Traffic, mTLS and health of everything that is meshed. Begin here.",
        [
            DashboardRow("Now", _now(view, metrics)),
            DashboardRow("Namespaces", _namespaces(view, metrics)),
            DashboardRow("Control plane", control_plane.health(view, metrics)),
            DashboardRow("Versions", control_plane.versions(metrics)),
            DashboardRow(
                "Alerts of this platform that fire", [control_plane.alerts(view, metrics)]
            ),
        ],
        [Variable("namespace", "Namespace", query, multiple=True)],
    )


def success(metrics: Metrics, *where: str, by: str = "") -> str:
    """The share of requests that did not fail, of what the workloads recorded."""
    total = f"sum{by}({metrics(slo.REQUESTS, *where)})"
    return f"1 - sum{by}({metrics(slo.ERRORS, *where)}) / ({total} > 0)"


def objective_steps(view: View) -> Steps:
    """Green while the objective is kept, red where its budget burns fast."""
    goal = view.setting.objectives.default.success
    # A lax objective burns fast only when nothing is left to fail.
    fast = max(1 - 14.4 * (1 - goal), 0.001)
    return at_least(goal, round(fast, 9))


def _quantile(metrics: Metrics, quantile: str, by: str = "") -> str:
    labels = ", ".join(each for each in (by, "le") if each)
    buckets = metrics(overview.NAMESPACE_LATENCY, _NS)
    return f"histogram_quantile({quantile}, sum by ({labels}) ({buckets}))"


def _now(view: View, metrics: Metrics) -> list[Panel]:
    objective = view.setting.objectives.default
    requests = metrics(overview.NAMESPACE_REQUESTS, _NS)
    mtls = metrics(overview.NAMESPACE_REQUESTS, _NS, 'tls="true"')
    pods, meshed = metrics(overview.PODS, _NS), metrics(overview.MESHED_PODS, _NS)
    firing = metrics("ALERTS", 'alertstate="firing"', f'environment="{view.environment}"')
    none = "vector(0)"
    return [
        stat(
            "Success rate",
            f"Share of requests to meshed workloads that did not fail, of the last 5 minutes. "
            f"Green from the objective of {objective.success:.5g} on.",
            success(metrics, _NS),
            "percentunit",
            objective_steps(view),
            runbook="slo.md",
        ),
        stat("Requests", "To meshed workloads.", f"sum({requests})", "reqps", NEUTRAL),
        stat(
            "Latency p95",
            "The 95th percentile until the first byte of the response.",
            _quantile(metrics, "0.95"),
            "ms",
            at_most(objective.latency),
        ),
        stat(
            "mTLS",
            "Share of requests between two meshed pods, with mutual TLS. The rest comes from "
            "outside the mesh, or from the pod itself.",
            f"(sum({mtls}) or {none}) / (sum({requests}) > 0)",
            "percentunit",
            NEUTRAL,
        ),
        stat(
            "Pods with a proxy",
            "Share of the running pods of the namespaces chosen, host network left out.",
            f"(sum({meshed}) or {none}) / (sum({pods}) > 0)",
            "percentunit",
            NEUTRAL,
            empty="No pods",
        ),
        stat(
            "Alerts",
            "Alerts of this platform that fire, in all namespaces.",
            f"count({firing}) or {none}",
            "short",
            at_most(1),
            empty="No Prometheus",
        ),
    ]


def _namespaces(view: View, metrics: Metrics) -> list[Panel]:
    by = " by (namespace) "
    requests = f"sum by (namespace) ({metrics(overview.NAMESPACE_REQUESTS, _NS)})"
    graphs = [
        ("Success rate", "Requests that did not fail.", success(metrics, _NS, by=by)),
        ("Requests", "Inbound requests, without the kubelet's probes.", requests),
        (
            "Latency p95",
            "Until the first byte of the response.",
            _quantile(metrics, "0.95", "namespace"),
        ),
        (
            "TCP connections",
            "Open connections to meshed pods.",
            f"sum by (namespace) ({metrics(overview.NAMESPACE_CONNECTIONS, _NS)})",
        ),
    ]
    units = ("percentunit", "reqps", "ms", "short")
    steps = (objective_steps(view), None, at_most(view.setting.objectives.default.latency), None)
    made = [
        Panel(
            "timeseries",
            title,
            description,
            [Query(expr, "{{namespace}}")],
            12,
            unit=unit,
            steps=limit,
            limits=(None, 1) if unit == "percentunit" else (0, None),
        )
        for (title, description, expr), unit, limit in zip(graphs, units, steps, strict=True)
    ]
    return [*made, _table(view, metrics, by)]


def _table(view: View, metrics: Metrics, by: str) -> Panel:
    namespaces = [
        f"sum{by}({metrics(overview.NAMESPACE_REQUESTS, _NS)})",
        success(metrics, _NS, by=by),
        *(_quantile(metrics, each, "namespace") for each in ("0.5", "0.95", "0.99")),
        f"sum{by}({metrics(overview.PODS, _NS)})",
        f"sum{by}({metrics(overview.MESHED_PODS, _NS)})",
    ]
    link = f"/d/{UID}-workload?var-namespace=${{__value.raw}}&${{__url_time_range}}"
    return Panel(
        "table",
        "By namespace",
        "A click on a namespace leads to its workloads.",
        [Query(expr) for expr in namespaces],
        24,
        9,
        columns=[
            Column("namespace", "Namespace", link=link),
            Column(0, "Requests", "reqps"),
            Column(1, "Success rate", "percentunit", objective_steps(view)),
            *(Column(i, f"p{q}", "ms") for i, q in ((2, 50), (3, 95), (4, 99))),
            Column(5, "Pods"),
            Column(6, "With a proxy"),
        ],
        sort="Requests",
        empty="No pods",
    )
