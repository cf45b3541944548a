"""Rules of the section `observability.dashboards`. Each gives every fault it finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from components.cluster import HasCluster, needs_a_cluster
from components.observability import HasObservability
from schema.faults import Fault

_SECTION = ("observability", "dashboards")
_FORM = ("observability", "alerts", "form")
# Labels by which the queries select or group: one of them cannot tell clusters apart.
OWN_LABELS = frozenset(
    {
        *("namespace", "pod", "container", "deployment", "statefulset", "daemonset", "workload"),
        *("name", "le", "tls", "direction", "version", "generation", "condition", "status"),
        *("classification", "authz_name", "srv_kind", "alertstate", "environment", "phase"),
    }
)


class _Config(HasObservability, HasCluster, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `observability.dashboards`.

    - `observability.dashboards` need `alerts` that are not `off`, which record what they read;
      `clusterLabel` is none of the metrics' own labels.
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
    label = section.cluster_label
    if label in OWN_LABELS:
        yield Fault(
            (*_SECTION, "clusterLabel"),
            f"{label} is a label of the metrics themselves: write the external label of your "
            "clusters, such as cluster",
        )
