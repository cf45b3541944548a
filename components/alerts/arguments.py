"""From a stack's config to the arguments of `Alerts`."""

from __future__ import annotations

from typing import Protocol

from components.alerts.component import AlertsArgs
from components.alerts.groups.model import (
    AlertWorkload,
    Meshed,
    Objective,
    Objectives,
    Setting,
    Thresholds,
)
from components.alerts.section import WorkloadObjective
from components.cluster import ClusterSection, HasCluster
from components.egress.section import HasEgress
from components.external_secrets import HasOperators, operators
from components.ingress.section import HasIngress
from components.linkerd import HasLinkerd
from components.names import LINKERD_TRACING, LINKERD_VIZ
from components.observability import HasObservability
from components.rollout import plan
from components.rollout.section import HasRollout
from components.viz import HasViz
from schema.values import Duration


class HasAlerts(
    HasObservability, HasLinkerd, HasViz, HasRollout, HasOperators, HasIngress, HasEgress, Protocol
):
    """A config with all that the alerts depend on."""


def setting(config: HasAlerts) -> Setting:
    """All that the rules depend on."""
    return Setting(
        thresholds=_thresholds(config),
        objectives=_objectives(config),
        meshed=_meshed(config),
        overview=config.observability.dashboards.enabled,
        heartbeat=config.observability.routing.has_heartbeat,
        operators=operators(config),
        absent=config.observability.alerts.absent,
        ingress=config.ingress.enabled,
        egress_gateway=config.egress.gateway.enabled,
    )


def arguments(config: HasAlerts, cluster: ClusterSection, environment: str) -> AlertsArgs | None:
    """Arguments of `Alerts`; None where they are off. The environment is the stack's name."""
    section = config.observability.alerts
    if section.form == "off":
        return None
    return AlertsArgs(
        form=section.form,
        namespace=section.namespace,
        labels=section.labels,
        runbooks=section.runbooks or "",
        cluster=cluster.name,
        environment=environment,
        disabled=section.disabled,
        cluster_label=section.cluster_label,
        setting=setting(config),
    )


class _OfACluster(HasObservability, HasCluster, Protocol):
    """The sections that tell whose series are ours."""


def own_series(config: _OfACluster) -> tuple[str, str] | None:
    """The label of this cluster's series and its value, where Prometheus has those of others."""
    label = config.observability.alerts.cluster_label
    return (label, config.cluster.name) if label and config.cluster else None


def _thresholds(config: HasAlerts) -> Thresholds:
    section = config.observability.alerts.thresholds
    values = {
        name: value.seconds if isinstance(value, Duration) else value
        for name in type(section).model_fields
        if (value := getattr(section, name)) is not None
    }
    # The majority: what is left when it is lost is one failure away from nothing.
    return Thresholds(**{"quorum": config.linkerd.replicas // 2 + 1, **values})


def _objectives(config: HasAlerts) -> Objectives:
    section = config.observability.alerts.objectives
    default = Objective(
        success=_fraction(section.success), latency=section.latency, fast=_fraction(section.fast)
    )
    return Objectives(
        default=default,
        workloads=tuple(_objective(default, each) for each in section.workloads),
        least_requests=section.least_requests,
    )


def _objective(default: Objective, own: WorkloadObjective) -> Objective:
    return Objective(
        namespace=own.namespace,
        workload=own.workload,
        success=_fraction(own.success) if own.success else default.success,
        latency=own.latency or default.latency,
        fast=_fraction(own.fast) if own.fast else default.fast,
    )


def _fraction(per_cent: str) -> float:
    return round(float(per_cent) / 100, 9)


def _meshed(config: HasAlerts) -> tuple[Meshed, ...]:
    """The namespaces in which every pod must have a proxy, and the workloads that stay outside."""
    own = [Meshed(name=LINKERD_VIZ)] if config.viz.enabled else []
    if config.observability.tracing.bundled:
        own.append(Meshed(name=LINKERD_TRACING))
    planned = [
        Meshed(
            name=namespace.name,
            opt_out=tuple(_workload(each) for each in namespace.workloads.opt_out),
        )
        for wave, namespace in plan.named(config)
        if wave.state == "on" and not namespace.opt_out
    ]
    return tuple(sorted((*own, *planned), key=lambda each: each.name))


def _workload(text: str) -> AlertWorkload:
    kind, _, name = text.partition("/")
    return AlertWorkload(kind=kind, name=name)
