"""Rules about what comes from Vault: secrets, stores, issuers, and the operators for them.

Metrics: external-secrets pkg/controllers/*/*metrics, cert-manager internal/collectors and
pkg/metrics/metrics.go, kube-state-metrics docs/metrics/workload/deployment-metrics.md.
"""

from __future__ import annotations

from components.alerts.groups.model import Alert, Group, Setting, either

_PAGE = "secrets"


def _condition(kind: str) -> str:
    status = f'{kind}_status_condition{{condition="Ready",status="False"}}'
    return f"max by (namespace, name) ({status}) == 1"


def secrets(setting: Setting) -> Group:
    """External Secrets, its stores, cert-manager and its issuers."""
    limits = setting.thresholds
    places = setting.operators
    operators = either(tuple(dict.fromkeys((places.cert_manager, places.external_secrets))))
    available = f'kube_deployment_status_replicas_available{{namespace=~"{operators}"}}'
    wanted = f'kube_deployment_spec_replicas{{namespace=~"{operators}"}}'
    cluster_issuer = 'certmanager_clusterissuer_ready_status{name=~"linkerd-.+",condition="True"}'
    return Group(
        "linkerd-platform-secrets",
        [
            Alert(
                "ExternalSecretNotReady",
                _condition("externalsecret"),
                "warning",
                "The ExternalSecret {{ $labels.namespace }}/{{ $labels.name }} is not ready",
                "Its Secret is kept as it was read last; a change in Vault does not arrive.",
                _PAGE,
                for_=limits.not_ready,
            ),
            Alert(
                "ExternalSecretSyncErrors",
                "sum by (namespace, name) (increase(externalsecret_sync_calls_error[15m])) > "
                f"{limits.secret_errors}",
                "warning",
                "The ExternalSecret {{ $labels.namespace }}/{{ $labels.name }} fails again and "
                "again",
                "{{ $value | humanize }} failed readings in 15 minutes.",
                _PAGE,
            ),
            Alert(
                "PushSecretNotReady",
                _condition("pushsecret"),
                "warning",
                "The PushSecret {{ $labels.namespace }}/{{ $labels.name }} is not ready",
                "What the cluster made, such as a trust anchor, does not reach Vault.",
                _PAGE,
                for_=limits.not_ready,
            ),
            Alert(
                "SecretStoreNotReady",
                _condition("secretstore"),
                "critical",
                "The SecretStore {{ $labels.namespace }}/{{ $labels.name }} does not reach Vault",
                "Vault is sealed or away, or refuses the login.",
                _PAGE,
                for_=limits.not_ready,
            ),
            Alert(
                "ClusterSecretStoreNotReady",
                # The series has an empty namespace, which is the same as none.
                'max by (name) (clustersecretstore_status_condition{condition="Ready",'
                'status="False"}) == 1',
                "critical",
                "The ClusterSecretStore {{ $labels.name }} does not reach Vault",
                "Vault is sealed or away, or refuses the login. No secret is read any more.",
                _PAGE,
                for_=limits.not_ready,
                namespace=places.external_secrets,
            ),
            Alert(
                "CertificateIssuerNotReady",
                f"max by (name) ({cluster_issuer}) == 0",
                "critical",
                "The ClusterIssuer {{ $labels.name }} is not ready",
                "It signs nothing: the next renewal fails.",
                _PAGE,
                for_=limits.not_ready,
                namespace=places.cert_manager,
            ),
            Alert(
                "SecretOperatorNotReady",
                f"max by (namespace, deployment) ({available}) == 0 and "
                f"max by (namespace, deployment) ({wanted}) > 0",
                "critical",
                "{{ $labels.deployment }} in {{ $labels.namespace }} has no ready replica",
                "Certificates are not renewed, or secrets not read, until it is back.",
                _PAGE,
                for_=limits.not_ready,
            ),
            Alert(
                "CertManagerSyncErrors",
                "sum by (controller) (increase(certmanager_controller_sync_error_count[15m])) > "
                f"{limits.sync_errors}",
                "warning",
                "cert-manager's controller {{ $labels.controller }} fails again and again",
                "{{ $value | humanize }} errors in 15 minutes.",
                _PAGE,
                namespace=places.cert_manager,
            ),
        ],
    )
