"""What goes out by the egress gateway: answers by partner, circuits, TLS, refusals, who calls."""

from __future__ import annotations

from components.alerts.groups.egress_gateway import HANDSHAKES, ROUTES, by_partner
from components.dashboards.grafana.ingress import Proxies, now, own, rate
from components.dashboards.grafana.model import (
    HEALTHY,
    Dashboard,
    Metrics,
    Panel,
    Query,
    Row,
    View,
)
from components.names import LINKERD_EGRESS_GATEWAY

_GATEWAY = Proxies(LINKERD_EGRESS_GATEWAY, "egress-gateway.md#linkerdegressgateway", "Partners")
_PARTNER = "{{partner}}"
_LEFT = "envoy_cluster_ssl_certificate_expiration_unix_time_seconds"


def egress_gateway(view: View) -> Dashboard:
    """The dashboard of the egress gateway."""
    metrics = Metrics(view)
    healthy = metrics("envoy_cluster_membership_healthy", _GATEWAY.ours, ROUTES)
    away = f"count by (partner) ({by_partner(f'{healthy} == 0')})"
    return Dashboard(
        "egress-gateway",
        "Linkerd / Egress gateway",
        "Requests to partners outside: what they are answered, and what the gateway refuses.",
        [
            Row("Now", now(metrics, _GATEWAY, away)),
            Row("Partners", _partners(metrics)),
            Row("Ways there", _ways(metrics)),
            Row("Gateway", own(metrics, _GATEWAY)),
        ],
    )


def _partners(metrics: Metrics) -> list[Panel]:
    """By partner, whoever called."""

    def of(*matchers: str) -> str:
        return by_partner(
            rate(metrics, _GATEWAY, "envoy_cluster_upstream_rq_xx", ROUTES, *matchers)
        )

    slow = by_partner(rate(metrics, _GATEWAY, "envoy_cluster_upstream_rq_time_bucket", ROUTES))
    failed = of('envoy_response_code_class="5"')
    return [
        Panel(
            "timeseries",
            "Requests",
            "Per second, by what the partner answered, or the gateway where it did not.",
            [
                Query(
                    f"sum by (partner, envoy_response_code_class) ({of()})",
                    f"{_PARTNER} {{{{envoy_response_code_class}}}}xx",
                )
            ],
            8,
            unit="reqps",
            limits=(0, None),
        ),
        Panel(
            "timeseries",
            "Failed",
            "The share of answers of 5xx.",
            [Query(f"sum by (partner) ({failed}) / sum by (partner) ({of()})", _PARTNER)],
            8,
            unit="percentunit",
            limits=(0, 1),
            empty=HEALTHY,
            runbook="egress-gateway.md#linkerdpartnerfails",
        ),
        Panel(
            "timeseries",
            "Latency, p99",
            "From the gateway to the answer.",
            [Query(f"histogram_quantile(0.99, sum by (partner, le) ({slow}))", _PARTNER)],
            8,
            unit="ms",
            limits=(0, None),
        ),
    ]


def _ways(metrics: Metrics) -> list[Panel]:
    """Who calls, and whether TLS holds."""
    calls = metrics(
        "outbound_http_route_request_statuses_total",
        'parent_kind="EgressNetwork"',
        'route_name=~"partner-.+"',
    )
    handshakes = [
        (by_partner(rate(metrics, _GATEWAY, name, ROUTES)), name.removeprefix("envoy_cluster_ssl_"))
        for name in HANDSHAKES
    ]
    left = metrics(_LEFT, _GATEWAY.ours, 'envoy_tls_certificate=~".+-client"')
    return [
        Panel(
            "timeseries",
            "Requests by namespace",
            "Per second, as proxies of callers count them. The access log tells the accounts.",
            [
                Query(
                    f"sum by (namespace, route_name) (rate({calls}[$__rate_interval]))",
                    "{{namespace}} to {{route_name}}",
                )
            ],
            8,
            unit="reqps",
            limits=(0, None),
        ),
        Panel(
            "timeseries",
            "Failed handshakes",
            "Per second, of TLS with a partner, by the reason.",
            [
                Query(f"sum by (partner) ({each})", f"{_PARTNER} {reason}")
                for each, reason in handshakes
            ],
            8,
            unit="short",
            limits=(0, None),
            empty=HEALTHY,
            runbook="egress-gateway.md#linkerdpartnerhandshakefails",
        ),
        Panel(
            "timeseries",
            "Client certificates",
            "Time until each ends that a partner is shown.",
            [
                Query(
                    f"min by (envoy_tls_certificate) ({left}) - time()",
                    "{{envoy_tls_certificate}}",
                )
            ],
            8,
            unit="s",
            runbook="egress-gateway.md#linkerdpartnercertificateends",
        ),
    ]
