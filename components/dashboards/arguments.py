"""From a stack's config to the arguments of the dashboards."""

from __future__ import annotations

from components.alerts.arguments import HasAlerts, setting
from components.cluster import ClusterSection
from components.dashboards.component import DashboardsArgs
from components.dashboards.grafana.model import View, WaveView


def arguments(
    config: HasAlerts, cluster: ClusterSection, environment: str
) -> DashboardsArgs | None:
    """Arguments of `Dashboards`; None where they are off. The environment is the stack's name."""
    section = config.observability.dashboards
    if not section.enabled:
        return None
    folder = {section.folder_annotation: section.folder} if section.folder else {}
    return DashboardsArgs(
        namespace=section.namespace,
        labels=section.labels,
        annotations=folder,
        view=View(
            setting=setting(config),
            waves=_waves(config),
            runbooks=config.observability.alerts.runbooks or "",
            cluster=cluster.name,
            environment=environment,
            datasource=section.datasource,
            cluster_label=section.cluster_label,
        ),
    )


def _waves(config: HasAlerts) -> tuple[WaveView, ...]:
    """The waves with the namespaces that are to be in the mesh."""
    return tuple(
        WaveView(
            name=wave.name,
            state=wave.state,
            namespaces=tuple(each.name for each in wave.namespaces if not each.opt_out),
        )
        for wave in config.rollout.waves
    )
