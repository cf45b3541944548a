"""Rules about where requests cannot go: circuit breakers, gateways of other clusters.

Metrics: linkerd2-proxy linkerd/proxy/balance/gauge-endpoints, linkerd2
multicluster/service-mirror/metrics.go.
"""

from __future__ import annotations

from components.alerts.groups.model import Alert, Group, Setting

_BACKEND = "namespace, pod, backend_namespace, backend_name, backend_port"


def _endpoints(state: str) -> str:
    series = f'outbound_http_balancer_endpoints{{endpoint_state="{state}"}}'
    return f"sum by ({_BACKEND}) ({series})"


def traffic(setting: Setting) -> Group:
    """Backends without an endpoint, and gateways that do not answer."""
    limits = setting.thresholds
    return Group(
        "linkerd-platform-traffic",
        [
            Alert(
                "LinkerdNoReadyEndpoint",
                "count by (namespace, backend_namespace, backend_name, backend_port) "
                f"({_endpoints('ready')} == 0 and {_endpoints('pending')} > 0)",
                "critical",
                "{{ $value }} pods in {{ $labels.namespace }} have no ready endpoint of "
                "{{ $labels.backend_name }}.{{ $labels.backend_namespace }}",
                "A circuit breaker took each endpoint out, or none accepts a connection; every "
                "request fails at once.",
                "traffic",
                for_=limits.no_ready_endpoint,
            ),
            Alert(
                "LinkerdGatewayDown",
                # A link without a gateway has the series too, and no probe ever sets it.
                "max by (target_cluster_name) (gateway_alive) == 0 "
                "and max by (target_cluster_name) (gateway_enabled) == 1",
                "critical",
                "The gateway of {{ $labels.target_cluster_name }} does not answer its probe",
                "Mirrored services of that cluster have no endpoint here.",
                "traffic",
                for_=limits.gateway_down,
                namespace="linkerd-multicluster",
            ),
        ],
    )
