"""Stack files with one fault each in the section `observability`, in the form of `one_fault`."""

from __future__ import annotations

from typing import Any

from tests.unit.stack_files import KeyPath

ALERTS = "observability.alerts"
LIMITS = f"{ALERTS}.thresholds"
OBJECTIVES = f"{ALERTS}.objectives"
DASHBOARDS = "observability.dashboards"
RUNBOOKS = "https://runbooks.example.com"


def on(**section: Any) -> dict[KeyPath, Any]:
    """Alerts that are on, with these keys."""
    given = {"form": "prometheus-rule", "runbooks": RUNBOOKS} | section
    return {("observability",): {"alerts": given}}


def limits(**section: Any) -> dict[KeyPath, Any]:
    """Some thresholds."""
    return on(thresholds=section)


def objectives(**section: Any) -> dict[KeyPath, Any]:
    """Some objectives."""
    return on(objectives=section)


def dashboards(**section: Any) -> dict[KeyPath, Any]:
    """Dashboards that are on, with these keys, and the alerts that they need."""
    alerts = {"form": "file", "runbooks": RUNBOOKS}
    return {("observability",): {"alerts": alerts, "dashboards": {"enabled": True, **section}}}


WEB = {"namespace": "shop", "workload": "web"}

FAULTS: dict[str, tuple[dict[KeyPath, Any], str, str]] = {
    "alerts-form": (on(form="prometheusrule"), f"{ALERTS}.form", "prometheus-rule"),
    "alerts-runbooks": (
        {("observability",): {"alerts": {"form": "file"}}},
        f"{ALERTS}.runbooks",
        "missing: every alert links to its page",
    ),
    "alerts-runbooks-login": (
        on(runbooks="https://me:word@runbooks.example.com"),
        f"{ALERTS}.runbooks",
        "not an address without credentials",
    ),
    "alerts-disabled": (
        on(disabled=["LinkerdIssuerExpirng"]),
        f"{ALERTS}.disabled[0]",
        "is no alert; did you mean 'LinkerdIssuerExpiring'?",
    ),
    "alerts-one-source-disabled": (
        on(disabled=["LinkerdMetricsMissing:kube-apiserver"]),
        f"{ALERTS}.disabled[0]",
        "write absent: [kube-apiserver], which leaves that one out",
    ),
    "alerts-absent": (on(absent=["apiserver"]), f"{ALERTS}.absent[0]", "kube-apiserver"),
    "alerts-cluster-label": (
        on(clusterLabel="namespace"),
        f"{ALERTS}.clusterLabel",
        "namespace is a label of the metrics themselves",
    ),
    "alerts-cluster-label-alone": (
        {
            ("observability",): {
                "alerts": {"form": "file", "runbooks": RUNBOOKS, "clusterLabel": "cluster"},
                "dashboards": {"enabled": True},
            }
        },
        f"{DASHBOARDS}.clusterLabel",
        "would be added up here: write clusterLabel: cluster",
    ),
    "alerts-label": (on(labels={"a b": "c"}), f"{ALERTS}.labels.a b", "not a label key"),
    "threshold-unknown": (limits(denial=1), f"{LIMITS}.denial", "did you mean 'denials'?"),
    "threshold-negative": (limits(denials=-1), f"{LIMITS}.denials", "greater than or equal to 0"),
    "threshold-short": (limits(notReady="30s"), f"{LIMITS}.notReady", "write 1m to 720h"),
    "threshold-long": (limits(oldProxies="31d"), f"{LIMITS}.oldProxies", "write 1m to 720h"),
    "anchor-order": (
        limits(anchorCritical="180d"),
        f"{LIMITS}.anchorCritical",
        "must be shorter than anchorWarning (4320h)",
    ),
    "anchor-always": (
        limits(anchorWarning="3650d"),
        f"{LIMITS}.anchorWarning",
        "must be shorter than the lifetime of 'anchor-1'",
    ),
    "issuer-always": (
        limits(issuerLeft="25h"),
        f"{LIMITS}.issuerLeft",
        "must be shorter than renewBefore (25h), else the alert never ends",
    ),
    "webhook-always": (limits(webhookLeft="3d"), f"{LIMITS}.webhookLeft", "renewBefore (72h)"),
    "leaf-always": (
        limits(leafLeft="8h"),
        f"{LIMITS}.leafLeft",
        "must be shorter than what is left when a proxy renews (7h12m)",
    ),
    "leaf-unwarned": (
        limits(leafOverdue="5h12m"),
        f"{LIMITS}.leafOverdue",
        "5h12m and leafLeft (2h) must together be shorter than what is left when a proxy",
    ),
    "settle-short": (limits(settle="10s"), f"{LIMITS}.settle", "write 1m to 720h"),
    "quorum": (limits(quorum=4), f"{LIMITS}.quorum", "more than linkerd.replicas (3)"),
    "objective-100": (objectives(success=100), f"{OBJECTIVES}.success", "50 to 99.999"),
    "objective-fraction": (objectives(fast=0.99), f"{OBJECTIVES}.fast", "write per cent"),
    "latency-bucket": (
        objectives(latency=250),
        f"{OBJECTIVES}.latency",
        "250 is no bucket of the proxy's histogram: write 200",
    ),
    "workload-twice": (
        objectives(workloads=[{**WEB, "latency": 100}, {**WEB, "latency": 200}]),
        f"{OBJECTIVES}.workloads[1].workload",
        "shop/web is listed twice",
    ),
    "workload-nothing": (
        objectives(workloads=[WEB]),
        f"{OBJECTIVES}.workloads[0]",
        "says nothing",
    ),
    "workload-bucket": (
        objectives(workloads=[{**WEB, "latency": 101}]),
        f"{OBJECTIVES}.workloads[0].latency",
        "write 100",
    ),
    "workload-unnamed": (
        objectives(workloads=[{"namespace": "shop", "latency": 100}]),
        f"{OBJECTIVES}.workloads[0].workload",
        "missing: Its name",
    ),
    "dashboards-without-rules": (
        {("observability",): {"dashboards": {"enabled": True}}},
        f"{DASHBOARDS}.enabled",
        "set observability.alerts.form to 'prometheus-rule' or 'file'",
    ),
    "dashboards-no-label": (dashboards(labels={}), f"{DASHBOARDS}.labels", "no sidecar finds"),
    "dashboards-label": (
        dashboards(labels={"a b": "1"}),
        f"{DASHBOARDS}.labels.a b",
        "not a label key",
    ),
    "dashboards-label-number": (
        dashboards(labels={"grafana_dashboard": 1}),
        f"{DASHBOARDS}.labels.grafana_dashboard",
        "text, in quotes",
    ),
    "dashboards-namespace": (
        dashboards(namespace="Monitoring"),
        f"{DASHBOARDS}.namespace",
        "write 'monitoring'",
    ),
    "dashboards-folder": (dashboards(folder=" a"), f"{DASHBOARDS}.folder", "not a plain text"),
    "dashboards-folder-path": (
        dashboards(folder="../etc"),
        f"{DASHBOARDS}.folder",
        "is no title of a folder",
    ),
    "dashboards-folder-annotation": (
        dashboards(folderAnnotation="a b"),
        f"{DASHBOARDS}.folderAnnotation",
        "not a label key",
    ),
    "dashboards-datasource": (
        dashboards(datasource="my prometheus"),
        f"{DASHBOARDS}.datasource",
        "write the last part of its address",
    ),
    "dashboards-cluster-label": (
        dashboards(clusterLabel="k8s-cluster"),
        f"{DASHBOARDS}.clusterLabel",
        "no label of a metric",
    ),
    "dashboards-own-label": (
        dashboards(clusterLabel="namespace"),
        f"{DASHBOARDS}.clusterLabel",
        "is a label of the metrics themselves",
    ),
    "dashboards-unknown": (
        dashboards(dataSource="a"),
        f"{DASHBOARDS}.dataSource",
        "did you mean 'datasource'?",
    ),
    "monitors-interval": (
        {("observability",): {"monitors": {"enabled": True, "interval": "5s"}}},
        "observability.monitors.interval",
        "5s is out of range: write 10s to 2m",
    ),
}
