"""Control plane, data plane, policy, traffic, and the sources of metrics."""

from __future__ import annotations

from components.alerts.groups.control_plane import DEPLOYMENTS
from components.alerts.groups.sources import SOURCES
from tests.charts.scenarios import Scenario

REPLICAS = "kube_deployment_status_replicas_available"
INJECTOR = 'name="linkerd-proxy-injector.linkerd.io"'
REJECTED = (
    f'apiserver_admission_webhook_rejection_count{{{INJECTOR},type="admit",operation="CREATE",'
    'error_type="calling_webhook_error",rejection_code="500",job="apiserver",instance="a"}'
)
API_SERVER = 'up{job="apiserver",instance="a"}'
FAIL_OPEN = f'apiserver_admission_webhook_fail_open_count{{{INJECTOR},type="admit"}}'
SERVER = 'namespace="shop",pod="a",srv_kind="server",srv_name="web",srv_port="8080"'
SERVER_LABELS = {
    "namespace": "shop",
    "srv_kind": "server",
    "srv_name": "web",
    "srv_port": "8080",
}
HTTP_DENIED = f'inbound_http_authz_deny_total{{{SERVER},tls="true",client_id="x"}}'
TCP_DENIED = f'inbound_tcp_authz_deny_total{{{SERVER},tls="true",client_id="x"}}'
CUT_OFF = f'inbound_tcp_authz_terminate_total{{{SERVER},tls="true",client_id="x"}}'
AUDITED = f'inbound_http_authz_allow_total{{{SERVER},authz_name="audit",authz_kind="default"}}'
LIMITED = f'inbound_http_local_ratelimit_total{{{SERVER},ratelimit_name="web",client_id="x"}}'
PROXY_THERE = 'control_identity_cert_expiration_timestamp_seconds{namespace="shop",pod="a"}'
PROXY_BEGUN = 'process_start_time_seconds{namespace="shop",pod="a"}'
ROUTE = 'namespace="front",pod="a",parent_namespace="shop",parent_name="web"'
FRONT_THERE = 'control_identity_cert_expiration_timestamp_seconds{namespace="front",pod="a"}'
TIMED_OUT = f'outbound_http_route_request_statuses_total{{{ROUTE},error="REQUEST_TIMEOUT"}}'
ANSWERED_504 = f'outbound_http_route_request_statuses_total{{{ROUTE},http_status="504"}}'
EXHAUSTED = f"outbound_http_route_retry_limit_exceeded_total{{{ROUTE}}}"
OVERFLOWED = f"outbound_grpc_route_retry_overflow_total{{{ROUTE}}}"
SERVICE_LABELS = {"namespace": "front", "parent_namespace": "shop", "parent_name": "web"}
ALIVE = 'gateway_alive{target_cluster_name="east"}'
ENABLED = 'gateway_enabled{target_cluster_name="east"}'
BACKEND = 'backend_namespace="shop",backend_name="web",backend_port="80"'


def _endpoints(pod: str, state: str) -> str:
    where = f'namespace="front",pod="{pod}",{BACKEND},endpoint_state="{state}"'
    return f"outbound_http_balancer_endpoints{{{where}}}"


def _pod(name: str, maker: str, kind: str = "ReplicaSet", host: str = "false") -> str:
    return (
        f'kube_pod_info{{namespace="shop",pod="{name}",created_by_kind="{kind}",'
        f'created_by_name="{maker}",host_network="{host}"}}'
    )


def _phase(pod: str, namespace: str = "shop", phase: str = "Running") -> str:
    return f'kube_pod_status_phase{{namespace="{namespace}",pod="{pod}",phase="{phase}"}}'


def _proxy(pod: str, namespace: str = "shop", tag: str = "edge-26.6.3", init: bool = True) -> str:
    metric = "kube_pod_init_container_info" if init else "kube_pod_container_info"
    image = f"cr.l5d.io/linkerd/proxy:{tag}"
    return (
        f'{metric}{{namespace="{namespace}",pod="{pod}",container="linkerd-proxy",'
        f'image_spec="{image}"}}'
    )


