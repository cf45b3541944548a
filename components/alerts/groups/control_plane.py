"""Rules about the control plane, injection, and whether the data plane follows.

Metrics: kube-state-metrics docs/metrics/workload, Kubernetes
staging/src/k8s.io/apiserver/pkg/admission/metrics/metrics.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.alerts.groups.model import Alert, Group, Meshed, Setting, duration, grown
from components.names import LINKERD

_PAGE = "control-plane"
DEPLOYMENTS = ("linkerd-destination", "linkerd-identity", "linkerd-proxy-injector")
INJECTOR_WEBHOOK = "linkerd-proxy-injector.linkerd.io"
PROXY = 'container="linkerd-proxy"'
RUNNING = 'kube_pod_status_phase{phase="Running"} == 1'
_OWNER = "namespace, created_by_kind, created_by_name"


def control_plane(setting: Setting) -> Group:
    """Replicas, the injector, pods outside the mesh, old proxies."""
    limits = setting.thresholds
    available = f'kube_deployment_status_replicas_available{{namespace="{LINKERD}"'
    rules = [
        Alert(
            "LinkerdControlPlaneBelowQuorum",
            "max by (namespace, deployment) "
            f'({available},deployment=~"{"|".join(DEPLOYMENTS)}"}}) < {limits.quorum}',
            "critical",
            "{{ $labels.deployment }} has {{ $value }} ready replicas",
            f"It needs {limits.quorum}. With none left no pod is injected, no proxy gets a "
            "certificate, or none learns of a new endpoint.",
            _PAGE,
            for_=limits.settle,
        ),
        *(
            Alert(
                "LinkerdControlPlaneMissing",
                f'absent({available},deployment="{deployment}"}})',
                "critical",
                f"There is no {deployment}, or no metric of it",
                "The Deployment is gone, or kube-state-metrics is.",
                _PAGE,
                # Twice: kube-state-metrics itself is made anew now and then.
                for_=2 * limits.settle,
                namespace=LINKERD,
                labels={"deployment": deployment},
            )
            for deployment in DEPLOYMENTS
        ),
        Alert(
            "LinkerdInjectorRejections",
            f"sum by (name, error_type) ({_grown('rejection_count')}) > "
            f"{limits.injector_rejections}",
            "critical",
            "The API server refused {{ $value | humanize }} requests for the injector's sake",
            "{{ $labels.error_type }}: pods of meshed namespaces do not start.",
            _PAGE,
            namespace=LINKERD,
        ),
        Alert(
            "LinkerdInjectorFailOpen",
            f"sum by (name) ({_grown('fail_open_count')}) > 0",
            "critical",
            "{{ $value | humanize }} requests went past the injector",
            "With webhookFailurePolicy Ignore pods started outside the mesh, unnoticed.",
            _PAGE,
            namespace=LINKERD,
        ),
        Alert(
            "LinkerdProxyVersionSkew",
            _skew(),
            "warning",
            "{{ $value }} pods in {{ $labels.namespace }} have the proxy {{ $labels.image_spec }}",
            "That is not the control plane's own. An injected proxy changes only when its pod is "
            "made anew.",
            _PAGE,
            for_=limits.old_proxies,
        ),
    ]
    if setting.meshed:
        rules.append(
            Alert(
                "LinkerdPodsUnmeshed",
                _unmeshed(setting.meshed),
                "critical",
                "{{ $value }} pods of {{ $labels.created_by_kind }} "
                "{{ $labels.created_by_name }} in {{ $labels.namespace }} have no proxy",
                f"Their namespace is in the mesh. They have run for {duration(limits.unmeshed)} "
                "without mTLS, policy and metrics.",
                _PAGE,
                for_=limits.unmeshed,
            )
        )
    return Group("linkerd-platform-control-plane", rules)


def _grown(counter: str) -> str:
    """By how much a counter of the API server about the injector grew in 10 minutes."""
    series = f'apiserver_admission_webhook_{counter}{{name="{INJECTOR_WEBHOOK}"}}'
    return grown(series, 600, "on (job, instance) (up offset 10m)")


def with_proxy(matchers: str) -> str:
    """Running containers of the proxy, which is an init container where it is a native sidecar."""
    both = (
        f"kube_pod_init_container_info{{{matchers}}}",
        f"kube_pod_container_info{{{matchers}}}",
    )
    return " or ".join(both)


def _skew() -> str:
    """Proxies whose image is another than those in the control plane, while there is one."""
    theirs = with_proxy(f'{PROXY},namespace!="{LINKERD}"')
    reference = with_proxy(f'{PROXY},namespace="{LINKERD}"')
    running = f"(({theirs}) and on (namespace, pod) ({RUNNING}))"
    return (
        f"count by (namespace, image_spec) ({running}) "
        f"unless on (image_spec) ({reference}) "
        f"and on () (count({reference}) > 0)"
    )


def _unmeshed(meshed: Sequence[Meshed]) -> str:
    """Running pods of meshed namespaces without a proxy, by what made them."""
    namespaces = "|".join(each.name for each in meshed)
    # A pod on the host's network is never injected.
    pods = f'kube_pod_info{{namespace=~"{namespaces}",host_network="false"}}'
    proxies = with_proxy(f'{PROXY},namespace=~"{namespaces}"')
    left_out = [
        f"kube_pod_info{{{_made_by(each.name, workload.kind, workload.name)}}}"
        for each in meshed
        for workload in each.opt_out
    ]
    outside = "".join(f" unless on (namespace, pod) {series}" for series in left_out)
    return (
        f"count by ({_OWNER}) ({pods} and on (namespace, pod) ({RUNNING}) "
        f"unless on (namespace, pod) ({proxies}){outside})"
    )


# What makes the pods of a workload, and how it is called.
_MAKERS = {
    "Deployment": ("ReplicaSet", "-[0-9a-z]+"),
    "CronJob": ("Job", "-[0-9]+"),
}


def _made_by(namespace: str, kind: str, name: str) -> str:
    maker, suffix = _MAKERS.get(kind, (kind, ""))
    operator = "=~" if suffix else "="
    return (
        f'namespace="{namespace}",created_by_kind="{maker}",'
        f'created_by_name{operator}"{name}{suffix}"'
    )
