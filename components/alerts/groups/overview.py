"""Recording rules for the dashboards: what is looked at for all namespaces at once.

Each sums the series of pods, clients and routes away once, so that opening a dashboard costs a few
series per namespace or server, however large the mesh is. tests/unit checks the labels that are
left. Metrics: linkerd2-proxy linkerd/http/metrics, linkerd/transport-metrics,
linkerd/app/inbound/src/metrics/authz.rs, kube-state-metrics docs/metrics/workload/pod-metrics.md.
"""

from __future__ import annotations

from components.alerts.groups.control_plane import PROXY, RUNNING, with_proxy
from components.alerts.groups.model import PREFIX, Group, RecordingRule
from components.alerts.groups.slo import INBOUND
from components.alerts.groups.traffic import NO_READY, TIMED_OUT

NAMESPACE_REQUESTS = f"{PREFIX}:namespace_requests:rate5m"
NAMESPACE_LATENCY = f"{PREFIX}:namespace_latency_ms_bucket:rate5m"
NAMESPACE_CONNECTIONS = f"{PREFIX}:namespace_tcp_connections:sum"
PODS = f"{PREFIX}:namespace_pods:count"
MESHED_PODS = f"{PREFIX}:namespace_meshed_pods:count"
PROXIES = f"{PREFIX}:proxies:count"
ALLOWED = f"{PREFIX}:policy_allowed:rate5m"
DENIED = f"{PREFIX}:policy_denied:rate5m"
RATE_LIMITED = f"{PREFIX}:policy_rate_limited:rate5m"
RETRIED = f"{PREFIX}:traffic_retries:rate5m"
RECOVERED = f"{PREFIX}:traffic_retries_good:rate5m"
RETRIES_FAILED = f"{PREFIX}:traffic_retries_failed:rate5m"
REQUESTS_TIMED_OUT = f"{PREFIX}:traffic_timed_out:rate5m"
ENDPOINTS = f"{PREFIX}:traffic_endpoints:sum"
CLIENTS_WITHOUT = f"{PREFIX}:traffic_clients_without_endpoint:count"
# Labels of each record; the most that any of them can have is written beside it.
LABELS = {
    NAMESPACE_REQUESTS: "namespace, tls",  # 5 kinds of TLS
    NAMESPACE_LATENCY: "namespace, le",  # 26 buckets
    NAMESPACE_CONNECTIONS: "namespace, tls",
    PODS: "namespace",
    MESHED_PODS: "namespace",
    PROXIES: "namespace, version",  # versions that run at once
    ALLOWED: "namespace, srv_kind, srv_name, authz_kind, authz_name",  # policies of a Server
    DENIED: "namespace, srv_kind, srv_name, srv_port",  # ports of a Server
    RATE_LIMITED: "namespace, srv_kind, srv_name, ratelimit_name",
    **dict.fromkeys(
        (RETRIED, RECOVERED, RETRIES_FAILED, REQUESTS_TIMED_OUT),
        "parent_namespace, parent_name",  # services that are called
    ),
    ENDPOINTS: "backend_namespace, backend_name, endpoint_state",  # 2 states
    CLIENTS_WITHOUT: "backend_namespace, backend_name",
}
_RETRY = "outbound_{}_route_retry"


def overview() -> Group:
    """What the dashboards read."""
    running = f"on (namespace, pod) ({RUNNING})"
    # A pod on the host's network is never injected.
    pods = f'kube_pod_info{{host_network="false"}} and {running}'
    proxies = with_proxy(PROXY)
    # What follows the last colon of an image: its tag, or the digest that stands for it.
    tagged = f'label_replace({proxies}, "version", "$1", "image_spec", ".+:(.+)")'
    return Group(
        "linkerd-platform-overview",
        [
            _sum(NAMESPACE_REQUESTS, f"rate(response_total{{{INBOUND}}}[5m])"),
            _sum(NAMESPACE_LATENCY, f"rate(response_latency_ms_bucket{{{INBOUND}}}[5m])"),
            _sum(NAMESPACE_CONNECTIONS, 'tcp_open_connections{direction="inbound",peer="src"}'),
            _count(PODS, pods),
            _count(MESHED_PODS, f"{pods} and on (namespace, pod) ({proxies})"),
            _count(PROXIES, f"({tagged}) and {running}"),
            _sum(ALLOWED, _each("inbound_http_authz_allow_total", "inbound_tcp_authz_allow_total")),
            _sum(
                DENIED,
                _each(
                    "inbound_http_authz_deny_total",
                    "inbound_tcp_authz_deny_total",
                    "inbound_tcp_authz_terminate_total",
                ),
            ),
            _sum(RATE_LIMITED, "rate(inbound_http_local_ratelimit_total[5m])"),
            _sum(RETRIED, _routes(f"{_RETRY}_requests_total")),
            _sum(RECOVERED, _routes(f"{_RETRY}_successes_total")),
            _sum(
                RETRIES_FAILED,
                _routes(f"{_RETRY}_limit_exceeded_total", f"{_RETRY}_overflow_total"),
            ),
            _sum(REQUESTS_TIMED_OUT, _routes(TIMED_OUT)),
            _sum(ENDPOINTS, "outbound_http_balancer_endpoints"),
            _count(CLIENTS_WITHOUT, NO_READY),
        ],
        interval=60,
    )


def _sum(name: str, expression: str) -> RecordingRule:
    return RecordingRule(name, f"sum by ({LABELS[name]}) ({expression})")


def _count(name: str, expression: str) -> RecordingRule:
    return RecordingRule(name, f"count by ({LABELS[name]}) ({expression})")


def _routes(*counters: str) -> str:
    """The same of routes, of HTTP and of gRPC; {} stands for which."""
    return _each(*(each.format(kind) for each in counters for kind in ("http", "grpc")))


def _each(*counters: str) -> str:
    """The rates of several counters, of which each alone may be there."""
    return " or ".join(
        # Without a label of their own, `or` would drop what another one has too.
        f'label_replace(rate({counter}[5m]), "counter", "{i}", "", "")'
        for i, counter in enumerate(counters)
    )
