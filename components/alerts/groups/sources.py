"""Rules about the metrics themselves: what is not scraped raises no alert.

A silent Prometheus looks like a healthy cluster.
"""

from __future__ import annotations

from collections.abc import Collection

from components.alerts.groups.model import PREFIX, Alert, Group, RecordingRule, Setting
from components.alerts.groups.selectors import metrics
from components.names import CERT_MANAGER, EXTERNAL_SECRETS, LINKERD

_PAGE = "sources"
CLUSTER_DOWN = "KubernetesApiServerDown"
WATCHDOG = "LinkerdWatchdog"
# A metric that is always there while its source is, where that runs, and what is blind without it.
SOURCES = {
    "linkerd-identity": ("issuer_cert_ttl_seconds", LINKERD),
    "linkerd-proxy": ("control_identity_cert_expiration_timestamp_seconds", LINKERD),
    "cert-manager": ("certmanager_clock_time_seconds_gauge", CERT_MANAGER),
    "external-secrets": ("externalsecret_sync_calls_total", EXTERNAL_SECRETS),
    "kube-state-metrics": ("kube_pod_info", LINKERD),
    "kube-apiserver": ("apiserver_admission_webhook_request_total", LINKERD),
}
# The metrics of each source, by how their names begin.
_OF_SOURCE = {
    "linkerd-identity": ("issuer_cert_",),
    "linkerd-proxy": (
        *("control_identity_cert_", "inbound_", "outbound_", "request_", "response_", "tcp_"),
        *(f"{PREFIX}:workload_", f"{PREFIX}:namespace_", f"{PREFIX}:policy_"),
    ),
    "cert-manager": ("certmanager_",),
    "external-secrets": (
        *("externalsecret_", "pushsecret_", "secretstore_", "clustersecretstore_"),
    ),
    "kube-state-metrics": ("kube_", f"{PREFIX}:proxies:"),
    "kube-apiserver": ("apiserver_",),
}
# Its jobs, as the usual installations of Prometheus call them.
API_SERVER_JOBS = "apiserver|kube-apiserver|kubernetes-apiservers"


def sources(setting: Setting) -> Group:
    """One alert per source, one for the API server, and the heartbeat where it is sent."""
    limits, places = setting.thresholds, setting.operators
    runs = {CERT_MANAGER: places.cert_manager, EXTERNAL_SECRETS: places.external_secrets}
    return Group(
        "linkerd-platform-sources",
        [
            *(
                Alert(
                    "LinkerdMetricsMissing",
                    f"absent({metric})",
                    "warning",
                    f"Prometheus has no metrics of {source}",
                    f"No rule about it can fire: {metric} is not there.",
                    _PAGE,
                    for_=limits.metrics_missing,
                    namespace=runs.get(source, namespace),
                    labels={"source": source},
                )
                for source, (metric, namespace) in SOURCES.items()
            ),
            Alert(
                CLUSTER_DOWN,
                f'sum(up{{job=~"{API_SERVER_JOBS}"}}) == 0',
                "critical",
                "No API server answers Prometheus",
                "Most other alerts of the cluster follow from it; routing mutes them.",
                _PAGE,
                for_=120,
                namespace="kube-system",
            ),
            *([_WATCHDOG] if setting.heartbeat else []),
        ],
    )


def needs(rule: Alert | RecordingRule, absent: Collection[str]) -> bool:
    """Whether a rule reads metrics of a source that is never there."""
    if not absent:
        return False
    if isinstance(rule, Alert) and rule.name == CLUSTER_DOWN:
        return "kube-apiserver" in absent
    starts = tuple(start for source in absent for start in _OF_SOURCE[source])
    return any(name.startswith(starts) for name in metrics(rule.expr))


_WATCHDOG = Alert(
    WATCHDOG,
    # A Prometheus that reaches no target at all is as good as none.
    "count(up == 1) > 0",
    "info",
    "Prometheus reaches {{ $value }} targets, and alerts leave it",
    "It fires all the time. When it does not arrive any more, nor would any other alert.",
    _PAGE,
    namespace=LINKERD,
)
