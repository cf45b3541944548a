"""Every dashboard, in the order in which one reads them."""

from __future__ import annotations

from components.grafana.certificates import certificates
from components.grafana.mesh import mesh
from components.grafana.model import Dashboard, View
from components.grafana.policy import policy
from components.grafana.rollout import rollout
from components.grafana.service import service
from components.grafana.workload import workload


def every(view: View) -> list[Dashboard]:
    """The dashboards."""
    return [make(view) for make in (mesh, workload, service, certificates, rollout, policy)]
