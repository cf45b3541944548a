"""The keys of the section `observability` in the form of `test_config_effect`."""

from __future__ import annotations

from typing import Any

from tests.unit.tracing_samples import PLAN as TRACING_PLAN

ALERTS = "observability.alerts"
MONITORS = "observability.monitors"
DASHBOARDS = "observability.dashboards"
ROUTING = "observability.routing"
_TIMES = (
    "anchorWarning anchorCritical issuerLeft renewalOverdue issuerReload webhookLeft leafLeft "
    "leafOverdue settle notReady unmeshed oldProxies noReadyEndpoint gatewayDown metricsMissing"
)
_COUNTS = "secretErrors syncErrors quorum injectorRejections denials auditHits rateLimited "
_COUNTS += "timedOut retriesFailed"

CHANGES: dict[str, Any] = {
    f"{ALERTS}.form": "file",
    f"{ALERTS}.namespace": "linkerd-viz",
    f"{ALERTS}.labels": {"role": "other"},
    f"{ALERTS}.runbooks": "https://other.example.com",
    f"{ALERTS}.disabled": ["LinkerdAuditHits"],
    f"{ALERTS}.absent": ["kube-apiserver"],
    **{f"{ALERTS}.thresholds.{key}": "3h" for key in _TIMES.split()},
    # Longer than what is critical.
    f"{ALERTS}.thresholds.anchorWarning": "61d",
    **{f"{ALERTS}.thresholds.{key}": 1 for key in _COUNTS.split()},
    f"{ALERTS}.objectives.success": 99.5,
    f"{ALERTS}.objectives.latency": 500,
    f"{ALERTS}.objectives.fast": "95",
    f"{ALERTS}.objectives.leastRequests": 10,
    f"{ALERTS}.objectives.workloads.0.namespace": "other",
    f"{ALERTS}.objectives.workloads.0.workload": "other",
    f"{ALERTS}.objectives.workloads.0.success": "95",
    f"{ALERTS}.objectives.workloads.0.latency": 500,
    f"{ALERTS}.objectives.workloads.0.fast": "95",
    f"{MONITORS}.enabled": False,
    f"{MONITORS}.labels": {"role": "other"},
    f"{MONITORS}.interval": "15s",
    f"{DASHBOARDS}.enabled": False,
    f"{DASHBOARDS}.namespace": "linkerd-viz",
    f"{DASHBOARDS}.labels": {"role": "other"},
    f"{DASHBOARDS}.folder": "Other",
    f"{DASHBOARDS}.folderAnnotation": "example.com/folder",
    f"{DASHBOARDS}.datasource": "thanos",
    f"{DASHBOARDS}.clusterLabel": "k8s_cluster",
    f"{ROUTING}.form": "alertmanager-config",
    f"{ROUTING}.namespace": "observability",
    f"{ROUTING}.labels": {"role": "other"},
    f"{ROUTING}.credentialsFolder": "/secrets",
    f"{ROUTING}.receivers.0.vaultPath": "other",
    f"{ROUTING}.receivers.0.vaultKey": "other",
    f"{ROUTING}.receivers.0.channel": "#other",
    f"{ROUTING}.receivers.1.routingKey": "other",
    f"{ROUTING}.receivers.1.apiUrl": "https://relay.example.com/alert",
    f"{ROUTING}.routes.0.severity": "info",
    f"{ROUTING}.routes.0.environments": ["other"],
    f"{ROUTING}.routes.1.to": ["slack"],
    f"{ROUTING}.routes.1.repeatInterval": "2h",
    f"{ROUTING}.unmatched": ["slack"],
    f"{ROUTING}.groupBy": ["alertname", "cluster"],
    f"{ROUTING}.groupWait": "10s",
    f"{ROUTING}.groupInterval": "1m",
    f"{ROUTING}.repeatInterval": "2h",
    f"{ROUTING}.heartbeat.vaultPath": "other",
    f"{ROUTING}.heartbeat.vaultKey": "other",
    f"{ROUTING}.heartbeat.interval": "2m",
}
# Other keys must change with them.
ELSEWHERE = {
    **dict.fromkeys(
        (f"{ROUTING}.receivers.name", f"{ROUTING}.receivers.type"), "test_arguments_routing.py"
    ),
    f"{ALERTS}.clusterLabel": "test_alerts.py",
}
# What a key is changed in: everything is on.
PLAN: dict[str, Any] = {
    "alerts": {
        "form": "prometheus-rule",
        "runbooks": "https://runbooks.example.com",
        "objectives": {
            "workloads": [{"namespace": "shop", "workload": "web", "success": "99", "latency": 100}]
        },
    },
    "monitors": {"enabled": True},
    "tracing": TRACING_PLAN,
    "dashboards": {"enabled": True, "folder": "Linkerd"},
    "routing": {
        "form": "file",
        "receivers": [
            {"name": "slack", "type": "slack", "vaultPath": "a/slack", "channel": "#a"},
            {
                "name": "called",
                "type": "splunk-on-call",
                "vaultPath": "a/on-call",
                "routingKey": "a",
            },
        ],
        "routes": [
            {"severity": "critical", "environments": ["sandbox"], "to": ["slack"]},
            {"severity": "critical", "to": ["slack", "called"]},
            {"severity": "warning", "to": ["slack", "called"]},
        ],
        "heartbeat": {"vaultPath": "a/heartbeat"},
    },
}
