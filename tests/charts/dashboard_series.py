"""A small mesh as series: what healthy and troubled parts of it export, for every panel to see.

Names and labels are those of tests/fixtures/metrics. A counter is given by its growth in a minute,
a gauge by its value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.alerts.groups.control_plane import DEPLOYMENTS, INJECTOR_WEBHOOK

# Time in seconds at which the certificates of the sample end, from the start of the samples.
MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Series:
    """One series. `growth` is of a counter, in a minute; `value` of a gauge, or a counter's first.

    `moment`: the value is a time, counted from the start of the samples.
    """

    name: str
    labels: Mapping[str, str]
    value: float = 0
    growth: float = 0
    moment: bool = False

    @property
    def selector(self) -> str:
        """As PromQL and the exposition format write it."""
        inside = ",".join(f'{key}="{value}"' for key, value in self.labels.items())
        return f"{self.name}{{{inside}}}"


WEB = {"namespace": "shop", "pod": "web-1", "deployment": "web"}
DB = {"namespace": "shop", "pod": "db-0", "statefulset": "db"}
SYSTEM = {name: {"namespace": "linkerd", "pod": name, "deployment": name} for name in DEPLOYMENTS}
CLIENT = "front.web.serviceaccount.identity.linkerd.cluster.local"
SERVER = {"srv_group": "policy.linkerd.io", "srv_kind": "server", "srv_name": "web-http"}
DEFAULT = {"srv_group": "", "srv_kind": "default", "srv_name": "all-unauthenticated"}
ROUTE = {
    "parent_namespace": "shop",
    "parent_name": "web",
    "route_namespace": "shop",
    "route_name": "checkout",
}
BACKEND = {"backend_namespace": "shop", "backend_name": "web"}
HOOK = {"name": INJECTOR_WEBHOOK, "type": "admit"}
OLD, NEW = "cr.l5d.io/linkerd/proxy:edge-26.5.1", "cr.l5d.io/linkerd/proxy:edge-26.6.3"


def world() -> list[Series]:
    """All of it."""
    return [
        *_inbound(),
        *_outbound(),
        *_routes(),
        *_tcp(),
        *_policy(),
        *_pods(),
        *_control_plane(),
        *_certificates(),
        *_secrets(),
        *_ingress(),
        *_egress_gateway(),
    ]


def _ingress() -> Iterator[Series]:
    """A pod of the gateway that answers one route, and refuses some."""
    pod = {"namespace": "linkerd-ingress", "pod": "ingress-1"}
    route = {**pod, "envoy_cluster_name": "httproute/linkerd-ingress/cart/rule/0"}
    for kind, growth in (("2", 590), ("5", 10)):
        answers = {"envoy_response_code_class": kind}
        yield Series("envoy_cluster_upstream_rq_xx", {**route, **answers}, 0, growth)
        yield Series("envoy_http_downstream_rq_xx", {**pod, **answers}, 0, growth)
    for le, growth in (("10", 300), ("+Inf", 600)):
        yield Series("envoy_cluster_upstream_rq_time_bucket", {**route, "le": le}, 0, growth)
    yield Series("envoy_cluster_outlier_detection_ejections_active", route, 0)
    yield Series("envoy_cluster_ratelimit_error", route, 0, 0)
    for name in (
        *("envoy_http_jwt_authn_denied", "envoy_http_rbac_denied"),
        *("envoy_http_local_rate_limit_rate_limited", "envoy_http_jwt_authn_jwks_fetch_failed"),
    ):
        yield Series(name, pod, 0, 1)
    yield Series("envoy_cluster_ratelimit_over_limit", route, 0, 1)
    available = {"namespace": "linkerd-ingress", "deployment": "ingress"}
    yield Series("kube_deployment_status_replicas_available", available, 2)


def _egress_gateway() -> Iterator[Series]:
    """A pod of the gateway whose partner answers one caller, and ends TLS now and then."""
    pod = {"namespace": "linkerd-egress-gateway", "pod": "egress-gateway-1"}
    bank = {**pod, "envoy_cluster_name": "httproute/linkerd-egress-gateway/bank/rule/0"}
    for kind, growth in (("2", 45), ("5", 15)):
        answers = {"envoy_response_code_class": kind}
        yield Series("envoy_cluster_upstream_rq_xx", {**bank, **answers}, 0, growth)
        yield Series("envoy_http_downstream_rq_xx", {**pod, **answers}, 0, growth)
    for le, growth in (("100", 30), ("+Inf", 60)):
        yield Series("envoy_cluster_upstream_rq_time_bucket", {**bank, "le": le}, 0, growth)
    yield Series("envoy_cluster_membership_healthy", bank, 0)
    for name in ("connection_error", "fail_verify_error", "fail_verify_san"):
        yield Series(f"envoy_cluster_ssl_{name}", bank, 0, 6)
    shown = {**bank, "envoy_tls_certificate": "linkerd-egress-gateway/bank-client"}
    name = "envoy_cluster_ssl_certificate_expiration_unix_time_seconds"
    yield Series(name, shown, 3 * DAY, moment=True)
    yield Series("envoy_cluster_ratelimit_error", bank, 0, 0)
    for name in (
        *("envoy_http_jwt_authn_denied", "envoy_http_rbac_denied"),
        *("envoy_http_local_rate_limit_rate_limited", "envoy_http_jwt_authn_jwks_fetch_failed"),
    ):
        yield Series(name, pod, 0, 1)
    yield Series("envoy_cluster_ratelimit_over_limit", bank, 0, 1)
    available = {"namespace": "linkerd-egress-gateway", "deployment": "egress-gateway"}
    yield Series("kube_deployment_status_replicas_available", available, 3)
    way = {"parent_kind": "EgressNetwork", "route_name": "partner-bank", "http_status": "200"}
    where = {"namespace": "shop", "pod": "cart-1", "parent_namespace": "shop"}
    calls = "outbound_http_route_request_statuses_total"
    yield Series(calls, {**where, **way, "parent_name": "egress"}, 0, 60)


def _inbound() -> Iterator[Series]:
    """1200 requests a minute to web, 1 per cent of them fail; some without a proxy; some to db."""
    for workload, good, bad in (
        (WEB, 1188, 12),
        (DB, 60, 0),
        *((s, 60, 0) for s in SYSTEM.values()),
    ):
        base = {**workload, "direction": "inbound", "route_name": "checkout", "tls": "true",
                "client_id": CLIENT}  # fmt: skip
        yield Series("response_total", {**base, "classification": "success"}, 0, good)
        if bad:
            yield Series("response_total", {**base, "classification": "failure"}, 0, bad)
        yield Series("request_total", base, 0, good + bad)
        for le, part in (("10", 0.5), ("100", 0.9), ("1000", 1), ("+Inf", 1)):
            growth = (good + bad) * part
            yield Series("response_latency_ms_bucket", {**base, "le": le}, 0, growth)
        yield Series("response_latency_ms_count", base, 0, good + bad)
    plain = {**WEB, "direction": "inbound", "route_name": "default", "tls": "no_identity"}
    yield Series("response_total", {**plain, "classification": "success"}, 0, 300)
    yield Series("request_total", plain, 0, 300)
    probe = {**WEB, "direction": "inbound", "route_name": "probe", "tls": "no_identity"}
    yield Series("response_total", {**probe, "classification": "failure"}, 0, 6000)


def _outbound() -> Iterator[Series]:
    base = {**WEB, "direction": "outbound", "tls": "true", "dst_namespace": "shop",
            "dst_service": "db"}  # fmt: skip
    yield Series("response_total", {**base, "classification": "success"}, 0, 90)
    yield Series("response_total", {**base, "classification": "failure"}, 0, 10)
    for le, part in (("10", 90), ("+Inf", 100)):
        yield Series("response_latency_ms_bucket", {**base, "le": le}, 0, part)
    yield Series("inbound_http_errors_total", {**WEB, **SERVER, "error": "failfast"}, 0, 1)
    yield Series("outbound_http_errors_total", {**WEB, "error": "loadshed"}, 0, 1)


def _routes() -> Iterator[Series]:
    """What the clients of the service web see: front, a Deployment of another namespace."""
    front = {"namespace": "web", "pod": "front-1", "deployment": "front"}
    base = {**front, **ROUTE}
    for kind, good, bad in (
        ("http", {"http_status": "200", "error": ""}, {"http_status": "", "error": "FAIL_FAST"}),
        ("grpc", {"grpc_status": "OK", "error": ""}, {"grpc_status": "UNKNOWN", "error": "RESET"}),
    ):
        name = f"outbound_{kind}_route"
        yield Series(f"{name}_request_statuses_total", {**base, **good}, 0, 540)
        yield Series(f"{name}_request_statuses_total", {**base, **bad}, 0, 60)
        for le, part in (("0.05", 300), ("0.5", 600), ("+Inf", 600)):
            labels = {**base, "le": le}
            yield Series(f"{name}_request_duration_seconds_bucket", labels, 0, part)
        yield Series(f"{name}_backend_requests_total", {**base, **BACKEND}, 0, 660)
        for retry in ("requests", "successes", "limit_exceeded", "overflow"):
            yield Series(f"{name}_retry_{retry}_total", base, 0, 60)
    balancer = {**front, "parent_namespace": "shop", "parent_name": "web", **BACKEND}
    for state, count in (("ready", 2), ("pending", 1)):
        labels = {**balancer, "endpoint_state": state}
        yield Series("outbound_http_balancer_endpoints", labels, count)
    for gate in ("open", "shut"):
        yield Series(f"outbound_http_balancer_queue_gate_{gate}_total", balancer, 0, 1)
    # The service pay: it times out, and to one of its two clients every pod is out.
    pay = {**base, "parent_name": "pay", "http_status": "", "error": "REQUEST_TIMEOUT"}
    yield Series("outbound_http_route_request_statuses_total", pay, 0, 12)
    yield Series(
        "outbound_http_route_request_statuses_total",
        {**pay, "http_status": "504", "error": ""},
        0,
        9,
    )
    for pod, ready, pending in (("front-1", 0, 2), ("front-2", 1, 1)):
        for state, count in (("ready", ready), ("pending", pending)):
            labels = {**balancer, "pod": pod, "parent_name": "pay", "backend_name": "pay"}
            yield Series(
                "outbound_http_balancer_endpoints", {**labels, "endpoint_state": state}, count
            )


def _tcp() -> Iterator[Series]:
    for direction, peer in (("inbound", "src"), ("inbound", "dst"), ("outbound", "dst")):
        base = {**WEB, "direction": direction, "peer": peer, "tls": "true"}
        yield Series("tcp_open_connections", base, 7)
        for name in ("open_total", "read_bytes_total", "write_bytes_total"):
            yield Series(f"tcp_{name}", base, 0, 60)
        yield Series("tcp_close_total", {**base, "errno": "ECONNRESET"}, 0, 6)
        yield Series("tcp_close_total", {**base, "errno": ""}, 0, 54)


def _policy() -> Iterator[Series]:
    allowed = {**WEB, **SERVER, "authz_kind": "authorizationpolicy", "authz_name": "front"}
    audit = {**WEB, **SERVER, "authz_kind": "default", "authz_name": "audit", "client_id": CLIENT}
    default = {**DB, **DEFAULT, "authz_kind": "default", "authz_name": "all-unauthenticated"}
    yield Series("inbound_http_authz_allow_total", allowed, 0, 600)
    yield Series("inbound_http_authz_allow_total", audit, 0, 60)
    yield Series("inbound_tcp_authz_allow_total", default, 0, 60)
    denied = {**WEB, **SERVER, "srv_port": "8080", "client_id": CLIENT, "tls": "true"}
    yield Series("inbound_http_authz_deny_total", denied, 0, 6)
    yield Series("inbound_tcp_authz_deny_total", denied, 0, 6)
    limited = {**WEB, **SERVER, "ratelimit_name": "web", "ratelimit_scope": "identity"}
    yield Series("inbound_http_local_ratelimit_total", limited, 0, 30)
    yield Series("inbound_http_route_not_found_total", {**WEB, **SERVER}, 0, 6)


def _pods() -> Iterator[Series]:
    """Four pods in shop, one of them without a proxy; two in pay, both without."""
    meshed = [
        (WEB, NEW),
        ({**WEB, "pod": "web-2"}, OLD),
        (DB, NEW),
        *((system, NEW) for system in SYSTEM.values()),
    ]
    others = [("shop", "legacy-1"), ("pay", "pay-1"), ("pay", "pay-2")]
    for workload, image in meshed:
        where = {"namespace": workload["namespace"], "pod": workload["pod"]}
        proxy = {**where, "container": "linkerd-proxy", "image_spec": image}
        yield Series("kube_pod_init_container_info", proxy, 1)
        yield Series("proxy_build_info", {**workload, "version": "v2.359.0"}, 1)
        for series in _running(where):
            yield series
    for namespace, pod in others:
        for series in _running({"namespace": namespace, "pod": pod}):
            yield series


def _running(where: Mapping[str, str]) -> Iterator[Series]:
    yield Series("kube_pod_info", {**where, "host_network": "false"}, 1)
    yield Series("kube_pod_status_phase", {**where, "phase": "Running"}, 1)


def _control_plane() -> Iterator[Series]:
    for deployment, ready in zip(DEPLOYMENTS, (3, 3, 2), strict=True):
        where = {"namespace": "linkerd", "deployment": deployment}
        yield Series("kube_deployment_status_replicas_available", where, ready)
        yield Series("kube_deployment_spec_replicas", where, 3)
    image = {"namespace": "linkerd", "pod": "linkerd-identity", "container": "identity",
             "image_spec": "cr.l5d.io/linkerd/controller:edge-26.6.3"}  # fmt: skip
    yield Series("kube_pod_container_info", image, 1)
    restarts = {"namespace": "linkerd", "pod": "linkerd-identity", "container": "identity"}
    yield Series("kube_pod_container_status_restarts_total", restarts, 0, 1)
    errors = {"namespace": "linkerd", "client": "destination", "method": "GET"}
    yield Series("http_client_errors_total", errors, 0, 6)
    yield Series("apiserver_admission_webhook_request_total", {**HOOK, "code": "200"}, 0, 60)
    rejected = {**HOOK, "error_type": "calling_webhook_error"}
    yield Series("apiserver_admission_webhook_rejection_count", rejected, 0, 6)
    yield Series("apiserver_admission_webhook_fail_open_count", HOOK, 0, 6)
    answers = "proxy_inject_admission_responses_total"
    yield Series(answers, {"namespace": "shop", "skip": "false"}, 0, 54)
    skipped = {"namespace": "shop", "skip": "true", "skip_reason": "injection_disable_annotation"}
    yield Series(answers, skipped, 0, 6)
    alert = {"alertname": "LinkerdAuditHits", "alertstate": "firing", "severity": "info",
             "environment": "staging", "namespace": "shop"}  # fmt: skip
    yield Series("ALERTS", alert, 1)


def _certificates() -> Iterator[Series]:
    record = "linkerd_platform:trust_anchor:expiry_timestamp_seconds"
    yield Series(record, {"generation": "anchor-1"}, 100 * DAY, moment=True)
    yield Series(record, {"generation": "anchor-2"}, 3650 * DAY, moment=True)
    for number, left in ((1, 30 * HOUR), (2, 29 * HOUR)):
        pod = {"namespace": "linkerd", "pod": f"linkerd-identity-{number}"}
        yield Series("issuer_cert_ttl_seconds", pod, left)
    for namespace, name, end, renewal, ready in (
        ("linkerd", "linkerd-identity-issuer", 40 * HOUR, 20 * HOUR, 1),
        ("linkerd", "linkerd-proxy-injector-k8s-tls", 5 * DAY, 2 * DAY, 1),
        ("linkerd-viz", "tap-k8s-tls", 2 * DAY, 1, 0),
    ):
        labels = {"namespace": namespace, "name": name}
        certificate = "certmanager_certificate"
        yield Series(f"{certificate}_expiration_timestamp_seconds", labels, end, moment=True)
        yield Series(f"{certificate}_renewal_timestamp_seconds", labels, renewal, moment=True)
        yield Series(f"{certificate}_ready_status", {**labels, "condition": "True"}, ready)
    leaf = "control_identity_cert_expiration_timestamp_seconds"
    yield Series(leaf, WEB, 20 * HOUR, moment=True)
    yield Series(leaf, DB, 10 * HOUR, moment=True)
    for result, growth in (("ok", 6), ("error", 1)):
        labels = {**WEB, "result": result}
        yield Series("control_identity_cert_refreshes_total", labels, 0, growth)


def _secrets() -> Iterator[Series]:
    ready = {"condition": "Ready", "status": "True"}
    for kind, namespace, name, value in (
        ("externalsecret", "cert-manager", "linkerd-trust-anchor-1", 1),
        ("pushsecret", "cert-manager", "linkerd-trust-anchor-1", 0),
        ("secretstore", "linkerd-buoyant", "platform", 1),
        ("clustersecretstore", "", "linkerd-platform-vault", 1),
    ):
        labels = {"namespace": namespace, "name": name, **ready}
        yield Series(f"{kind}_status_condition", labels, value)
    issuer = {"name": "linkerd-identity-issuer-1", "condition": "True"}
    yield Series("certmanager_clusterissuer_ready_status", issuer, 1)
    yield Series("certmanager_controller_sync_error_count", {"controller": "issuers"}, 0, 1)
    errors = {"namespace": "cert-manager", "name": "linkerd-trust-anchor-1"}
    yield Series("externalsecret_sync_calls_error", errors, 0, 1)
    for namespace in ("cert-manager", "external-secrets"):
        where = {"namespace": namespace, "deployment": namespace}
        yield Series("kube_deployment_status_replicas_available", where, 2)
        yield Series("kube_deployment_spec_replicas", where, 2)
