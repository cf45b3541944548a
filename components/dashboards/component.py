"""Grafana dashboards, as ConfigMaps that the sidecar of Grafana's charts finds by a label."""

from __future__ import annotations

import pulumi
from pydantic import Field

from components.base import Args, Component, Manifest
from components.dashboards.grafana.model import View


class DashboardsArgs(Args):
    """Where the ConfigMaps are, how a sidecar finds them, and what the dashboards depend on."""

    namespace: str = "linkerd"
    labels: dict[str, str] = Field({"grafana_dashboard": "1"})
    annotations: dict[str, str] = Field({})
    view: View


class Dashboards(Component, area="observability"):
    """One ConfigMap for each dashboard: mesh, workload, service, certificates, rollout, policy."""

    def __init__(
        self, name: str, args: DashboardsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        made = manifests(args)
        for manifest in made:
            self.apply(manifest)
        self.done(
            namespace=args.namespace, names=[manifest["metadata"]["name"] for manifest in made]
        )


def manifests(args: DashboardsArgs) -> list[Manifest]:
    """The ConfigMaps.

    Follows https://github.com/grafana/helm-charts charts/grafana README, "Sidecar for dashboards".
    The key is the name of a file, in one folder for those of all ConfigMaps.
    """
    # A stack without dashboards does not pay for them.
    from components.dashboards.grafana import catalog, render

    made = []
    for dashboard in catalog.every(args.view):
        metadata = {"name": dashboard.uid, "namespace": args.namespace, "labels": dict(args.labels)}
        if args.annotations:
            metadata["annotations"] = dict(args.annotations)
        text = render.text(dashboard, args.view)
        made.append(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata,
                "data": {f"{dashboard.uid}.json": text},
            }
        )
    return made
