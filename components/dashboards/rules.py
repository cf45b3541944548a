"""Rules of the section `observability.dashboards`. Each gives every fault it finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from components.alerts.rules import of_the_metrics
from components.cluster import HasCluster, needs_a_cluster
from components.observability import HasObservability
from schema.faults import Fault

_SECTION = ("observability", "dashboards")
_FORM = ("observability", "alerts", "form")
_RULES_LABEL = ("observability", "alerts", "clusterLabel")


class _Config(HasObservability, HasCluster, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `observability.dashboards`.

    - `observability.dashboards` need `alerts` that are not `off`, which record what they read;
      `clusterLabel` is none of the metrics' own labels, and the alerts' own where these have one.
    """
    section = config.observability.dashboards
    yield from needs_a_cluster(config, {_SECTION: section.enabled})
    if section.enabled and config.observability.alerts.form == "off":
        yield Fault(
            (*_SECTION, "enabled"),
            "the dashboards read what the rules record: set observability.alerts.form to "
            "'prometheus-rule' or 'file' (alerts.disabled leaves out alerts that you do not want)",
            looks_at=(_FORM,),
        )
    if section.enabled and not section.labels:
        message = "lists none: no sidecar finds the dashboards; write grafana_dashboard: '1'"
        yield Fault((*_SECTION, "labels"), message)
    yield from of_the_metrics((*_SECTION, "clusterLabel"), section.cluster_label)
    recorded = config.observability.alerts.cluster_label
    if section.enabled and recorded and section.cluster_label != recorded:
        yield Fault(
            (*_SECTION, "clusterLabel"),
            f"what the rules record of several clusters is told apart by {recorded}, and would be "
            f"added up here: write clusterLabel: {recorded}",
            looks_at=(_RULES_LABEL,),
        )
