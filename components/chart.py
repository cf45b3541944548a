"""Helm charts: rendered by the engine where a diff matters, as a Helm release where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release
from pulumi_kubernetes.helm.v4 import Chart as HelmChart

from components.base import Args, Component

# Helm keeps its record of a CRD release in the release's namespace. kube-system is there before
# anything of ours and outlives a destroy, as the CRDs do, so the next `up` takes them over again.
CRD_RELEASE_NAMESPACE = "kube-system"


class ChartRef(Args):
    """An archive of charts.yaml; `path` is relative to the project (stack/charts.py)."""

    name: str
    version: str
    path: str


def helm_chart(
    component: Component,
    chart: ChartRef,
    namespace: str,
    values: Mapping[str, Any],
    *after: pulumi.Resource,
) -> HelmChart:
    """A chart whose objects each have their own diff.

    `values` are plan-time constants: with one unknown value a preview lists every object of the
    chart as deleted (https://github.com/pulumi/pulumi-kubernetes/issues/3699). The objects are
    called `<chart>:<namespace>/<name>`.
    """
    return HelmChart(
        f"{component.name}-{chart.name}",
        chart=chart.path,
        namespace=namespace,
        name=chart.name,
        resource_prefix=chart.name,
        values=dict(values),
        opts=component.child(*after),
    )


def crd_release(
    component: Component,
    chart: ChartRef,
    *after: pulumi.Resource,
    values: Mapping[str, Any] | None = None,
) -> Release:
    """The CRDs of a chart, as a Helm release of their own: see docs/adr/0001."""
    return Release(
        f"{component.name}-{chart.name}",
        chart=chart.path,
        version=chart.version,
        name=chart.name,
        namespace=CRD_RELEASE_NAMESPACE,
        values=dict(values or {}),
        skip_await=True,  # a CRD is served when its release is; nothing else is in it
        opts=component.child(*after),
    )
