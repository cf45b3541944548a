"""Every dashboard, in the order in which one reads them."""

from __future__ import annotations

from components.dashboards.grafana.certificates import certificates
from components.dashboards.grafana.egress_gateway import egress_gateway
from components.dashboards.grafana.ingress import ingress
from components.dashboards.grafana.mesh import mesh
from components.dashboards.grafana.model import Dashboard, View
from components.dashboards.grafana.policy import policy
from components.dashboards.grafana.rollout import rollout
from components.dashboards.grafana.service import service
from components.dashboards.grafana.traffic import traffic
from components.dashboards.grafana.workload import workload


def every(view: View) -> list[Dashboard]:
    """The dashboards; that of a gateway where there is one."""
    always = (mesh, workload, service, traffic, certificates, rollout, policy)
    gateways = {ingress: view.setting.ingress, egress_gateway: view.setting.egress_gateway}
    return [make(view) for make in (*always, *(each for each in gateways if gateways[each]))]
