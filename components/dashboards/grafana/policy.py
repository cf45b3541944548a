"""Who is denied, or would be: by Server, by client, and where no policy of its own decides."""

from __future__ import annotations

from components.alerts.groups import overview
from components.dashboards.grafana.model import (
    HEALTHY,
    NEUTRAL,
    Column,
    Dashboard,
    Metrics,
    Panel,
    Query,
    Row,
    Variable,
    View,
    at_most,
    stat,
)

_NS = 'namespace=~"$namespace"'
_AUDIT = 'authz_name="audit"'
_DEFAULT = 'srv_kind="default"'
_SERVER = "namespace, srv_kind, srv_name"
_TOP = 20


def policy(view: View) -> Dashboard:
    """The dashboard of authorization policy and rate limits."""
    metrics = Metrics(view)
    allowed = metrics(overview.ALLOWED)
    return Dashboard(
        "policy",
        "Linkerd / Policy",
        "Denials, audit hits and rate limits, and what is decided by a default policy alone.",
        [
            Row("Now", _now(view, metrics)),
            Row("Denied", _denied(metrics)),
            Row("Would be denied", _audited(metrics)),
            Row("Rate limits", _limited(metrics)),
            Row("What decides", _decided(metrics)),
        ],
        [Variable("namespace", "Namespace", f"label_values({allowed}, namespace)", multiple=True)],
    )


def _now(view: View, metrics: Metrics) -> list[Panel]:
    limits = view.setting.thresholds
    allowed = f"sum({metrics(overview.ALLOWED, _NS)})"
    denied = f"(sum({metrics(overview.DENIED, _NS)}) or vector(0))"
    audited = f"(sum({metrics(overview.ALLOWED, _NS, _AUDIT)}) or vector(0))"
    default = f"(sum({metrics(overview.ALLOWED, _NS, _DEFAULT)}) or vector(0))"
    limited = f"(sum({metrics(overview.RATE_LIMITED, _NS)}) or vector(0))"
    return [
        stat(
            "Denied",
            "Calls and connections within 5 minutes. Red from the threshold of one port on.",
            f"300 * {denied}",
            "short",
            at_most(limits.denials + 1),
            decimals=0,
            runbook="policy.md#linkerdauthorizationdenied",
        ),
        stat(
            "Would be denied",
            "Calls within one hour that are let through because the policy is `audit`.",
            "3600 * (avg_over_time((sum("
            f"{metrics(overview.ALLOWED, _NS, _AUDIT)}))[1h:1m]) or vector(0))",
            "short",
            at_most(limits.audit_hits + 1, "orange"),
            decimals=0,
            runbook="policy.md#linkerdaudithits",
        ),
        stat(
            "Rate limited",
            "Requests within 5 minutes.",
            f"300 * {limited}",
            "short",
            at_most(limits.rate_limited + 1, "orange"),
            decimals=0,
            runbook="policy.md#linkerdratelimited",
        ),
        stat("Allowed", "Calls and connections.", allowed, "reqps", NEUTRAL),
        stat(
            "On a default policy",
            "Share of what is allowed by a namespace's or the cluster's default, with no Server.",
            f"{default} / ({allowed} > 0)",
            "percentunit",
            NEUTRAL,
        ),
        stat(
            "In audit",
            "Share of what is allowed because the policy is `audit`.",
            f"{audited} / ({allowed} > 0)",
            "percentunit",
            NEUTRAL,
        ),
    ]


def _graph(
    title: str, description: str, expr: str, legend: str, runbook: str, unit: str = "reqps"
) -> Panel:
    return Panel(
        "timeseries",
        title,
        description,
        [Query(expr, legend)],
        12,
        unit=unit,
        limits=(0, None),
        runbook=runbook,
        empty=HEALTHY,
    )


