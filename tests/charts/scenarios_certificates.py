"""Certificates, secrets and the operators for them."""

from __future__ import annotations

from tests.charts.scenarios import Scenario, Series

ISSUER = '{namespace="linkerd",name="linkerd-identity-issuer"}'
TAP = '{namespace="linkerd-viz",name="tap-k8s-tls"}'
CA = '{namespace="cert-manager",name="linkerd-webhook-ca"}'
EXPIRATION = "certmanager_certificate_expiration_timestamp_seconds"
TTL = 'issuer_cert_ttl_seconds{pod="a"}'
TTL_B = 'issuer_cert_ttl_seconds{pod="b"}'
LEAF = 'control_identity_cert_expiration_timestamp_seconds{namespace="shop",pod="a"}'
LEAF_B = 'control_identity_cert_expiration_timestamp_seconds{namespace="shop",pod="b"}'
BEGIN = 'control_identity_cert_refresh_timestamp_seconds{namespace="shop",pod="a"}'
RENEWAL = f"certmanager_certificate_renewal_timestamp_seconds{ISSUER}"
READY = 'certmanager_certificate_ready_status{namespace="linkerd",name="a",condition="True"}'
ISSUER_LABELS = {"namespace": "linkerd", "name": "linkerd-identity-issuer"}


def _condition(kind: str, place: str, status: str = "False") -> str:
    return f'{kind}_status_condition{{{place},condition="Ready",status="{status}"}}'


ES = 'namespace="cert-manager",name="a"'
STORE = 'name="linkerd-platform-vault"'


def _not_ready(alert: str, kind: str, place: str, summary: str, severity: str) -> Scenario:
    labels = {"name": "linkerd-platform-vault", "namespace": "external-secrets"}
    return Scenario(
        alert,
        "20m",
        {_condition(kind, place): "1x30", _condition(kind, place, "True"): "0x30"},
        {"namespace": "cert-manager", "name": "a"} if place == ES else labels,
        summary,
        # Ready; not ready for less than 15 minutes; ready in between.
        [
            {_condition(kind, place): "0x30"},
            {_condition(kind, place): "0x6 1x30"},
            {_condition(kind, place): "1x12 0 1x30"},
        ],
        severity=severity,
    )


