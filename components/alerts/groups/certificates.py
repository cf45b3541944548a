"""Rules about certificates: identity issuer, leaves, webhooks, and whether each is renewed.

Metrics: cert-manager internal/collectors/certificate_collector.go, linkerd2
pkg/identity/service.go, linkerd2-proxy linkerd/identity/src/metrics.rs.
"""

from __future__ import annotations

from components.alerts.groups.model import Alert, Group, Setting, duration, either
from components.names import IDENTITY_ISSUER, LINKERD, LINKERD_VIZ
from components.webhook_certificates import WEBHOOK_CA

_PAGE = "certificates"
_EXPIRY = "certmanager_certificate_expiration_timestamp_seconds"
_LEAF_BEGIN = "control_identity_cert_refresh_timestamp_seconds"
_LEAF_END = "control_identity_cert_expiration_timestamp_seconds"
# linkerd2-proxy linkerd/proxy/identity-client/src/certify.rs. Its counter of refreshes knows only
# certificates that came and did not fit: what identity refuses is not in it.
_LEAF_RENEWED = 0.7
# cert-manager runs several times, and each replica may have the same series.
_BY_NAME = "max by (namespace, name)"


def certificates(setting: Setting) -> Group:
    """Issuer, leaves and webhooks."""
    limits = setting.thresholds
    # The CA of the webhooks, and the certificate of trust-manager's own, are there.
    own = tuple(dict.fromkeys((setting.operators.issuer_secrets, setting.operators.trust_manager)))
    ours = either((LINKERD, LINKERD_VIZ, *own))
    issuer = f'namespace="{LINKERD}",name="{IDENTITY_ISSUER}"'
    ready = f'certmanager_certificate_ready_status{{namespace=~"{ours}",condition="True"}}'
    renewal = f'certmanager_certificate_renewal_timestamp_seconds{{namespace=~"{ours}"}}'
    theirs = f'{_EXPIRY}{{namespace=~"{LINKERD}|{LINKERD_VIZ}",name!="{IDENTITY_ISSUER}"}}'
    # Their CA, and the certificate of the one operator's webhook that is made in the same way.
    where = f'namespace{"=~" if len(own) > 1 else "="}"{either(own)}"'
    others = f'{_EXPIRY}{{{where},name=~"{WEBHOOK_CA}|trust-manager"}}'
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
                for_=limits.settle,
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
                for_=limits.settle,
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
                f"{_BY_NAME} (({theirs} or {others}) > 0) - time() < {limits.webhook_left}",
                "critical",
                "The webhook certificate {{ $labels.namespace }}/{{ $labels.name }} ends in "
                "{{ $value | humanizeDuration }}",
                "When it ends the API server refuses what the webhook looks at: no pod starts "
                "where the injector is needed.",
                _PAGE,
                for_=limits.settle,
            ),
            Alert(
                "LinkerdLeafExpiring",
                f"count by (namespace) ({_LEAF_END} - time() < {limits.leaf_left})",
                "critical",
                "{{ $value }} proxies in {{ $labels.namespace }} have a certificate that ends "
                f"within {duration(limits.leaf_left)}",
                "Or have none yet. A proxy that could not renew tries again when 70 per cent of "
                "what was left is gone; these got none then either.",
                _PAGE,
                for_=limits.settle,
            ),
            Alert(
                "LinkerdLeafRefreshFailing",
                f"count by (namespace) (time() - {_LEAF_BEGIN} > "
                f"{_LEAF_RENEWED} * ({_LEAF_END} - {_LEAF_BEGIN}) + {limits.leaf_overdue})",
                "warning",
                "{{ $value }} proxies in {{ $labels.namespace }} could not renew their certificate",
                "A proxy renews after 70 per cent of the lifetime. Identity refused these, did not "
                "answer, or gave what they do not trust.",
                _PAGE,
                for_=limits.settle,
            ),
        ],
    )
