"""Rules about where requests cannot go: circuit breakers, retries, gateways of other clusters.

Metrics: linkerd2-proxy linkerd/proxy/balance/gauge-endpoints, linkerd/http/retry/src/lib.rs,
linkerd/app/outbound/src/http/logical/policy/route/metrics/labels.rs, linkerd2
multicluster/service-mirror/metrics.go. That a route is refused is in its status, and in no metric.
"""

from __future__ import annotations

from components.alerts.groups.model import Alert, Group, Setting, grown_in_proxies

_BACKEND = "namespace, pod, backend_namespace, backend_name, backend_port"


def _endpoints(state: str) -> str:
    series = f'outbound_http_balancer_endpoints{{endpoint_state="{state}"}}'
    return f"sum by ({_BACKEND}) ({series})"


# Requests that a time-out of ours ended, of HTTP or gRPC. Not by status: a server, and a proxy that
# has no ready pod, answer 504 as well.
TIMED_OUT = 'outbound_{}_route_request_statuses_total{{error=~".+_TIMEOUT"}}'
# Clients to whom each endpoint of a backend is taken out, or does not answer: one series for each.
NO_READY = f"{_endpoints('ready')} == 0 and {_endpoints('pending')} > 0"
_WINDOW = 300
_SERVICE = "namespace, parent_namespace, parent_name"
_CALLED = "{{ $labels.parent_name }}.{{ $labels.parent_namespace }}"


def _grown(*counters: str) -> str:
    """By how much counters of routes grew together, of HTTP and of gRPC, of which any may lack."""
    every = [name.format(kind) for name in counters for kind in ("http", "grpc")]
    parts = (
        # Without a label of their own, `or` would drop the second of a service.
        f'label_replace(sum by ({_SERVICE}) ({grown_in_proxies(each, _WINDOW)}), "counter", '
        f'"{i}", "", "")'
        for i, each in enumerate(every)
    )
    return f"sum by ({_SERVICE}) ({' or '.join(parts)})"


def traffic(setting: Setting) -> Group:
    """Backends without an endpoint, and gateways that do not answer."""
    limits = setting.thresholds
    return Group(
        "linkerd-platform-traffic",
        [
            Alert(
                "LinkerdNoReadyEndpoint",
                f"count by (namespace, backend_namespace, backend_name, backend_port) ({NO_READY})",
                "critical",
                "{{ $value }} pods in {{ $labels.namespace }} have no ready endpoint of "
                "{{ $labels.backend_name }}.{{ $labels.backend_namespace }}",
                "A circuit breaker took each endpoint out, or none accepts a connection; every "
                "request fails at once.",
                "traffic",
                for_=limits.no_ready_endpoint,
            ),
            Alert(
                "LinkerdRequestsTimedOut",
                f"{_grown(TIMED_OUT)} > {limits.timed_out}",
                "warning",
                "{{ $value | humanize }} requests of {{ $labels.namespace }} to " + _CALLED + " "
                "timed out",
                "In 5 minutes. Their clients got 504 at a time-out of the service; none of these "
                "is retried.",
                "traffic",
            ),
            Alert(
                "LinkerdRetriesFailing",
                _grown(
                    "outbound_{}_route_retry_limit_exceeded_total",
                    "outbound_{}_route_retry_overflow_total",
                )
                + f" > {limits.retries_failed}",
                "warning",
                "{{ $value | humanize }} requests of {{ $labels.namespace }} to " + _CALLED + " "
                "failed in spite of retries",
                "In 5 minutes. Their last retry failed, or no pod was ready to take one: retries "
                "are load and no help.",
                "traffic",
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
