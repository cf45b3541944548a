"""The gateways: what goes round the ingress, and how each of both serves."""

from __future__ import annotations

from tests.charts.scenarios import Scenario

REPLICAS = "kube_deployment_status_replicas_available"
WAY_IN = 'kube_service_spec_type{namespace="shop",service="web",type="LoadBalancer"}'
WITHIN = 'kube_service_spec_type{namespace="shop",service="web",type="ClusterIP"}'
ELSEWHERE = 'kube_service_spec_type{namespace="monitoring",service="web",type="LoadBalancer"}'
OLD_WAY = 'kube_ingress_info{namespace="shop",ingress="web",ingressclass="nginx"}'
GATEWAY_PODS = f'{REPLICAS}{{namespace="linkerd-ingress",deployment="ingress"}}'
_ENVOY = 'namespace="linkerd-ingress",pod="a"'
EJECTED = f'envoy_cluster_outlier_detection_ejections_active{{{_ENVOY},envoy_cluster_name="cart"}}'
_OUT = 'namespace="linkerd-egress-gateway",pod="a"'
_BANK = f'{_OUT},envoy_cluster_name="httproute/linkerd-egress-gateway/bank/rule/0"'
_OTHER = f'{_OUT},envoy_cluster_name="httproute/linkerd-egress-gateway/bank/rule/1"'
EGRESS_PODS = f'{REPLICAS}{{namespace="linkerd-egress-gateway",deployment="egress-gateway"}}'
PARTNER_AWAY = f"envoy_cluster_membership_healthy{{{_BANK}}}"
PARTNER_AWAY_TOO = f"envoy_cluster_membership_healthy{{{_OTHER}}}"
PARTNER_FAILED = f'envoy_cluster_upstream_rq_xx{{{_BANK},envoy_response_code_class="5"}}'
PARTNER_ANSWERED = f'envoy_cluster_upstream_rq_xx{{{_OTHER},envoy_response_code_class="2"}}'
NO_HANDSHAKE = f"envoy_cluster_ssl_fail_verify_error{{{_BANK}}}"
REFUSED_US = f"envoy_cluster_ssl_connection_error{{{_BANK}}}"
SHOWN = (
    "envoy_cluster_ssl_certificate_expiration_unix_time_seconds"
    f'{{{_BANK},envoy_tls_certificate="linkerd-egress-gateway/bank-client"}}'
)
NO_KEYS_OUT = f"envoy_http_jwt_authn_jwks_fetch_failed{{{_OUT}}}"
NOT_COUNTED_OUT = f"envoy_cluster_ratelimit_error{{{_BANK}}}"
NO_KEYS = f"envoy_http_jwt_authn_jwks_fetch_failed{{{_ENVOY}}}"
NOT_COUNTED = f'envoy_cluster_ratelimit_error{{{_ENVOY},envoy_cluster_name="cart"}}'

SCENARIOS = [
    Scenario(
        "LinkerdIngressBypassed",
        "10m",
        {WAY_IN: "1x20"},
        {"namespace": "shop", "object": "Service web"},
        "The Service web of shop is reached from outside past the gateway",
        # It is reached within alone; it is in no namespace of the mesh.
        [{WAY_IN: "_", WITHIN: "1x20"}, {WAY_IN: "_", ELSEWHERE: "1x20"}],
        severity="warning",
        name="service",
    ),
    Scenario(
        "LinkerdIngressBypassed",
        "10m",
        {OLD_WAY: "1x20"},
        {"namespace": "shop", "object": "Ingress web"},
        "The Ingress web of shop is reached from outside past the gateway",
        [{OLD_WAY: "_"}],
        severity="warning",
        name="ingress",
    ),
    Scenario(
        "LinkerdIngressDown",
        "10m",
        {GATEWAY_PODS: "0x20"},
        {"namespace": "linkerd-ingress"},
        "No pod of the ingress gateway is available",
        [{GATEWAY_PODS: "1x20"}],
    ),
    Scenario(
        "LinkerdIngressCircuitOpen",
        "10m",
        {EJECTED: "1x20"},
        {"namespace": "linkerd-ingress", "envoy_cluster_name": "cart"},
        "1 pods of the ingress gateway send nothing to cart",
        [{EJECTED: "0x20"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdIngressKeysMissing",
        "20m",
        {NO_KEYS: "0+1x30"},
        {"namespace": "linkerd-ingress"},
        "The ingress gateway cannot fetch the keys of tokens",
        [{NO_KEYS: "3x30"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdIngressUncounted",
        "20m",
        {NOT_COUNTED: "0+6x30"},
        {"namespace": "linkerd-ingress"},
        "60 requests to the ingress gateway were not counted",
        [{NOT_COUNTED: "60x30"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdEgressGatewayDown",
        "10m",
        {EGRESS_PODS: "0x20"},
        {"namespace": "linkerd-egress-gateway"},
        "No pod of the egress gateway is available",
        [{EGRESS_PODS: "1x20"}],
    ),
    Scenario(
        "LinkerdEgressGatewayKeysMissing",
        "20m",
        {NO_KEYS_OUT: "0+1x30"},
        {"namespace": "linkerd-egress-gateway"},
        "The egress gateway cannot fetch the keys of tokens",
        [{NO_KEYS_OUT: "3x30"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdEgressGatewayUncounted",
        "20m",
        {NOT_COUNTED_OUT: "0+6x30"},
        {"namespace": "linkerd-egress-gateway"},
        "60 requests to the egress gateway were not counted",
        [{NOT_COUNTED_OUT: "60x30"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdEgressGatewayCircuitOpen",
        "10m",
        # One pod; a route with two rules has two clusters.
        {PARTNER_AWAY: "0x20", PARTNER_AWAY_TOO: "0x20"},
        {"namespace": "linkerd-egress-gateway", "partner": "bank"},
        "1 pods of the egress gateway send nothing to bank",
        [{PARTNER_AWAY: "1x20", PARTNER_AWAY_TOO: "2x20"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdPartnerFails",
        "20m",
        {PARTNER_FAILED: "0+30x30", PARTNER_ANSWERED: "0+30x30"},
        {"namespace": "linkerd-egress-gateway", "partner": "bank"},
        "50% of the requests to bank fail",
        # Some fail; nobody calls.
        [{PARTNER_FAILED: "0+1x30"}, {PARTNER_FAILED: "9x30", PARTNER_ANSWERED: "9x30"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdPartnerHandshakeFails",
        "20m",
        {NO_HANDSHAKE: "0+1x30", REFUSED_US: "0+2x30"},
        {"namespace": "linkerd-egress-gateway", "partner": "bank"},
        "30 handshakes with bank failed",
        [{NO_HANDSHAKE: "9x30", REFUSED_US: "9x30"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdPartnerCertificateEnds",
        "10m",
        {SHOWN: "260400x20"},
        {
            "namespace": "linkerd-egress-gateway",
            "envoy_tls_certificate": "linkerd-egress-gateway/bank-client",
        },
        "The certificate linkerd-egress-gateway/bank-client ends in 3d 0h 10m 0s",
        [{SHOWN: "2604000x20"}],
        severity="warning",
        name="certificate",
    ),
]
