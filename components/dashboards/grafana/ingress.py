"""What comes in by the ingress gateway: answers by route, refusals, circuits, limits, keys."""

from __future__ import annotations

from dataclasses import dataclass

from components.dashboards.grafana.model import (
    HEALTHY,
    NEUTRAL,
    Dashboard,
    Metrics,
    Panel,
    Query,
    Row,
    View,
    at_most,
    stat,
)
from components.names import LINKERD_INGRESS


@dataclass(frozen=True)
class Proxies:
    """The proxies of a Gateway. behind: what it leads to.

    runbooks: the page of its alerts, and how the names of all of them begin.
    """

    namespace: str
    runbooks: str
    behind: str

    @property
    def ours(self) -> str:
        """The matcher of its series."""
        return f'namespace="{self.namespace}"'


_GATEWAY = Proxies(
    LINKERD_INGRESS,
    "ingress.md#linkerdingress",
    "Services",
)
# The route's own clusters; the others are those of limits and keys.
_ROUTES = 'envoy_cluster_name=~"httproute/.*"'
_BY = "envoy_cluster_name"


def ingress(view: View) -> Dashboard:
    """The dashboard of the ingress gateway."""
    metrics = Metrics(view)
    ejected = metrics("envoy_cluster_outlier_detection_ejections_active", _GATEWAY.ours)
    return Dashboard(
        "ingress",
        "Linkerd / Ingress",
        "Requests from outside: what they are answered, and what the gateway refuses.",
        [
            Row("Now", now(metrics, _GATEWAY, f"{ejected} > 0")),
            Row("Routes", _routes(metrics)),
            Row("Gateway", own(metrics, _GATEWAY)),
        ],
    )


def rate(metrics: Metrics, gateway: Proxies, name: str, *matchers: str) -> str:
    """The rate of a counter of a gateway."""
    return f"rate({metrics(name, gateway.ours, *matchers)}[$__rate_interval])"


def now(metrics: Metrics, gateway: Proxies, open_: str) -> list[Panel]:
    """Each a number. open_: the circuits that are."""
    pods = metrics("kube_deployment_status_replicas_available", gateway.ours)
    keys = metrics("envoy_http_jwt_authn_jwks_fetch_failed", gateway.ours)
    missed = metrics("envoy_cluster_ratelimit_error", gateway.ours)
    answered = rate(metrics, gateway, "envoy_http_downstream_rq_xx")
    failed = rate(metrics, gateway, "envoy_http_downstream_rq_xx", 'envoy_response_code_class="5"')
    return [
        stat("Requests", "Per second, of all clients.", f"sum({answered})", "reqps", NEUTRAL),
        stat(
            "Failed",
            "The share of all answers that are 5xx.",
            f"(sum({failed}) or vector(0)) / sum({answered})",
            "percentunit",
            at_most(0.01),
            limits=(0, 1),
        ),
        stat(
            "Pods",
            "Of the gateway, that are available.",
            f"sum({pods})",
            "short",
            NEUTRAL,
            runbook=f"{gateway.runbooks}down",
        ),
        stat(
            "Open circuits",
            f"{gateway.behind} to which a pod of the gateway sends nothing.",
            f"count({open_}) or vector(0)",
            "short",
            at_most(1),
            runbook=f"{gateway.runbooks}circuitopen",
        ),
        stat(
            "Keys not fetched",
            "Failed questions to the identity provider in 10 minutes.",
            f"sum(increase({keys}[10m])) or vector(0)",
            "short",
            at_most(1),
            decimals=0,
            runbook=f"{gateway.runbooks}keysmissing",
        ),
        stat(
            "Not counted",
            "Requests in 10 minutes whose global limit nobody counted.",
            f"sum(increase({missed}[10m])) or vector(0)",
            "short",
            at_most(1),
            decimals=0,
            runbook=f"{gateway.runbooks}uncounted",
        ),
    ]


def _routes(metrics: Metrics) -> list[Panel]:
    """By route, as the services behind them answer."""
    answered = rate(metrics, _GATEWAY, "envoy_cluster_upstream_rq_xx", _ROUTES)
    failed = rate(
        metrics, _GATEWAY, "envoy_cluster_upstream_rq_xx", _ROUTES, 'envoy_response_code_class="5"'
    )
    slow = rate(metrics, _GATEWAY, "envoy_cluster_upstream_rq_time_bucket", _ROUTES)
    return [
        Panel(
            "timeseries",
            "Requests",
            "Per second, that a service behind the gateway answered.",
            [Query(f"sum by ({_BY}) ({answered})", f"{{{{{_BY}}}}}")],
            8,
            unit="reqps",
            limits=(0, None),
        ),
        Panel(
            "timeseries",
            "Failed",
            "The share of answers of 5xx.",
            [Query(f"sum by ({_BY}) ({failed}) / sum by ({_BY}) ({answered})", f"{{{{{_BY}}}}}")],
            8,
            unit="percentunit",
            limits=(0, 1),
            empty=HEALTHY,
        ),
        Panel(
            "timeseries",
            "Latency, p99",
            "From the gateway to the answer, the mesh included.",
            [
                Query(
                    f"histogram_quantile(0.99, sum by ({_BY}, le) ({slow}))",
                    f"{{{{{_BY}}}}}",
                )
            ],
            8,
            unit="ms",
            limits=(0, None),
        ),
    ]


def own(metrics: Metrics, gateway: Proxies) -> list[Panel]:
    """What the gateway answers by itself, and to whom."""
    classes = rate(metrics, gateway, "envoy_http_downstream_rq_xx")
    refused = [
        (rate(metrics, gateway, "envoy_http_jwt_authn_denied"), "no good token (401)"),
        (rate(metrics, gateway, "envoy_http_rbac_denied"), "scopes and claims (403)"),
        (
            rate(metrics, gateway, "envoy_http_local_rate_limit_rate_limited"),
            "limits of a pod (429)",
        ),
        (rate(metrics, gateway, "envoy_cluster_ratelimit_over_limit"), "global limits (429)"),
    ]
    return [
        Panel(
            "timeseries",
            "Answers by class",
            "Of all requests, those that no service saw included.",
            [
                Query(
                    f"sum by (envoy_response_code_class) ({classes})",
                    "{{envoy_response_code_class}}xx",
                )
            ],
            12,
            unit="reqps",
            stacked=True,
            limits=(0, None),
        ),
        Panel(
            "timeseries",
            "Refused",
            "By the gateway, before a service was asked.",
            [Query(f"sum({each})", legend) for each, legend in refused],
            12,
            unit="reqps",
            limits=(0, None),
            empty=HEALTHY,
        ),
    ]
