"""Rules about certificates: identity issuer, leaves, webhooks, and whether each is renewed.

Metrics: cert-manager internal/collectors/certificate_collector.go, linkerd2
pkg/identity/service.go, linkerd2-proxy linkerd/identity/src/metrics.rs.
"""

from __future__ import annotations

from components.alert_rules.model import Alert, Group, Setting, duration, either
from components.names import CERT_MANAGER, IDENTITY_ISSUER, LINKERD, LINKERD_VIZ

_PAGE = "certificates"
_EXPIRY = "certmanager_certificate_expiration_timestamp_seconds"
# cert-manager runs several times, and each replica may have the same series.
_BY_NAME = "max by (namespace, name)"


def certificates(setting: Setting) -> Group:
    """Issuer, leaves and webhooks."""
    limits = setting.thresholds
    ours = either((LINKERD, LINKERD_VIZ, CERT_MANAGER))
    issuer = f'namespace="{LINKERD}",name="{IDENTITY_ISSUER}"'
    ready = f'certmanager_certificate_ready_status{{namespace=~"{ours}",condition="True"}}'
    renewal = f'certmanager_certificate_renewal_timestamp_seconds{{namespace=~"{ours}"}}'
    webhooks = f'{_EXPIRY}{{namespace=~"{LINKERD}|{LINKERD_VIZ}",name!="{IDENTITY_ISSUER}"}}'
    return Group(
        "linkerd-platform-certificates",
        [
            Alert(
                "LinkerdIssuerExpiring",
                f"min(issuer_cert_ttl_seconds) < {limits.issuer_left}",
                "critical",
                "The identity issuer ends in {{ $value | humanizeDuration }}",
                "When it ends no proxy gets a certificate, and each running one loses its own "
                "within the lifetime of a leaf.",
                _PAGE,
                for_=300,
                namespace=LINKERD,
            ),
            Alert(
                "LinkerdIssuerNotReloaded",
                f"max({_EXPIRY}{{{issuer}}}) - min(time() + issuer_cert_ttl_seconds) > 900",
                "critical",
                "Identity has another issuer than cert-manager made",
                "A replica missed a rotation: what it signs with ends "
                "{{ $value | humanizeDuration }} before what is in linkerd-identity-issuer.",
                _PAGE,
                for_=limits.issuer_reload,
                namespace=LINKERD,
            ),
            Alert(
                "LinkerdCertificateRenewalOverdue",
                f"time() - {_BY_NAME} ({renewal} > 0) > {limits.renewal_overdue}",
                "warning",
                "{{ $labels.namespace }}/{{ $labels.name }} should have been renewed "
                "{{ $value | humanizeDuration }} ago",
                "cert-manager does not run, or its issuer refuses the request.",
                _PAGE,
                for_=300,
            ),
            Alert(
                "LinkerdCertificateNotReady",
                f"{_BY_NAME} ({ready}) == 0",
                "critical",
                "The certificate {{ $labels.namespace }}/{{ $labels.name }} is not ready",
                "cert-manager could not issue it; what mounts its Secret has an old one, or none.",
                _PAGE,
                for_=limits.not_ready,
            ),
            Alert(
                "LinkerdWebhookCertificateExpiring",
                f"{_BY_NAME} ({webhooks} > 0) - time() < {limits.webhook_left}",
                "critical",
                "The webhook certificate {{ $labels.namespace }}/{{ $labels.name }} ends in "
                "{{ $value | humanizeDuration }}",
                "When it ends the API server refuses what the webhook looks at: no pod starts "
                "where the injector is needed.",
                _PAGE,
                for_=300,
            ),
            Alert(
                "LinkerdLeafExpiring",
                "count by (namespace) (control_identity_cert_expiration_timestamp_seconds - time() "
                f"< {limits.leaf_left})",
                "critical",
                "{{ $value }} proxies in {{ $labels.namespace }} have a certificate that ends "
                f"within {duration(limits.leaf_left)}",
                "A proxy asks for a new leaf after 70 per cent of its lifetime; these got none.",
                _PAGE,
                for_=300,
            ),
            Alert(
                "LinkerdLeafRefreshFailing",
                "sum by (namespace) (increase(control_identity_cert_refreshes_total"
                f'{{result="error"}}[15m])) > {limits.leaf_refresh_errors}',
                "warning",
                "Proxies in {{ $labels.namespace }} get no new certificate",
                "Identity refused or did not answer {{ $value | humanize }} times in 15 minutes.",
                _PAGE,
            ),
        ],
    )
