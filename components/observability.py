"""The section `observability` of a stack file: a line for each feature that watches the mesh."""

from __future__ import annotations

from typing import Protocol

from pydantic import Field

from components.alert_routing.section import RoutingSection
from components.alerts.section import AlertsSection
from components.dashboards.section import DashboardsSection
from components.monitors.section import MonitorsSection
from components.tracing.section import TracingSection
from schema.section import Section


class ObservabilitySection(Section):
    """What is watched, and when somebody hears of it."""

    alerts: AlertsSection = Field(AlertsSection(), description="Alert and recording rules.")
    monitors: MonitorsSection = Field(MonitorsSection(), description="What Prometheus scrapes.")
    tracing: TracingSection = Field(TracingSection(), description="Spans of the proxies.")
    dashboards: DashboardsSection = Field(DashboardsSection(), description="Grafana dashboards.")
    routing: RoutingSection = Field(RoutingSection(), description="Who hears of the alerts.")


class HasObservability(Protocol):
    """A config with the section `observability`."""

    @property
    def observability(self) -> ObservabilitySection: ...  # noqa: D102
