"""One workload: golden signals of what it serves and of what it calls, TCP, its pods' errors."""

from __future__ import annotations

from components.alerts.groups import slo
from components.dashboards.grafana.budget import burn
from components.dashboards.grafana.mesh import objective_steps
from components.dashboards.grafana.model import (
    HEALTHY,
    NEUTRAL,
    UID,
    Dashboard,
    DashboardRow,
    Metrics,
    Panel,
    Query,
    Variable,
    View,
    at_most,
    stat,
)

# A label in the place of its name: Grafana puts the choice in before Prometheus reads it.
_IT = ('namespace="$namespace"', '$kind="$workload"')
_RECORDED = ('namespace="$namespace"', 'workload="$workload"')
_RATE = "$__rate_interval"
_TOP = 10


def workload(view: View) -> Dashboard:
    """The dashboard of one workload."""
    metrics = Metrics(view)
    proxies = metrics("proxy_build_info")
    own = metrics("proxy_build_info", 'namespace="$namespace"', '$kind!=""')
    return Dashboard(
        "workload",
        "Linkerd / Workload",
        "What one workload serves and calls, as its own proxies see it.",
        [
            DashboardRow("Now", _now(view, metrics)),
            DashboardRow("Inbound", _inbound(view, metrics)),
            DashboardRow("Inbound by route and client", _routes(metrics)),
            DashboardRow("Outbound", _outbound(metrics)),
            DashboardRow("TCP", _tcp(metrics)),
            DashboardRow("What its proxies could not do", _errors(metrics)),
        ],
        [
            Variable("namespace", "Namespace", f"label_values({proxies}, namespace)"),
            Variable("kind", "Kind", values=slo.KINDS),
            Variable("workload", "Workload", f"label_values({own}, $kind)"),
        ],
    )


def _rate(metrics: Metrics, name: str, *where: str, by: str = "") -> str:
    grouped = f" by ({by}) " if by else ""
    return f"sum{grouped}(rate({metrics(name, *_IT, *where)}[{_RATE}]))"


