"""Arguments of the routing, as a stack with both kinds of receivers has them."""

from __future__ import annotations

from typing import Any

from components.alert_routing.component import AlertRoutingArgs
from components.alert_routing.routes.model import (
    HeartbeatArgs,
    ReceiverArgs,
    RouteArgs,
    RoutingArgs,
)

SLACK = ReceiverArgs(
    name="mesh-slack",
    type="slack",
    vault_path="alerting/slack",
    vault_key="url",
    channel="#mesh-alerts",
)
ON_CALL = ReceiverArgs(
    name="mesh-on-call",
    type="splunk-on-call",
    vault_path="alerting/splunk-on-call",
    vault_key="api_key",
    routing_key="mesh",
)
BEAT = HeartbeatArgs(vault_path="alerting/heartbeat", vault_key="url", interval=300)
# Whom production calls, staging writes to; what is for information goes nowhere.
ROUTES = (
    RouteArgs(severity="critical", environments=("staging", "sandbox"), receivers=("mesh-slack",)),
    RouteArgs(severity="critical", receivers=("mesh-slack", "mesh-on-call")),
    RouteArgs(severity="warning", receivers=("mesh-slack",), repeat_interval="12h"),
)


def routing(**changes: Any) -> RoutingArgs:
    """The routing, some of it changed."""
    made: dict[str, Any] = {
        "receivers": (SLACK, ON_CALL),
        "routes": ROUTES,
        "group_by": ("cluster", "alertname", "namespace"),
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "4h",
        "signing": "anchor-1",
    }
    return RoutingArgs(**{**made, **changes})


def routing_args(form: str = "alertmanager-config", **changes: Any) -> AlertRoutingArgs:
    """Arguments of `AlertRouting`; `changes` are of the routing."""
    made: dict[str, Any] = {
        "form": form,
        "namespace": "monitoring",
        "labels": {"team": "platform"},
        "refresh_interval": "10m0s",
        "routing": routing(**changes),
    }
    return AlertRoutingArgs(**made)
