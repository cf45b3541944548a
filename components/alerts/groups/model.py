"""What a rule is, and what rules are made from.

Follows https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from components.base import Args
from components.names import Operators

Severity = Literal["critical", "warning", "info"]
PREFIX = "linkerd_platform"
# What every alert of ours is part of: routes know them by it.
PART_OF = "linkerd-platform"


class AlertWorkload(Args):
    """A workload by its kind and name, such as `Deployment` `legacy`."""

    kind: str
    name: str


class Meshed(Args):
    """A namespace whose every pod is in the mesh, and its workloads that are not."""

    name: str
    opt_out: tuple[AlertWorkload, ...] = ()


class Thresholds(Args):
    """When an alert fires; times in seconds. docs/config.md tells each."""

    anchor_warning: int
    anchor_critical: int
    issuer_left: int
    renewal_overdue: int
    issuer_reload: int
    webhook_left: int
    leaf_left: int
    leaf_overdue: int
    settle: int
    not_ready: int
    secret_errors: int
    sync_errors: int
    quorum: int
    injector_rejections: int
    unmeshed: int
    old_proxies: int
    denials: int
    audit_hits: int
    rate_limited: int
    timed_out: int
    retries_failed: int
    no_ready_endpoint: int
    gateway_down: int
    metrics_missing: int


class Objective(Args):
    """The service level objective of a workload, or of all without `namespace` and `workload`.

    `success` and `fast` are fractions, such as 0.999; `latency` is in milliseconds, and a bucket
    of the proxy's histogram.
    """

    success: float
    latency: int
    fast: float
    namespace: str = ""
    workload: str = ""


class Objectives(Args):
    """The objective of all workloads, and of some; below `least_requests` an hour none counts."""

    default: Objective
    workloads: tuple[Objective, ...] = ()
    least_requests: int


class Setting(Args):
    """All that the rules depend on.

    overview: whether to record what the dashboards read. heartbeat: whether one alert fires all the
    time. absent: sources whose metrics are never there. operators: where cert-manager and External
    Secrets are. ingress, egress_gateway: whether that gateway runs.
    """

    thresholds: Thresholds
    objectives: Objectives
    meshed: tuple[Meshed, ...]
    overview: bool = False
    heartbeat: bool = False
    absent: tuple[str, ...] = ()
    operators: Operators = Operators()
    ingress: bool = False
    egress_gateway: bool = False


@dataclass(frozen=True)
class Alert:
    """One alerting rule.

    `for_` is in seconds. `namespace` goes into the labels of an alert whose series have none:
    an Alertmanager routes by it. `page` is the runbook below docs/runbooks/alerts/.
    """

    name: str
    expr: str
    severity: Severity
    summary: str
    description: str
    page: str
    for_: int = 0
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordingRule:
    """One recording rule."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated one after another, every `interval` seconds."""

    name: str
    rules: Sequence[Alert | RecordingRule]
    interval: int = 30


def duration(seconds: int) -> str:
    """A time as Prometheus writes it, such as `1h30m`; `0s` for none."""
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def either(names: Sequence[str]) -> str:
    """A regular expression that matches each of these names and nothing else."""
    return "|".join(names)


def grown(counter: str, window: int, scraped: str) -> str:
    """By how much a counter grew in `window` seconds, for each of its series that did.

    A counter appears with its first count, which `increase` does not see: what is new is taken
    whole. `scraped` selects, by labels that both have, what was looked at before: all is new to a
    Prometheus that has just started.
    """
    span = duration(window)
    return (
        f"(increase({counter}[{span}]) > 0 or ({counter} unless {counter} offset {span} "
        f"and {scraped}))"
    )


def grown_in_proxies(counter: str, window: int) -> str:
    """The same for a counter of proxies: those that were there before, or began meanwhile."""
    before = f"control_identity_cert_expiration_timestamp_seconds offset {duration(window)}"
    begun = f"process_start_time_seconds > time() - {window}"
    return grown(counter, window, f"on (namespace, pod) ({before} or {begun})")


def rule(each: Alert | RecordingRule, base: Mapping[str, str], runbooks: str) -> dict[str, Any]:
    """The rule as Prometheus reads it; `base` are labels that every alert has."""
    if isinstance(each, RecordingRule):
        made: dict[str, Any] = {"record": each.name, "expr": each.expr}
        return made | ({"labels": dict(each.labels)} if each.labels else {})
    own = {"namespace": each.namespace} if each.namespace else {}
    return {
        "alert": each.name,
        "expr": each.expr,
        **({"for": duration(each.for_)} if each.for_ else {}),
        "labels": {"severity": each.severity, **base, **own, **each.labels},
        "annotations": {
            "summary": each.summary,
            "description": each.description,
            "runbook_url": f"{runbooks.rstrip('/')}/{each.page}.md#{each.name.lower()}",
        },
    }
