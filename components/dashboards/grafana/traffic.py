"""Requests between all services: retries, time-outs, breakers and limits, and where the trouble is.

What `python -m bot traffic status` tells of figures, service by service, over time.
"""

from __future__ import annotations

from components.alerts.groups import overview
from components.dashboards.grafana.model import (
    HEALTHY,
    NEUTRAL,
    UID,
    Column,
    Dashboard,
    Metrics,
    Panel,
    Query,
    Row,
    Variable,
    View,
    at_least,
    at_most,
    stat,
)

_CALLED = "parent_namespace, parent_name"
_BACKEND = "backend_namespace, backend_name"
_TOP = 20
_PAGE = "traffic.md#linkerd"


def traffic(view: View) -> Dashboard:
    """The dashboard of retries, time-outs, breakers and rate limits."""
    metrics = Metrics(view)
    seen = metrics(overview.ENDPOINTS)
    return Dashboard(
        "traffic",
        "Linkerd / Traffic",
        "Retries and their success, time-outs, open breakers and limits of every service. Whether "
        "Linkerd takes a route is in its status alone: `python -m bot traffic status`.",
        [
            Row("Now", _now(view, metrics)),
            Row("Services", _services(metrics)),
            Row("Retries and time-outs", _requests(metrics)),
            Row("Breakers and limits", _refused(metrics)),
        ],
        [
            Variable(
                "namespace", "Namespace", f"label_values({seen}, backend_namespace)", multiple=True
            )
        ],
    )


def _called(metrics: Metrics, name: str) -> str:
    return metrics(name, 'parent_namespace=~"$namespace"')


def _reached(metrics: Metrics, name: str, *where: str) -> str:
    return metrics(name, 'backend_namespace=~"$namespace"', *where)


def _recovered(metrics: Metrics, by: str = "") -> str:
    """The share of retries that were good; of those that were made."""
    grouped = f" by ({by}) " if by else ""
    good, every = (
        f"sum{grouped}({_called(metrics, name)})" for name in (overview.RECOVERED, overview.RETRIED)
    )
    return f"{good} / ({every} > 0)"


def _now(view: View, metrics: Metrics) -> list[Panel]:
    limits = view.setting.thresholds

    def within(name: str) -> str:
        return f"300 * (sum({_called(metrics, name)}) or vector(0))"

    without = f"(sum({_reached(metrics, overview.CLIENTS_WITHOUT)}) or vector(0))"
    limited = metrics(overview.RATE_LIMITED, 'namespace=~"$namespace"')
    return [
        stat(
            "Retries",
            "Requests that were sent again.",
            f"sum({_called(metrics, overview.RETRIED)}) or vector(0)",
            "reqps",
            NEUTRAL,
        ),
        stat(
            "Retries that were good",
            "Share of the retries. Few: they are load and no help.",
            _recovered(metrics),
            "percentunit",
            at_least(0.9, 0.5),
            empty=HEALTHY,
        ),
        stat(
            "Failed in spite of retries",
            "Requests within 5 minutes. Orange from the threshold of one service on.",
            within(overview.RETRIES_FAILED),
            "short",
            at_most(limits.retries_failed + 1, "orange"),
            decimals=0,
            runbook=f"{_PAGE}retriesfailing",
        ),
        stat(
            "Timed out",
            "Requests within 5 minutes that a time-out ended. Orange as before.",
            within(overview.REQUESTS_TIMED_OUT),
            "short",
            at_most(limits.timed_out + 1, "orange"),
            decimals=0,
            runbook=f"{_PAGE}requeststimedout",
        ),
        stat(
            "Clients without a pod",
            "Pods to which each pod of a service is out: their requests fail at once.",
            without,
            "short",
            at_most(1),
            decimals=0,
            runbook=f"{_PAGE}noreadyendpoint",
        ),
        stat(
            "Rate limited",
            "Requests within 5 minutes that got 429.",
            f"300 * (sum({limited}) or vector(0))",
            "short",
            at_most(limits.rate_limited + 1, "orange"),
            decimals=0,
            runbook="policy.md#linkerdratelimited",
        ),
    ]


