"""Helm charts: rendered by the engine where a diff matters, as a Helm release where it does not.

The resources are made by their tokens and not by the classes of pulumi_kubernetes: those load the
class of every object of a chart when the engine hands the rendered chart back, which nobody here
reads and which takes a third of the program's time (docs/adr/0001).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.base import Args, Component

# Helm keeps its record of a CRD release in the release's namespace. kube-system is there before
# anything of ours and outlives a destroy, as the CRDs do, so the next `up` takes them over again.
CRD_RELEASE_NAMESPACE = "kube-system"


class ChartRef(Args):
    """An archive of charts.yaml; `path` is relative to the project (stack/charts/__init__.py)."""

    name: str
    version: str
    path: str


class Chart(pulumi.ComponentResource):
    """A rendered chart, `helm.v4.Chart` of the kubernetes provider.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/helm/v4/chart/
    """

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__("kubernetes:helm.sh/v4:Chart", name, dict(props), opts, remote=True)


class Release(pulumi.CustomResource):
    """A Helm release, `helm.v3.Release` of the kubernetes provider.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/helm/v3/release/
    """

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__("kubernetes:helm.sh/v3:Release", name, dict(props), opts)


def helm_chart(
    component: Component,
    chart: ChartRef,
    namespace: str,
    values: Mapping[str, Any],
    *after: pulumi.Resource,
) -> Chart:
    """A chart whose objects each have their own diff.

    `values` are plan-time constants: with one unknown value a preview lists every object of the
    chart as deleted (https://github.com/pulumi/pulumi-kubernetes/issues/3699). The objects are
    called `<chart>:<namespace>/<name>`.
    """
    props = {
        "chart": chart.path,
        "namespace": namespace,
        "name": chart.name,
        "resourcePrefix": chart.name,
        "values": dict(values),
    }
    return Chart(f"{component.name}-{chart.name}", props, component.child(*after))


def crd_release(
    component: Component,
    chart: ChartRef,
    *after: pulumi.Resource,
    values: Mapping[str, Any] | None = None,
) -> Release:
    """The CRDs of a chart, as a Helm release of their own: see docs/adr/0001."""
    # A CRD is served when its release is, so there is nothing to await.
    return helm_release(
        component, chart, CRD_RELEASE_NAMESPACE, values or {}, *after, skip_await=True
    )


def helm_release(
    component: Component,
    chart: ChartRef,
    namespace: str,
    values: Mapping[str, Any],
    *after: pulumi.Resource,
    skip_await: bool = False,
) -> Release:
    """A chart as Helm installs it, hooks and look-ups included; its diff shows the values alone."""
    props = {
        "chart": chart.path,
        "version": chart.version,
        "name": chart.name,
        "namespace": namespace,
        "values": dict(values),
        "skipAwait": skip_await,
    }
    return Release(f"{component.name}-{chart.name}", props, component.child(*after))