def _denied(metrics: Metrics) -> list[Panel]:
    page = "policy.md#linkerdauthorizationdenied"
    by = f"{_SERVER}, srv_port"
    counters = ("inbound_http_authz_deny_total", "inbound_tcp_authz_deny_total")
    clients = " or ".join(
        # Without a label of their own, `or` would drop what another one has too.
        f"label_replace(sum by ({by}, client_id) (increase({metrics(name, _NS)}[1h])), "
        f'"protocol", "{name.split("_")[1]}", "", "") > 0'
        for name in counters
    )
    return [
        _graph(
            "By port of a Server",
            "Calls and connections that are denied.",
            f"sum by ({by}) ({metrics(overview.DENIED, _NS)})",
            "{{namespace}} {{srv_kind}} {{srv_name}}:{{srv_port}}",
            page,
        ),
        Panel(
            "table",
            "Who was denied within one hour",
            f"The {_TOP} with most; a client without an identity is not meshed, or not over mTLS.",
            [Query(f"topk({_TOP}, {clients})")],
            12,
            columns=[
                Column("namespace", "Namespace"),
                Column("srv_name", "Server"),
                Column("srv_port", "Port"),
                Column("client_id", "Client"),
                Column("protocol", "Protocol"),
                Column("srv_kind", "Kind"),
                Column(0, "Denied"),
            ],
            sort="Denied",
            runbook=page,
            empty=HEALTHY,
        ),
    ]


def _audited(metrics: Metrics) -> list[Panel]:
    page = "policy.md#linkerdaudithits"
    clients = metrics("inbound_http_authz_allow_total", _NS, _AUDIT)
    return [
        _graph(
            "By Server",
            "Let through because the policy is `audit`; the default policy `deny` would deny it.",
            f"sum by ({_SERVER}) ({metrics(overview.ALLOWED, _NS, _AUDIT)})",
            "{{namespace}} {{srv_kind}} {{srv_name}}",
            page,
        ),
        Panel(
            "table",
            "Who would have been denied within one hour",
            "Requests; `python -m bot policy suggest` writes the rules for them.",
            [Query(f"topk({_TOP}, sum by ({_SERVER}, client_id) (increase({clients}[1h])) > 0)")],
            12,
            columns=[
                Column("namespace", "Namespace"),
                Column("srv_name", "Server"),
                Column("client_id", "Client"),
                Column("srv_kind", "Kind"),
                Column(0, "Requests"),
            ],
            sort="Requests",
            runbook=page,
            empty=HEALTHY,
        ),
    ]


def _limited(metrics: Metrics) -> list[Panel]:
    page = "policy.md#linkerdratelimited"
    raw = metrics("inbound_http_local_ratelimit_total", _NS)
    return [
        _graph(
            "By rate limit",
            "Requests that are refused with 429.",
            f"sum by (namespace, ratelimit_name, srv_name) ({metrics(overview.RATE_LIMITED, _NS)})",
            "{{namespace}} {{ratelimit_name}} on {{srv_name}}",
            page,
        ),
        _graph(
            "By scope",
            "`total` is over the limit of all clients together, `identity` over that of each.",
            f"sum by (ratelimit_scope) (rate({raw}[$__rate_interval]))",
            "{{ratelimit_scope}}",
            page,
        ),
    ]


def _decided(metrics: Metrics) -> list[Panel]:
    not_found = metrics("inbound_http_route_not_found_total", _NS)
    return [
        Panel(
            "table",
            "What allows",
            "By Server and authorization, with the default policy where there is none. Kind "
            "`default`: no Server selects the port.",
            [
                Query(
                    f"sum by ({_SERVER}, authz_kind, authz_name) ({metrics(overview.ALLOWED, _NS)})"
                )
            ],
            16,
            10,
            columns=[
                Column("namespace", "Namespace"),
                Column("srv_kind", "Kind"),
                Column("srv_name", "Server or default"),
                Column("authz_kind", "By a"),
                Column("authz_name", "Authorization"),
                Column(0, "Allowed", "reqps"),
            ],
            sort="Allowed",
        ),
        Panel(
            "timeseries",
            "No route found",
            "Requests to a Server whose routes match none of them: answered with 404.",
            [
                Query(
                    f"sum by (namespace, srv_name) (rate({not_found}[$__rate_interval]))",
                    "{{namespace}} {{srv_name}}",
                )
            ],
            8,
            10,
            unit="reqps",
            limits=(0, None),
            empty=HEALTHY,
        ),
    ]
