"""From a stack's config to the arguments of `Monitors`."""

from __future__ import annotations

from typing import Protocol

from components.egress.section import HasEgress
from components.external_secrets import HasOperators, operators
from components.ingress.section import HasIngress
from components.monitors.component import MonitorsArgs
from components.observability import HasObservability
from components.viz import HasViz


class _Config(HasObservability, HasViz, HasOperators, HasIngress, HasEgress, Protocol):
    """The sections that the monitors are made from."""


def arguments(config: _Config) -> MonitorsArgs | None:
    """Arguments of `Monitors`; None where they are off."""
    section = config.observability.monitors
    if not section.enabled:
        return None
    return MonitorsArgs(
        labels=section.labels,
        interval=section.interval.go,
        viz=config.viz.enabled,
        tracing=config.observability.tracing.bundled,
        operators=operators(config),
        ingress=config.ingress.enabled,
        egress_gateway=config.egress.gateway.enabled,
    )
