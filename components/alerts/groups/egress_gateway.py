"""Rules about the egress gateway: whether it serves, and how it fares with each partner.

Metrics: kube-state-metrics, and Envoy's own, https://www.envoyproxy.io/docs/envoy/latest/
configuration/upstream/cluster_manager/cluster_stats, with those of TLS and of the certificates.
"""

from __future__ import annotations

from components.alerts.groups.ingress import of_gateway
from components.alerts.groups.model import Alert, Group, Setting
from components.names import LINKERD_EGRESS_GATEWAY

_PAGE = "egress-gateway"
_OURS = f'namespace="{LINKERD_EGRESS_GATEWAY}"'
# Clusters of routes; the others are those of limits and keys.
ROUTES = 'envoy_cluster_name=~"httproute/.+"'
# A handshake that either side ends, and a certificate that is not the partner's.
HANDSHAKES = tuple(
    f"envoy_cluster_ssl_{each}"
    for each in ("connection_error", "fail_verify_error", "fail_verify_san")
)
_DAY = 86400
_CERTIFICATE_DAYS = 7
_FAILED = 0.05


def egress_gateway(setting: Setting) -> Group:
    """None where no gateway runs."""
    rules = _rules() if setting.egress_gateway else []
    return Group("linkerd-platform-egress-gateway", rules)


def by_partner(series: str) -> str:
    """The series with the partner as a label, which the name of its cluster has."""
    route = "httproute/[^/]+/([^/]+)/.+"
    return f'label_replace({series}, "partner", "$1", "envoy_cluster_name", "{route}")'


def _answers(*matchers: str) -> str:
    inside = ",".join((_OURS, ROUTES, *matchers))
    rate = f"rate(envoy_cluster_upstream_rq_xx{{{inside}}}[5m])"
    return f"sum by (namespace, partner) ({by_partner(rate)})"


def _rules() -> list[Alert]:
    away = by_partner(f"envoy_cluster_membership_healthy{{{_OURS},{ROUTES}}} == 0")
    failed = _answers('envoy_response_code_class="5"')
    handshakes = " or ".join(
        # Without a label of their own, `or` would drop the second of a cluster.
        f'label_replace(increase({name}{{{_OURS},{ROUTES}}}[10m]), "counter", "{i}", "", "")'
        for i, name in enumerate(HANDSHAKES)
    )
    ends = (
        "min by (namespace, envoy_tls_certificate) "
        f"(envoy_cluster_ssl_certificate_expiration_unix_time_seconds{{{_OURS},"
        'envoy_tls_certificate=~".+-client"}) - time()'
    )
    return [
        *of_gateway(
            LINKERD_EGRESS_GATEWAY,
            "LinkerdEgressGateway",
            "egress gateway",
            _PAGE,
            "No partner of `egress.gateway` is reached.",
        ),
        Alert(
            "LinkerdEgressGatewayCircuitOpen",
            f"count by (namespace, partner) (count by (namespace, pod, partner) ({away}))",
            "warning",
            "{{ $value }} pods of the egress gateway send nothing to {{ $labels.partner }}",
            "Its answers were 5xx in a row (`breaker.failures`), or its name leads to no address; "
            "callers get 503 at once.",
            _PAGE,
            for_=60,
        ),
        Alert(
            "LinkerdPartnerFails",
            f"{failed} / {_answers()} > {_FAILED}",
            "warning",
            "{{ $value | humanizePercentage }} of the requests to {{ $labels.partner }} fail",
            "With 5xx, which the partner answers, or the gateway where it does not.",
            _PAGE,
            for_=300,
        ),
        Alert(
            "LinkerdPartnerHandshakeFails",
            f"sum by (namespace, partner) ({by_partner(f'({handshakes})')}) > 0",
            "warning",
            "{{ $value | humanize }} handshakes with {{ $labels.partner }} failed",
            "In 10 minutes. Its certificate is not signed by `ca`, or not for its host; or it does "
            "not take the gateway's.",
            _PAGE,
            for_=300,
        ),
        Alert(
            "LinkerdPartnerCertificateEnds",
            f"{ends} < {_CERTIFICATE_DAYS * _DAY}",
            "warning",
            "The certificate {{ $labels.envoy_tls_certificate }} ends in "
            "{{ $value | humanizeDuration }}",
            "Its partner refuses the gateway from then on. Nobody but you renews it.",
            _PAGE,
            for_=300,
        ),
    ]