def _share(part: str, whole: str) -> str:
    """A part of a whole, 0 where there is none of it yet."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def _quantiles(metrics: Metrics, *where: str, by: str = "", of: str = "") -> list[Query]:
    """The median, the 95th and the 99th percentile; or one of them by a label."""
    labels = ", ".join(each for each in (by, "le") if each)
    buckets = _rate(metrics, "response_latency_ms_bucket", *where, by=labels)
    return [
        Query(f"histogram_quantile(0.{each}, {buckets})", f"{{{{{by}}}}}" if by else f"p{each}")
        for each in ([of] if of else ["50", "95", "99"])
    ]


def _now(view: View, metrics: Metrics) -> list[Panel]:
    objectives = view.setting.objectives
    total, failed = metrics(slo.REQUESTS, *_RECORDED), metrics(slo.ERRORS, *_RECORDED)
    encrypted = _rate(metrics, "response_total", slo.INBOUND, 'tls="true"')
    every = _rate(metrics, "response_total", slo.INBOUND)
    return [
        stat(
            "Success rate",
            "Share of inbound requests that did not fail, of the last 5 minutes.",
            f"1 - {failed} / ({total} > 0)",
            "percentunit",
            objective_steps(view),
            runbook="slo.md",
        ),
        stat("Requests", "Inbound, without the kubelet's probes.", total, "reqps", NEUTRAL),
        stat(
            "Latency p95",
            "Until the first byte of the response.",
            _quantiles(metrics, slo.INBOUND, of="95")[0].expr,
            "ms",
            at_most(objectives.default.latency),
        ),
        stat(
            "Burn rate, 1 h",
            "Of the error budget of its objective: above 1 the objective is not kept, from 14.4 on "
            "somebody is called.",
            burn(metrics, objectives, "1h"),
            "short",
            at_most(1, "orange"),
            decimals=2,
            runbook="slo.md#linkerdsuccessburnfast",
        ),
        stat(
            "mTLS",
            "Share of inbound requests with mutual TLS.",
            _share(encrypted, every),
            "percentunit",
            NEUTRAL,
        ),
        stat(
            "Pods",
            "Its pods that have a proxy, by their metrics.",
            f"count({metrics('proxy_build_info', *_IT)})",
            "short",
            NEUTRAL,
            empty="No pods",
        ),
    ]


def _inbound(view: View, metrics: Metrics) -> list[Panel]:
    objectives = view.setting.objectives
    windows = ("5m", "1h", "6h", "3d")
    burns = [Query(burn(metrics, objectives, window), window) for window in windows]
    return [
        Panel(
            "timeseries",
            "Requests by outcome",
            "What the proxy counts as a failure: 5xx, and failing codes of gRPC.",
            [
                Query(
                    _rate(metrics, "response_total", slo.INBOUND, by="classification"),
                    "{{classification}}",
                )
            ],
            8,
            unit="reqps",
            stacked=True,
            limits=(0, None),
        ),
        Panel(
            "timeseries",
            "Latency",
            "Until the first byte of the response.",
            _quantiles(metrics, slo.INBOUND),
            8,
            unit="ms",
            steps=at_most(objectives.default.latency),
            limits=(0, None),
        ),
        Panel(
            "timeseries",
            "Burn rate of the error budget",
            "By window. The line is the pace at which the budget of 30 days is just used up.",
            burns,
            8,
            steps=at_most(1),
            limits=(0, None),
            runbook="slo.md",
        ),
    ]


def _routes(metrics: Metrics) -> list[Panel]:
    everything = _rate(metrics, "response_total", slo.INBOUND, by="route_name")
    failed = _rate(
        metrics, "response_total", slo.INBOUND, 'classification="failure"', by="route_name"
    )
    clients = _rate(metrics, "request_total", slo.INBOUND, by="client_id")
    graphs = (
        ("Requests by route", "Routes of its Server; `default` without one.", everything, "reqps"),
        (
            "Failures by route",
            "Share of the requests of a route.",
            _share(failed, everything),
            "percentunit",
        ),
        (
            "Latency p95 by route",
            "Until the first byte of the response.",
            _quantiles(metrics, slo.INBOUND, by="route_name", of="95")[0].expr,
            "ms",
        ),
        (
            "Requests by client",
            f"The {_TOP} that ask most, by mesh identity; without one, from outside the mesh.",
            f"topk({_TOP}, {clients})",
            "reqps",
        ),
    )
    legends = ["{{route_name}}"] * 3 + ["{{client_id}}"]
    return [
        Panel(
            "timeseries", title, description, [Query(expr, legend)], 6, unit=unit, limits=(0, None)
        )
        for (title, description, expr, unit), legend in zip(graphs, legends, strict=True)
    ]


def _outbound(metrics: Metrics) -> list[Panel]:
    out, by = 'direction="outbound"', "dst_namespace, dst_service"
    everything = _rate(metrics, "response_total", out, by=by)
    failed = _rate(metrics, "response_total", out, 'classification="failure"', by=by)
    legend = "{{dst_service}}.{{dst_namespace}}"
    (latency,) = _quantiles(metrics, out, by=by, of="95")
    graphs = (
        ("Requests by service", "What it calls.", everything, "reqps"),
        (
            "Failures by service",
            "Share of the requests.",
            _share(failed, everything),
            "percentunit",
        ),
        ("Latency p95 by service", "With retries and the way there.", latency.expr, "ms"),
    )
    return [
        Panel(
            "timeseries",
            title,
            f"{description} Per route, with retries and endpoints: [Service](/d/{UID}-service).",
            [Query(expr, legend)],
            8,
            unit=unit,
            limits=(0, None),
        )
        for title, description, expr, unit in graphs
    ]


def _tcp(metrics: Metrics) -> list[Panel]:
    open_ = metrics("tcp_open_connections", *_IT)
    by = "direction, peer"
    legend = "{{direction}} {{peer}}"
    return [
        Panel(
            "timeseries",
            "Open connections",
            "`inbound src` are those of clients, `outbound dst` those to what it calls.",
            [Query(f"sum by ({by}) ({open_})", legend)],
            8,
            limits=(0, None),
        ),
        Panel(
            "timeseries",
            "Connections opened",
            "Many where few are open: they are not kept.",
            [Query(_rate(metrics, "tcp_open_total", by=by), legend)],
            8,
            unit="cps",
            limits=(0, None),
        ),
        Panel(
            "timeseries",
            "Bytes",
            "Read from and written to the other side.",
            [
                Query(_rate(metrics, "tcp_read_bytes_total", by=by), f"read {legend}"),
                Query(_rate(metrics, "tcp_write_bytes_total", by=by), f"written {legend}"),
            ],
            8,
            unit="Bps",
            limits=(0, None),
        ),
    ]


def _errors(metrics: Metrics) -> list[Panel]:
    graphs = (
        ("Inbound errors", "inbound_http_errors_total", "error", ""),
        ("Outbound errors", "outbound_http_errors_total", "error", ""),
        ("Calls denied", "inbound_http_authz_deny_total", "srv_name", "policy.md"),
        ("Connections that ended badly", "tcp_close_total", "errno", ""),
    )
    where = {"tcp_close_total": ['errno!=""']}
    return [
        Panel(
            "timeseries",
            title,
            f"`{name}` by `{by}`.",
            [Query(_rate(metrics, name, *where.get(name, []), by=by), f"{{{{{by}}}}}")],
            6,
            unit="cps",
            limits=(0, None),
            runbook=runbook,
            empty=HEALTHY,
        )
        for title, name, by, runbook in graphs
    ]
