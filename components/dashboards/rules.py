"""Rules of the section `observability.dashboards`. Each gives every fault it finds."""

from __future__ import annotations

from collections.abc import Iterator

from schema.faults import Fault
from stack.config import StackConfig

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


def check(config: StackConfig) -> Iterator[Fault]:
    """All faults of `observability.dashboards`."""
    section = config.observability.dashboards
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
