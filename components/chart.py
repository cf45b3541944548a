"""Helm charts: rendered by the engine where a diff matters, as a Helm release where it does not.

The resources are made by their tokens and not by the classes of pulumi_kubernetes: those load the
class of every object of a chart when the engine hands the rendered chart back, which nobody here
reads and which takes a third of the program's time (docs/adr/0001).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pulumi
import yaml
from pydantic import Field, model_validator

from components.base import Args, Component
from schema import logins

# Helm keeps its record of a CRD release in the release's namespace. kube-system is there before
# anything of ours and outlives a destroy, as the CRDs do, so the next `up` takes them over again.
# A cluster that manages it for you refuses that: `cluster.helmNamespace` names another.
CRD_RELEASE_NAMESPACE = "kube-system"
WEBHOOK_KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
WEBHOOK_CA_BUNDLE = "jsonpath={.webhooks[0].clientConfig.caBundle}"
_OF_WEBHOOKS = {
    "pulumi.com/waitFor": WEBHOOK_CA_BUNDLE,
    # AKS writes its own expressions into `namespaceSelector` of every other webhook, and owns the
    # field from then on. https://learn.microsoft.com/azure/aks/faq (admission controller webhooks)
    "admissions.enforcer/disabled": "true",
    # What it has written before, an update takes back instead of ending with a conflict.
    "pulumi.com/patchForce": "true",
}


# Beside this package in a checkout, and in the wheel (setup.py).
_LIST = Path(__file__).resolve().parents[1] / "charts.yaml"


class ChartRef(Args):
    """A chart, by the path of its archive or by the place that publishes it.

    path: an archive, relative to the project, that a stack of ours has linked (stack/charts/).
    overlay: values as JSON, laid over those that the component gives the chart.
    repository: a Helm repository (`https://`), a registry (`oci://`), or a folder of archives.
    records: namespace of Helm's record, where the chart's CRDs are a release of their own.
    """

    name: str
    version: str
    path: str = ""
    repository: str = ""
    records: str = CRD_RELEASE_NAMESPACE
    overlay: str = ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.path) == bool(self.repository):
            raise ValueError(f"chart {self.name}: give either `path` or `repository`")
        if logins.split(self.repository)[1]:
            # It would stand in the state in clear.
            raise ValueError(
                f"chart {self.name}: {logins.shown(self.repository)}: remove the login from its "
                "address: `helm registry login` for oci://, or download the archives and name "
                "their folder"
            )
        return self

    @property
    def source(self) -> dict[str, Any]:
        """Where the engine takes it from, as inputs of a Chart or a Release."""
        if self.path:
            return {"chart": self.path}
        place = self.repository.rstrip("/")
        if place.startswith("oci://"):
            return {"chart": f"{place}/{self.name}", "version": self.version}
        if place.startswith(("https://", "http://")):
            return {
                "chart": self.name,
                "version": self.version,
                "repositoryOpts": {"repo": place},
            }
        return {"chart": f"{place}/{self.name}-{self.version}.tgz"}


@dataclass(frozen=True)
class Shape:
    """Where a chart takes what all charts are told alike (components/placement.py).

    pods, priority, pull_secrets: paths of the maps with `nodeSelector` and `tolerations`, with
    `priorityClassName`, with `imagePullSecrets`; "" for the top. images: upstream's image, or a
    folder of images, by the path of its value. owned: the key that decides a value, by its path.
    """

    pods: tuple[str, ...] = ("",)
    priority: tuple[str, ...] = ("",)
    pull_secrets: tuple[str, ...] = ("",)
    images: Mapping[str, str] = field(default_factory=dict)
    owned: Mapping[str, str] = field(default_factory=dict)


class ChartsArgs(Args):
    """Base of the arguments of a component that installs charts.

    mirror: a repository, registry or folder that has them all; None for each chart's own.
    """

    mirror: str | None = None


def published(name: str, mirror: str | None = None) -> ChartRef:
    """The chart `name` at the version of charts.yaml, from the mirror or from its own repository.

    Raises KeyError for a name that charts.yaml does not have.
    """
    entry = _listed()[name]
    return ChartRef(name=name, version=entry["version"], repository=mirror or entry["repository"])


def published_chart(name: str) -> Any:
    """The default of a field of `ChartsArgs`: the published chart."""
    return Field(default_factory=lambda known: published(name, known.get("mirror")))


@functools.cache
def _listed() -> Mapping[str, Any]:
    listed: Mapping[str, Any] = yaml.safe_load(_LIST.read_text(encoding="utf-8"))["charts"]
    return listed


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
        **chart.source,
        "namespace": namespace,
        "name": chart.name,
        "resourcePrefix": chart.name,
        "values": laid_over(chart, values),
    }
    # A stack of ours has the same as a transform of all its resources (stack/transforms.py).
    opts = None if chart.path else pulumi.ResourceOptions(transforms=[_settle])
    return Chart(f"{component.name}-{chart.name}", props, component.child(*after, opts=opts))


def laid_over(chart: ChartRef, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a chart is given."""
    return merged(dict(values), json.loads(chart.overlay)) if chart.overlay else dict(values)


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it, section by section."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def settled(type_: str, props: Any) -> Any:
    """An object of a chart as it must be waited for; `props` itself where nothing is to be said.

    A webhook configuration waits until cainjector has given it a CA: before that the API server
    refuses what the webhook should look at, and the next custom resource of a first `up` fails.
    Its fields are ours alone, whatever a cloud would make of them.
    """
    if type_.endswith(WEBHOOK_KINDS):
        return annotated(props, _OF_WEBHOOKS)
    if type_ == "kubernetes:core/v1:Service":
        # The provider waits 10 s for endpoints to settle, four times one after another in a first
        # `up`; the Deployments behind them are awaited anyway.
        return annotated(props, {"pulumi.com/skipAwait": "true"})
    return props


def annotated(props: Any, annotations: Mapping[str, str]) -> dict[str, Any]:
    """The object with these annotations for the provider."""
    metadata = dict(props["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    return {**props, "metadata": metadata}


def _settle(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    props = settled(args.type_, args.props)
    if props is args.props:
        return None
    return pulumi.ResourceTransformResult(props=props, opts=args.opts)


def crd_release(
    component: Component,
    chart: ChartRef,
    *after: pulumi.Resource,
    values: Mapping[str, Any] | None = None,
) -> Release:
    """The CRDs of a chart, as a Helm release of their own: see docs/adr/0001."""
    # A CRD is served when its release is, so there is nothing to await.
    # Helm makes a namespace of its own for the records, and leaves it there when they go.
    more = {} if chart.records == CRD_RELEASE_NAMESPACE else {"createNamespace": True}
    more["skipAwait"] = True
    return helm_release(component, chart, chart.records, values or {}, *after, **more)


def helm_release(
    component: Component,
    chart: ChartRef,
    namespace: str,
    values: Mapping[str, Any],
    *after: pulumi.Resource,
    **more: bool,
) -> Release:
    """A chart as Helm installs it, hooks and look-ups included; its diff shows the values alone."""
    props = {
        **chart.source,
        "version": chart.version,
        "name": chart.name,
        "namespace": namespace,
        "values": laid_over(chart, values),
        "skipAwait": False,
        **more,
    }
    return Release(f"{component.name}-{chart.name}", props, component.child(*after))
