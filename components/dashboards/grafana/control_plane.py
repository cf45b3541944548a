"""Panels about the control plane and its versions, and the alerts that fire."""

from __future__ import annotations

from components.alerts.groups import overview, slo
from components.alerts.groups.control_plane import DEPLOYMENTS, INJECTOR_WEBHOOK
from components.alerts.groups.model import either
from components.dashboards.grafana.model import (
    HEALTHY,
    Column,
    Metrics,
    Panel,
    Query,
    View,
    at_least,
)
from components.names import LINKERD

_SYSTEM = f'namespace="{LINKERD}"'


def health(view: View, metrics: Metrics) -> list[Panel]:
    """Replicas, failures, restarts, the injector, the Kubernetes API."""
    ours = f'deployment=~"{either(DEPLOYMENTS)}"'
    inbound = metrics("response_total", _SYSTEM, slo.INBOUND)
    failed = metrics("response_total", _SYSTEM, slo.INBOUND, 'classification="failure"')
    by = "sum by (deployment)"
    hook = f'name="{INJECTOR_WEBHOOK}"'
    rejected = metrics("apiserver_admission_webhook_rejection_count", hook)
    passed = metrics("apiserver_admission_webhook_fail_open_count", hook)
    replicas = [
        metrics("kube_deployment_status_replicas_available", _SYSTEM, ours),
        metrics("kube_deployment_spec_replicas", _SYSTEM, ours),
    ]
    quorum = view.setting.thresholds.quorum
    return [
        Panel(
            "table",
            "Replicas",
            f"Ready and wanted replicas; red below the quorum of {quorum}.",
            [Query(f"max by (deployment) ({each})") for each in replicas],
            8,
            columns=[
                Column("deployment", "Deployment"),
                Column(0, "Ready", steps=at_least(quorum)),
                Column(1, "Wanted"),
            ],
            runbook="control-plane.md#linkerdcontrolplanebelowquorum",
            empty="No control plane",
        ),
        Panel(
            "timeseries",
            "Failed requests",
            "Requests that the control plane failed, as its own proxies see it.",
            [
                Query(
                    f"({by} (rate({failed}[$__rate_interval])) or 0 * {by} "
                    f"(rate({inbound}[$__rate_interval]))) / "
                    f"({by} (rate({inbound}[$__rate_interval])) > 0)",
                    "{{deployment}}",
                )
            ],
            8,
            unit="percentunit",
            limits=(0, 1),
        ),
        Panel(
            "timeseries",
            "Restarts in one hour",
            "Of the containers of the control plane.",
            [
                Query(
                    "sum by (container) (increase("
                    f"{metrics('kube_pod_container_status_restarts_total', _SYSTEM)}[1h]))",
                    "{{container}}",
                )
            ],
            8,
            limits=(0, None),
            empty=HEALTHY,
        ),
        Panel(
            "timeseries",
            "Injector, as the API server sees it",
            "Requests refused for the injector's sake, and requests that went past it.",
            [
                Query(f"sum(rate({rejected}[$__rate_interval]))", "refused"),
                Query(f"sum(rate({passed}[$__rate_interval]))", "went past it"),
            ],
            12,
            unit="reqps",
            limits=(0, None),
            runbook="control-plane.md#linkerdinjectorrejections",
            empty=HEALTHY,
        ),
        Panel(
            "timeseries",
            "Errors of the Kubernetes API",
            "As the control plane's clients count them.",
            [
                Query(
                    "sum by (client) (rate("
                    f"{metrics('http_client_errors_total', _SYSTEM)}[$__rate_interval]))",
                    "{{client}}",
                )
            ],
            12,
            unit="reqps",
            limits=(0, None),
            empty=HEALTHY,
        ),
    ]


def versions(metrics: Metrics) -> list[Panel]:
    """What runs, in the control plane and beside the workloads."""
    images = metrics("kube_pod_container_info", _SYSTEM, 'container!="linkerd-proxy"')
    proxies = metrics(overview.PROXIES)
    return [
        Panel(
            "table",
            "Control plane",
            "Containers by their image.",
            [Query(f"count by (container, image_spec) ({images})")],
            12,
            columns=[
                Column("container", "Container"),
                Column("image_spec", "Image"),
                Column(0, "Containers"),
            ],
            empty="No control plane",
        ),
        Panel(
            "timeseries",
            "Proxies by version",
            "An injected proxy changes only when its pod is made anew.",
            [Query(f"sum by (version) ({proxies})", "{{version}}")],
            12,
            stacked=True,
            limits=(0, None),
            runbook="control-plane.md#linkerdproxyversionskew",
            empty="No proxies",
        ),
    ]


def alerts(view: View, metrics: Metrics) -> Panel:
    """The alerts of this stack that fire."""
    firing = metrics("ALERTS", 'alertstate="firing"', f'environment="{view.environment}"')
    return Panel(
        "table",
        "Alerts",
        "Each has a heading of its own in the runbooks.",
        [Query(f"count by (severity, alertname, namespace) ({firing})")],
        24,
        6,
        columns=[
            Column("severity", "Severity"),
            Column("alertname", "Alert"),
            Column("namespace", "Namespace"),
            Column(0, "Instances"),
        ],
        sort="Severity",
        empty=HEALTHY,
    )
