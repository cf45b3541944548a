"""One service, as its clients see it: routes, retries, circuit breakers, endpoints.

Metrics: linkerd2-proxy linkerd/app/outbound/src/http/logical/policy/route/metrics.rs,
linkerd/http/retry/src/lib.rs, linkerd/proxy/balance. There is no gauge of a circuit breaker's
state: an endpoint that it took out is `pending`, and a queue that has none left shuts its gate.
"""

from __future__ import annotations

from components.dashboards.grafana.mesh import objective_steps
from components.dashboards.grafana.model import (
    HEALTHY,
    NEUTRAL,
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

_PARENT = ('parent_namespace="$service_namespace"', 'parent_name="$service"')
_BACKEND = ('backend_namespace="$service_namespace"', 'backend_name="$service"')
_RATE = "$__rate_interval"
_HTTP, _GRPC = "outbound_http_route", "outbound_grpc_route"
_GRPC_FAILURES = "UNKNOWN|DEADLINE_EXCEEDED|PERMISSION_DENIED|INTERNAL|UNAVAILABLE|DATA_LOSS"
# What the proxy counts as no failure, by status; it has none where a request ended in an error.
_GOOD = {
    _HTTP: 'http_status=~"[1-4]..",error=""',
    _GRPC: f'grpc_status!~"{_GRPC_FAILURES}",error=""',
}
_ROUTE = "route_name"
_TOP = 10


def service(view: View) -> Dashboard:
    """The dashboard of one service."""
    metrics = Metrics(view)
    seen = metrics("outbound_http_balancer_endpoints")
    own = metrics("outbound_http_balancer_endpoints", 'backend_namespace="$service_namespace"')
    return Dashboard(
        "service",
        "Linkerd / Service",
        "How one service answers its meshed clients, with retries, timeouts and endpoints.",
        [
            DashboardRow("Now", _now(view, metrics)),
            DashboardRow("Routes", _routes(metrics)),
            DashboardRow("Retries", _retries(metrics)),
            DashboardRow("Endpoints and circuit breakers", _endpoints(metrics)),
            DashboardRow("Backends and clients", _sides(metrics)),
        ],
        [
            Variable("service_namespace", "Namespace", f"label_values({seen}, backend_namespace)"),
            Variable("service", "Service", f"label_values({own}, backend_name)"),
        ],
    )


def _sum(series: str, by: str = "") -> str:
    grouped = f" by ({by}) " if by else ""
    return f"sum{grouped}(rate({series}[{_RATE}]))"


def _requests(metrics: Metrics, kind: str, by: str = "", *where: str) -> str:
    return _sum(metrics(f"{kind}_request_statuses_total", *_PARENT, *where), by)


def _failures(metrics: Metrics, kind: str, by: str = "") -> str:
    """The share of requests that failed; 1 where none succeeded."""
    good = _requests(metrics, kind, by, _GOOD[kind])
    every = _requests(metrics, kind, by)
    return f"1 - ({good} or 0 * {every}) / ({every} > 0)"


def _latency(metrics: Metrics, kind: str, quantile: str, by: str = "") -> str:
    name = f"{kind}_request_duration_seconds_bucket"
    labels = ", ".join(each for each in (by, "le") if each)
    return f"histogram_quantile({quantile}, {_sum(metrics(name, *_PARENT), labels)})"


def _now(view: View, metrics: Metrics) -> list[Panel]:
    every = " + ".join(f"({_requests(metrics, kind)} or vector(0))" for kind in (_HTTP, _GRPC))
    good = " + ".join(
        f"({_requests(metrics, kind, '', _GOOD[kind])} or vector(0))" for kind in (_HTTP, _GRPC)
    )
    retried = _sum(metrics(f"{_HTTP}_retry_requests_total", *_PARENT))
    ready = metrics("outbound_http_balancer_endpoints", 'endpoint_state="ready"', *_BACKEND)
    shut = metrics("outbound_http_balancer_queue_gate_shut_total", *_BACKEND)
    return [
        stat(
            "Success rate",
            "Of the requests of meshed clients, after retries.",
            f"({good}) / (({every}) > 0)",
            "percentunit",
            objective_steps(view),
        ),
        stat("Requests", "Of meshed clients, HTTP and gRPC.", every, "reqps", NEUTRAL),
        stat(
            "Latency p95",
            "Of HTTP requests, until the response is complete, with retries. The histogram is "
            "coarse: 50 ms, 500 ms, 1 s, 10 s.",
            _latency(metrics, _HTTP, "0.95"),
            "s",
            at_most(view.setting.objectives.default.latency / 1000),
        ),
        stat(
            "Retries",
            "Of HTTP requests.",
            f"{retried} or vector(0)",
            "reqps",
            NEUTRAL,
        ),
        stat(
            "Least ready endpoints",
            "Of all clients, the one that can reach fewest. 0 fails every request of it.",
            f"min(sum by (namespace, pod) ({ready}))",
            "short",
            at_least(1),
            runbook="traffic.md#linkerdnoreadyendpoint",
            empty="No clients",
        ),
        stat(
            "Gates shut",
            "Times within 5 minutes that a client had no endpoint left, and began to fail at once.",
            f"sum(increase({shut}[5m]))",
            "short",
            Steps("green", [(1, "red")]),
            decimals=0,
            runbook="traffic.md#linkerdnoreadyendpoint",
            empty="No clients",
        ),
    ]


def _both(metrics: Metrics, title: str, description: str, unit: str, what: str) -> Panel:
    """A graph by route, of HTTP and of gRPC."""
    queries = []
    for kind, protocol in ((_HTTP, "HTTP"), (_GRPC, "gRPC")):
        expr = {
            "requests": _requests(metrics, kind, _ROUTE),
            "failures": _failures(metrics, kind, _ROUTE),
            "latency": _latency(metrics, kind, "0.95", _ROUTE),
        }[what]
        queries.append(Query(expr, f"{{{{{_ROUTE}}}}} {protocol}"))
    return Panel("timeseries", title, description, queries, 8, unit=unit, limits=(0, None))


def _routes(metrics: Metrics) -> list[Panel]:
    return [
        _both(
            metrics,
            "Requests by route",
            "Routes attached to the service; `default` or `http` without one.",
            "reqps",
            "requests",
        ),
        _both(
            metrics,
            "Failures by route",
            "Share of the requests, after retries.",
            "percentunit",
            "failures",
        ),
        _both(
            metrics,
            "Latency p95 by route",
            "Until the response is complete, with retries.",
            "s",
            "latency",
        ),
    ]


def _retries(metrics: Metrics) -> list[Panel]:
    """Of HTTP requests; routes of gRPC have counters of their own."""
    graphs = {
        "Retries by route": ("Requests that were sent again.", {"requests": ""}),
        "Retries that succeeded": (
            "Retried requests that were answered well.",
            {"successes": ""},
        ),
        "Not sent again": (
            "Over the limit of retries, or no endpoint would take them.",
            {"limit_exceeded": "limit ", "overflow": "circuit breaker "},
        ),
    }
    return [
        Panel(
            "timeseries",
            title,
            description,
            [
                Query(
                    _sum(metrics(f"{_HTTP}_retry_{name}_total", *_PARENT), _ROUTE),
                    f"{words}{{{{{_ROUTE}}}}}",
                )
                for name, words in counters.items()
            ],
            8,
            unit="reqps",
            limits=(0, None),
            empty=HEALTHY,
        )
        for title, (description, counters) in graphs.items()
    ]


def _endpoints(metrics: Metrics) -> list[Panel]:
    endpoints = metrics("outbound_http_balancer_endpoints", *_BACKEND)
    shut, opened = (
        metrics(f"outbound_http_balancer_queue_gate_{each}_total", *_BACKEND)
        for each in ("shut", "open")
    )
    gates = [
        Query(
            f"sum by (namespace) (increase({series}[5m]))", f"{what}, clients in {{{{namespace}}}}"
        )
        for series, what in ((shut, "shut"), (opened, "open"))
    ]
    errors = metrics(f"{_HTTP}_request_statuses_total", *_PARENT, 'error!=""')
    return [
        Panel(
            "timeseries",
            "Endpoints by state",
            "Mean of its clients. `pending` are taken out by a circuit breaker, or do not accept "
            "a connection.",
            [
                Query(
                    "avg by (endpoint_state) (sum by (namespace, pod, endpoint_state) "
                    f"({endpoints}))",
                    "{{endpoint_state}}",
                )
            ],
            8,
            stacked=True,
            limits=(0, None),
            runbook="traffic.md#linkerdnoreadyendpoint",
            empty="No clients",
        ),
        Panel(
            "timeseries",
            "Gates within 5 minutes",
            "Shut: no endpoint was left. Open: one is back.",
            gates,
            8,
            limits=(0, None),
            runbook="traffic.md#linkerdnoreadyendpoint",
            empty="No clients",
        ),
        Panel(
            "timeseries",
            "Errors of the proxies",
            "Requests that ended without a response: timeouts, fail-fast, resets.",
            [Query(_sum(errors, "error"), "{{error}}")],
            8,
            unit="reqps",
            limits=(0, None),
            empty=HEALTHY,
        ),
    ]


def _sides(metrics: Metrics) -> list[Panel]:
    by = "backend_namespace, backend_name"
    backends = _sum(metrics(f"{_HTTP}_backend_requests_total", *_PARENT), by)
    clients = _requests(metrics, _HTTP, "namespace, deployment, statefulset, daemonset")
    return [
        Panel(
            "timeseries",
            "Requests by backend",
            "Where its routes split traffic, or send it elsewhere.",
            [Query(backends, "{{backend_name}}.{{backend_namespace}}")],
            12,
            unit="reqps",
            stacked=True,
            limits=(0, None),
        ),
        Panel(
            "timeseries",
            "Requests by client",
            f"The {_TOP} workloads that ask most.",
            [
                Query(
                    f"topk({_TOP}, {clients})",
                    "{{deployment}}{{statefulset}}{{daemonset}}.{{namespace}}",
                )
            ],
            12,
            unit="reqps",
            limits=(0, None),
        ),
    ]
