"""How fast a workload burns its error budget, by its own objective where it has one."""

from __future__ import annotations

from components.alerts.groups.model import PREFIX, Objectives
from components.dashboards.grafana.model import Metrics

_RECORDED = ('namespace="$namespace"', 'workload="$workload"')


def error_ratio(window: str) -> str:
    """The record of the share of failed requests over a window such as `1h`."""
    return f"{PREFIX}:workload_error_ratio:{window}"


def burn(metrics: Metrics, objectives: Objectives, window: str) -> str:
    """How many times faster than it may the error budget of the workload is burnt."""
    ratio = metrics(error_ratio(window), *_RECORDED)
    parts = []
    for each in objectives.workloads:
        only = metrics(
            error_ratio(window),
            f'namespace="{each.namespace}"',
            f'workload="{each.workload}"',
        )
        parts.append(f"({ratio} and {only}) / {round(1 - each.success, 9):g}")
    return " or ".join([*parts, f"{ratio} / {round(1 - objectives.default.success, 9):g}"])
