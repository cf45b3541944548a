"""Snapshots of a stack, made of a few resources."""

from __future__ import annotations

from typing import Any

from bot.plan.base_snapshot import Planned, PlannedChart, PlanSnapshot

PREFIX = "urn:pulumi:s::linkerd-platform::"
COMPONENT = f"{PREFIX}linkerd-platform:mesh:Linkerd::linkerd"
CHART = f"{PREFIX}linkerd-platform:mesh:Linkerd$kubernetes:helm.sh/v4:Chart::linkerd-chart"
PROVIDER = f"{PREFIX}pulumi:providers:kubernetes::cluster"


def planned(type_: str, name: str, inputs: dict[str, Any] | None = None, **more: Any) -> Planned:
    """A resource in the component `linkerd`."""
    values: dict[str, Any] = {
        "urn": f"{PREFIX}linkerd-platform:mesh:Linkerd${type_}::{name}",
        "type": type_,
        "name": name,
        "parent": COMPONENT,
        "inputs": inputs or {},
        "protected": False,
        "retained": False,
        "provider": PROVIDER,
    }
    return Planned(**values | more)


def provider(**inputs: Any) -> Planned:
    """The provider of the cluster."""
    return planned("pulumi:providers:kubernetes", "cluster", inputs, urn=PROVIDER, parent=None)


def manifest(kind: str, name: str, api: str = "v1", **content: Any) -> dict[str, Any]:
    """A Kubernetes object in the namespace `linkerd`."""
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "namespace": "linkerd"},
        **content,
    }


def configmap(data: str, name: str = "linkerd-config", **more: Any) -> Planned:
    """A ConfigMap with one value."""
    return planned(
        "kubernetes:core/v1:ConfigMap", name, manifest("ConfigMap", name, data={"v": data}), **more
    )


def chart(version: str, *objects: Planned, rendered: bool = True, **more: Any) -> PlannedChart:
    """The chart of the component, with these objects."""
    return PlannedChart(
        **{
            "urn": CHART,
            "form": "Chart",
            "name": "linkerd-control-plane",
            "version": version,
            "rendered": rendered,
            "objects": tuple(each.model_copy(update={"parent": CHART}) for each in objects),
        }
        | more
    )


def snapshot(
    *resources: Planned, charts: tuple[PlannedChart, ...] = (), **more: Any
) -> PlanSnapshot:
    """A stack with the component, the charts and these resources."""
    component = planned(
        "linkerd-platform:mesh:Linkerd", "linkerd", urn=COMPONENT, parent=None, component=True
    )
    made = [
        planned(
            "kubernetes:helm.sh/v4:Chart",
            "linkerd-chart",
            {"chart": f"./{each.version}.tgz", "values": {"logLevel": each.version}},
            urn=each.urn,
            component=True,
        )
        for each in charts
    ]
    return PlanSnapshot(
        **{
            "stack": "s",
            "resources": (component, *made, *resources),
            "charts": charts,
            "warnings": (),
            "ciphertexts": {},
        }
        | more
    )