OLD = "cr.l5d.io/linkerd/proxy:edge-26.1.1"
SCENARIOS = [
    Scenario(
        "LinkerdControlPlaneBelowQuorum",
        "10m",
        {f'{REPLICAS}{{namespace="linkerd",deployment="linkerd-identity"}}': "1x20"},
        {"namespace": "linkerd", "deployment": "linkerd-identity"},
        "linkerd-identity has 1 ready replicas",
        [
            {f'{REPLICAS}{{namespace="linkerd",deployment="linkerd-identity"}}': "2x20"},
            {f'{REPLICAS}{{namespace="linkerd",deployment="linkerd-identity"}}': "1x3 3x20"},
        ],
    ),
    *(
        Scenario(
            "LinkerdControlPlaneMissing",
            "20m",
            {
                f'{REPLICAS}{{namespace="linkerd",deployment="{other}"}}': "3x30"
                for other in DEPLOYMENTS
                if other != missing
            },
            {"namespace": "linkerd", "deployment": missing},
            f"There is no {missing}, or no metric of it",
            [{f'{REPLICAS}{{namespace="linkerd",deployment="{missing}"}}': "3x30"}],
            name=missing,
        )
        for missing in DEPLOYMENTS
    ),
    Scenario(
        "LinkerdInjectorRejections",
        "15m",
        # The counter appears with its first count.
        {REJECTED: "_x10 1x20", API_SERVER: "1x30"},
        {
            "namespace": "linkerd",
            "name": "linkerd-proxy-injector.linkerd.io",
            "error_type": "calling_webhook_error",
        },
        "The API server refused 1 requests for the injector's sake",
        [
            {REJECTED: "1x30"},
            {REJECTED: "_", REJECTED.replace("proxy-injector", "tap"): "_x10 1x20"},
            # Prometheus was not there: nobody knows when that was.
            {API_SERVER: "_x10 1x20"},
        ],
    ),
    Scenario(
        "LinkerdInjectorFailOpen",
        "15m",
        {FAIL_OPEN: "2x10 4x20"},
        {"namespace": "linkerd", "name": "linkerd-proxy-injector.linkerd.io"},
        "2 requests went past the injector",
        [{FAIL_OPEN: "2x30"}],
    ),
    Scenario(
        "LinkerdProxyVersionSkew",
        "8d",
        {
            _proxy("old", tag="edge-26.1.1"): "1x200",
            _phase("old"): "1x200",
            _proxy("new"): "1x200",
            _phase("new"): "1x200",
            _proxy("identity", "linkerd", init=False): "1x200",
        },
        {"namespace": "shop", "image_spec": OLD},
        f"1 pods in shop have the proxy {OLD}",
        [
            {_proxy("old", tag="edge-26.1.1"): "_", _proxy("old"): "1x200"},
            # It has ended; and: nothing is known of the control plane.
            {_phase("old"): "0x200"},
            {_proxy("identity", "linkerd", init=False): "_"},
            # It was restarted within the week.
            {_proxy("old", tag="edge-26.1.1"): "1x100"},
        ],
        interval="1h",
        severity="warning",
    ),
    Scenario(
        "LinkerdPodsUnmeshed",
        "20m",
        {
            _pod("bare-1", "bare-5d"): "1x30",
            _phase("bare-1"): "1x30",
            _pod("web-1", "web-7f"): "1x30",
            _phase("web-1"): "1x30",
            _proxy("web-1"): "1x30",
            # Stays outside by the plan; on the host's network; has ended.
            _pod("legacy-1", "legacy-6c"): "1x30",
            _phase("legacy-1"): "1x30",
            _pod("log-1", "log", "DaemonSet", "true"): "1x30",
            _phase("log-1"): "1x30",
            _pod("job-1", "job", "Job"): "1x30",
            _phase("job-1"): "0x30",
        },
        {"namespace": "shop", "created_by_kind": "ReplicaSet", "created_by_name": "bare-5d"},
        "1 pods of ReplicaSet bare-5d in shop have no proxy",
        [
            {_proxy("bare-1"): "1x30"},
            {_proxy("bare-1", init=False): "1x30"},
            {_phase("bare-1"): "0x30"},
            {_phase("bare-1"): "0x10 1x30"},
        ],
    ),
    Scenario(
        "LinkerdAuthorizationDenied",
        "10m",
        # Together they are over the limit, none is alone.
        {HTTP_DENIED: "0+1x20", TCP_DENIED: "0+1x20", CUT_OFF: "0+1x20"},
        SERVER_LABELS,
        "server web:8080 in shop denied 15 calls",
        [{TCP_DENIED: "0x20", CUT_OFF: "0x20"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdAuthorizationDenied",
        "10m",
        # All at once, and then no more: the counter never grows while it is looked at.
        {PROXY_THERE: "90000x20", HTTP_DENIED: "_x8 50x10"},
        SERVER_LABELS,
        "server web:8080 in shop denied 50 calls",
        [
            {HTTP_DENIED: "_x8 10x10"},
            {HTTP_DENIED: "_x2 50x20"},
            {PROXY_THERE: "_x8 90000x10"},
        ],
        severity="warning",
        name="burst",
    ),
    Scenario(
        "LinkerdAuthorizationDenied",
        "10m",
        # The proxy is as young as its counter.
        {PROXY_BEGUN: "_x8 420x10", HTTP_DENIED: "_x8 50x10"},
        SERVER_LABELS,
        "server web:8080 in shop denied 50 calls",
        [{PROXY_BEGUN: "_x8 60x10"}],
        severity="warning",
        name="new-pod",
    ),
    Scenario(
        "LinkerdAuditHits",
        "90m",
        {AUDITED: "0x60 1x40"},
        SERVER_LABELS,
        "server web:8080 in shop would have denied 1 calls",
        [
            {AUDITED: "1x100"},
            {AUDITED: "_", AUDITED.replace('name="audit"', 'name="web"'): "0x60 1x40"},
        ],
        severity="info",
    ),
    Scenario(
        "LinkerdAuditHits",
        "90m",
        # A client that calls once a day is found by its first call.
        {PROXY_THERE: "90000x100", AUDITED: "_x60 1x40"},
        SERVER_LABELS,
        "server web:8080 in shop would have denied 1 calls",
        [{PROXY_THERE: "_x60 90000x40"}, {AUDITED: "_x20 1x100"}],
        severity="info",
        name="first-call",
    ),
    Scenario(
        "LinkerdRateLimited",
        "10m",
        {LIMITED: "0+30x20"},
        {**SERVER_LABELS, "ratelimit_name": "web"},
        "server web:8080 in shop refused 150 requests",
        [{LIMITED: "0+10x20"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdNoReadyEndpoint",
        "10m",
        {
            _endpoints("a", "ready"): "0x20",
            _endpoints("a", "pending"): "3x20",
            _endpoints("b", "ready"): "3x20",
            _endpoints("b", "pending"): "0x20",
        },
        {
            "namespace": "front",
            "backend_namespace": "shop",
            "backend_name": "web",
            "backend_port": "80",
        },
        "1 pods in front have no ready endpoint of web.shop",
        # One is left; there is none at all, which is no breaker; back within 5 minutes.
        [
            {_endpoints("a", "ready"): "1x20"},
            {_endpoints("a", "pending"): "0x20"},
            {_endpoints("a", "ready"): "0x4 3x20"},
        ],
    ),
    Scenario(
        "LinkerdRequestsTimedOut",
        "10m",
        {TIMED_OUT: "0+30x20", ANSWERED_504: "0+30x20"},
        SERVICE_LABELS,
        "150 requests of front to web.shop timed out",
        # Fewer; a 504 that the service itself answered with is its own.
        [{TIMED_OUT: "0+10x20"}, {TIMED_OUT: "_"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdRequestsTimedOut",
        "10m",
        # A counter of errors appears with its first count.
        {FRONT_THERE: "90000x20", TIMED_OUT: "_x8 120x12"},
        SERVICE_LABELS,
        "120 requests of front to web.shop timed out",
        [{FRONT_THERE: "_x8 90000x12"}, {TIMED_OUT: "_x2 120x18"}],
        severity="warning",
        name="first-count",
    ),
    Scenario(
        "LinkerdRetriesFailing",
        "10m",
        {EXHAUSTED: "0+15x20", OVERFLOWED: "0+15x20"},
        SERVICE_LABELS,
        "150 requests of front to web.shop failed in spite of retries",
        # One of the two is not enough here.
        [{EXHAUSTED: "_"}, {OVERFLOWED: "0x20"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdGatewayDown",
        "10m",
        {ALIVE: "0x20", ENABLED: "1x20"},
        {"namespace": "linkerd-multicluster", "target_cluster_name": "east"},
        "The gateway of east does not answer its probe",
        # It answers; the clusters share a network and have none.
        [{ALIVE: "1x20"}, {ENABLED: "0x20"}],
    ),
    *(
        Scenario(
            "LinkerdMetricsMissing",
            "20m",
            {metric: "1x30" for source, (metric, _) in SOURCES.items() if source != missing},
            {"namespace": SOURCES[missing][1], "source": missing},
            f"Prometheus has no metrics of {missing}",
            [{SOURCES[missing][0]: "1x30"}],
            name=missing,
            severity="warning",
        )
        for missing in SOURCES
    ),
    Scenario(
        "KubernetesApiServerDown",
        "5m",
        {'up{job="apiserver",instance="a"}': "0x20", 'up{job="apiserver",instance="b"}': "0x20"},
        {"namespace": "kube-system"},
        "No API server answers Prometheus",
        [{'up{job="apiserver",instance="a"}': "1x20"}],
    ),
    Scenario(
        "LinkerdWatchdog",
        "5m",
        {'up{job="a",instance="a"}': "1x20", 'up{job="a",instance="b"}': "0x20"},
        {"namespace": "linkerd"},
        "Prometheus reaches 1 targets, and alerts leave it",
        [{'up{job="a",instance="a"}': "0x20"}],
        severity="info",
    ),
]