def _services(metrics: Metrics) -> list[Panel]:
    def of(name: str) -> str:
        return f"sum by ({_CALLED}) ({_called(metrics, name)})"

    link = (
        f"/d/{UID}-service?var-service_namespace=${{__data.fields.Namespace}}"
        "&var-service=${__data.fields.Service}"
    )
    return [
        Panel(
            "table",
            "By service",
            "As meshed clients see it; a service without retries and time-outs has no row.",
            [
                Query(of(overview.RETRIED)),
                Query(_recovered(metrics, _CALLED)),
                Query(f"300 * {of(overview.RETRIES_FAILED)}"),
                Query(f"300 * {of(overview.REQUESTS_TIMED_OUT)}"),
            ],
            24,
            10,
            columns=[
                Column("parent_namespace", "Namespace"),
                Column("parent_name", "Service", link=link),
                Column(0, "Retries", "reqps"),
                Column(1, "Good", "percentunit", steps=at_least(0.9, 0.5)),
                Column(2, "Failed in 5 min", "short"),
                Column(3, "Timed out in 5 min", "short"),
            ],
            sort="Retries",
            empty=HEALTHY,
        )
    ]


def _graph(title: str, description: str, expr: str, legend: str, width: int, **more: str) -> Panel:
    return Panel(
        "timeseries",
        title,
        description,
        [Query(f"topk({_TOP}, {expr})", legend)],
        width,
        unit=more.get("unit", "reqps"),
        limits=(0, None),
        runbook=more.get("runbook", ""),
        empty=HEALTHY,
    )


def _requests(metrics: Metrics) -> list[Panel]:
    graphs = (
        ("Retries", "Requests that were sent again.", overview.RETRIED, ""),
        (
            "Failed in spite of retries",
            "The last retry failed, or no pod was ready to take one.",
            overview.RETRIES_FAILED,
            "retriesfailing",
        ),
        (
            "Timed out",
            "Ended by a time-out of the service; none of these is retried.",
            overview.REQUESTS_TIMED_OUT,
            "requeststimedout",
        ),
    )
    return [
        _graph(
            f"{title} by service",
            description,
            f"sum by ({_CALLED}) ({_called(metrics, name)})",
            "{{parent_name}}.{{parent_namespace}}",
            8,
            runbook=f"{_PAGE}{heading}" if heading else "",
        )
        for title, description, name, heading in graphs
    ]


def _refused(metrics: Metrics) -> list[Panel]:
    pending = _reached(metrics, overview.ENDPOINTS, 'endpoint_state="pending"')
    every = _reached(metrics, overview.ENDPOINTS)
    limited = metrics(overview.RATE_LIMITED, 'namespace=~"$namespace"')
    legend = "{{backend_name}}.{{backend_namespace}}"
    return [
        _graph(
            "Pods out",
            "Share of the pods that clients know of: a breaker took them out, or no connection.",
            f"sum by ({_BACKEND}) ({pending}) / (sum by ({_BACKEND}) ({every}) > 0) > 0",
            legend,
            8,
            unit="percentunit",
            runbook=f"{_PAGE}noreadyendpoint",
        ),
        _graph(
            "Clients without a pod",
            "By the service that they cannot reach: each of its pods is out.",
            f"sum by ({_BACKEND}) ({_reached(metrics, overview.CLIENTS_WITHOUT)})",
            legend,
            8,
            unit="short",
            runbook=f"{_PAGE}noreadyendpoint",
        ),
        _graph(
            "Over a limit",
            "Requests that got 429, by the Server that limits them.",
            f"sum by (namespace, srv_name) ({limited})",
            "{{namespace}} {{srv_name}}",
            8,
            runbook="policy.md#linkerdratelimited",
        ),
    ]
