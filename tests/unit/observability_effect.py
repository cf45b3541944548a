"""The keys of the section `observability` in the form of `test_config_effect`."""

from __future__ import annotations

from typing import Any

from tests.unit import tracing_effect

ALERTS = "observability.alerts"
MONITORS = "observability.monitors"
_TIMES = (
    "anchorWarning anchorCritical issuerLeft renewalOverdue issuerReload webhookLeft leafLeft "
    "notReady unmeshed oldProxies noReadyEndpoint gatewayDown"
)
_COUNTS = (
    "leafRefreshErrors secretErrors syncErrors quorum injectorRejections denials auditHits "
    "rateLimited"
)

CHANGES: dict[str, Any] = {
    f"{ALERTS}.form": "file",
    f"{ALERTS}.namespace": "linkerd-viz",
    f"{ALERTS}.labels": {"role": "other"},
    f"{ALERTS}.runbooks": "https://other.example.com",
    f"{ALERTS}.disabled": ["LinkerdAuditHits"],
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
    **tracing_effect.CHANGES,
}
ELSEWHERE = tracing_effect.ELSEWHERE
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
    "tracing": tracing_effect.PLAN,
}
