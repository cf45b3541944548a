"""Arguments of the alerts, as a staging stack with defaults has them."""

from __future__ import annotations

from typing import Any

from components.alerts.component import AlertsArgs
from components.alerts.groups.model import (
    AlertWorkload,
    Meshed,
    Objective,
    Objectives,
    Setting,
    Thresholds,
)
from components.alerts.section import ThresholdsSection as Defaults
from schema.values import Duration

# 200 days after the start of promtool's clock.
ANCHOR_END = "1970-07-20T00:00:00+00:00"
RUNBOOKS = "https://runbooks.example.com/alerts"


def thresholds() -> Thresholds:
    """The defaults of a stack file, with three replicas of the control plane."""
    section = Defaults()
    values = {name: getattr(section, name) for name in Defaults.model_fields}
    plain = {k: v.seconds if isinstance(v, Duration) else v for k, v in values.items()}
    return Thresholds(**{**plain, "quorum": 2})


def setting() -> Setting:
    """One namespace in the mesh, one workload with objectives of its own, and a heartbeat."""
    return Setting(
        heartbeat=True,
        ingress=True,
        egress_gateway=True,
        thresholds=thresholds(),
        objectives=Objectives(
            default=Objective(success=0.999, latency=1000, fast=0.99),
            workloads=(
                Objective(namespace="shop", workload="db", success=0.95, latency=100, fast=0.9),
            ),
            least_requests=100,
        ),
        meshed=(
            Meshed(name="linkerd-viz"),
            Meshed(
                name="shop",
                opt_out=(
                    AlertWorkload(kind="Deployment", name="legacy"),
                    AlertWorkload(kind="CronJob", name="backup"),
                    AlertWorkload(kind="StatefulSet", name="old"),
                ),
            ),
        ),
        overview=True,
    )


def alerts_args(**changes: Any) -> AlertsArgs:
    """Arguments of `Alerts`, some of them changed."""
    made: dict[str, Any] = {
        "form": "prometheus-rule",
        "namespace": "linkerd",
        "labels": {"release": "prometheus"},
        "runbooks": RUNBOOKS,
        "cluster": "test",
        "environment": "staging",
        "disabled": (),
        "setting": setting(),
    }
    return AlertsArgs(**{**made, **changes})