SCENARIOS = [
    Scenario(
        "LinkerdIssuerExpiring",
        "10m",
        # The replica that has less counts; another one must not hide it.
        {TTL: "43200-60x20", TTL_B: "90000-60x20"},
        {"namespace": "linkerd"},
        "The identity issuer ends in 11h 50m 0s",
        [{TTL: "90000-60x20"}, {TTL: "43200-60x7 172800-60x20"}],
    ),
    Scenario(
        "LinkerdIssuerNotReloaded",
        "40m",
        # Renewed to 172800, and one replica goes on with what ends at 86400.
        {
            f"{EXPIRATION}{ISSUER}": "172800x60",
            TTL: "86400-60x60",
            TTL_B: "172800-60x60",
        },
        {"namespace": "linkerd"},
        "Identity has another issuer than cert-manager made",
        [{TTL: "172800-60x60"}, {TTL: "86400-60x20 171540-60x40"}],
    ),
    Scenario(
        "LinkerdCertificateRenewalOverdue",
        "2h",
        {RENEWAL: "1800x130"},
        ISSUER_LABELS,
        "linkerd/linkerd-identity-issuer should have been renewed 1h 30m 0s ago",
        # Due later; renewed meanwhile; not issued yet, which is told by another alert.
        [{RENEWAL: "5400x130"}, {RENEWAL: "1800x100 90000x30"}, {RENEWAL: "0x130"}],
        severity="warning",
    ),
    Scenario(
        "LinkerdCertificateNotReady",
        "20m",
        {READY: "0x30"},
        {"namespace": "linkerd", "name": "a"},
        "The certificate linkerd/a is not ready",
        [
            {READY: "1x30"},
            {READY: "0x10 1x30"},
            {READY: "_", READY.replace("linkerd", "x"): "0x30"},
        ],
    ),
    Scenario(
        "LinkerdWebhookCertificateExpiring",
        "1h",
        {f"{EXPIRATION}{TAP}": "86400x90"},
        {"namespace": "linkerd-viz", "name": "tap-k8s-tls"},
        "The webhook certificate linkerd-viz/tap-k8s-tls ends in 23h 0m 0s",
        # The issuer lives for 48 hours, and has an alert of its own.
        [
            {f"{EXPIRATION}{TAP}": "604800x90"},
            {f"{EXPIRATION}{TAP}": "_", f"{EXPIRATION}{ISSUER}": "86400x90"},
            {f"{EXPIRATION}{TAP}": "0x90"},
        ],
    ),
    Scenario(
        "LinkerdWebhookCertificateExpiring",
        "1h",
        {f"{EXPIRATION}{CA}": "86400x90"},
        {"namespace": "cert-manager", "name": "linkerd-webhook-ca"},
        "The webhook certificate cert-manager/linkerd-webhook-ca ends in 23h 0m 0s",
        # Somebody else's, in the same namespace.
        [
            {f"{EXPIRATION}{CA}": "604800x90"},
            {f"{EXPIRATION}{CA}": "_", f"{EXPIRATION}{CA.replace('webhook', 'x')}": "86400x90"},
        ],
        name="authority",
    ),
    Scenario(
        "LinkerdLeafExpiring",
        "30m",
        # The second has none yet.
        {LEAF: "7200x60", LEAF_B: "0x60"},
        {"namespace": "shop"},
        "2 proxies in shop have a certificate that ends within 2h",
        [{LEAF: "86400x60", LEAF_B: "86400x60"}],
    ),
    Scenario(
        "LinkerdLeafRefreshFailing",
        "18h",
        # Of 24 hours 16.8 are over, and half an hour more.
        {BEGIN: "0x1200", LEAF: "86400x1200"},
        {"namespace": "shop"},
        "1 proxies in shop could not renew their certificate",
        # Renewed in time; renewed at last; a longer one, which is not due.
        [
            {BEGIN: "0x1010 60600x200", LEAF: "86400x1010 147000x200"},
            {BEGIN: "0x1070 64200x200", LEAF: "86400x1070 150600x200"},
            {LEAF: "172800x1200"},
        ],
        severity="warning",
    ),
    _not_ready(
        "ExternalSecretNotReady",
        "externalsecret",
        ES,
        "The ExternalSecret cert-manager/a is not ready",
        "warning",
    ),
    _not_ready(
        "PushSecretNotReady",
        "pushsecret",
        ES,
        "The PushSecret cert-manager/a is not ready",
        "warning",
    ),
    _not_ready(
        "SecretStoreNotReady",
        "secretstore",
        ES,
        "The SecretStore cert-manager/a does not reach Vault",
        "critical",
    ),
    _not_ready(
        "ClusterSecretStoreNotReady",
        "clustersecretstore",
        STORE,
        "The ClusterSecretStore linkerd-platform-vault does not reach Vault",
        "critical",
    ),
    Scenario(
        "ExternalSecretSyncErrors",
        "20m",
        {'externalsecret_sync_calls_error{namespace="cert-manager",name="a"}': "0+1x30"},
        {"namespace": "cert-manager", "name": "a"},
        "The ExternalSecret cert-manager/a fails again and again",
        [{'externalsecret_sync_calls_error{namespace="cert-manager",name="a"}': "0x10 2x30"}],
        severity="warning",
    ),
    Scenario(
        "CertificateIssuerNotReady",
        "20m",
        {
            "certmanager_clusterissuer_ready_status"
            '{name="linkerd-webhook-ca",condition="True"}': "0x30"
        },
        {"namespace": "cert-manager", "name": "linkerd-webhook-ca"},
        "The ClusterIssuer linkerd-webhook-ca is not ready",
        [
            {
                "certmanager_clusterissuer_ready_status"
                '{name="linkerd-webhook-ca",condition="True"}': "1x30"
            },
            # Somebody else's.
            {
                "certmanager_clusterissuer_ready_status"
                '{name="linkerd-webhook-ca",condition="True"}': "_",
                'certmanager_clusterissuer_ready_status{name="acme",condition="True"}': "0x30",
            },
        ],
    ),
    Scenario(
        "CertManagerSyncErrors",
        "20m",
        {'certmanager_controller_sync_error_count{controller="issuers"}': "0+10x30"},
        {"namespace": "cert-manager", "controller": "issuers"},
        "cert-manager's controller issuers fails again and again",
        [{'certmanager_controller_sync_error_count{controller="issuers"}': "0+1x30"}],
        severity="warning",
    ),
]
_WEBHOOK = '{namespace="cert-manager",deployment="cert-manager"}'
_AVAILABLE = f"kube_deployment_status_replicas_available{_WEBHOOK}"
_WANTED = f"kube_deployment_spec_replicas{_WEBHOOK}"
SCENARIOS.append(
    Scenario(
        "SecretOperatorNotReady",
        "20m",
        {_AVAILABLE: "0x30", _WANTED: "2x30"},
        {"namespace": "cert-manager", "deployment": "cert-manager"},
        "cert-manager in cert-manager has no ready replica",
        # One is enough; scaled to none on purpose.
        [{_AVAILABLE: "1x30"}, {_WANTED: "0x30"}],
    )
)
_ANCHOR: Series = {}
# The test's anchor ends 200 days after the start of promtool's clock.
SCENARIOS += [
    Scenario(
        "LinkerdTrustAnchorExpiring",
        "21d",
        _ANCHOR,
        {"namespace": "linkerd", "generation": "anchor-1"},
        "The trust anchor anchor-1 ends in 179d 0h 0m 0s",
        [],
        interval="1h",
        severity="warning",
        static={"quiet": "19d"},
    ),
    Scenario(
        "LinkerdTrustAnchorEnding",
        "141d",
        _ANCHOR,
        {"namespace": "linkerd", "generation": "anchor-1"},
        "The trust anchor anchor-1 ends in 59d 0h 0m 0s",
        [],
        interval="1h",
        static={"quiet": "139d"},
    ),
    Scenario(
        "LinkerdTrustAnchorExpired",
        "201d",
        _ANCHOR,
        {"namespace": "linkerd", "generation": "anchor-1"},
        "The trust anchor anchor-1 has ended",
        [],
        interval="1h",
        static={"quiet": "199d"},
    ),
]
