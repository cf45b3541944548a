"""Linkerd's CNI plugin, which sets up a pod's network where an init container may not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol

import pulumi
from pydantic import Field

from components.base import Component, Manifest
from components.chart import Chart, ChartRef, ChartsArgs, Shape, helm_chart, published_chart
from components.cluster import HasCluster, needs_a_cluster
from components.linkerd import REGISTRY, HasLinkerd, LogLevel
from components.namespaces import NO_WEBHOOKS, namespace
from schema.faults import Fault
from schema.section import Section
from schema.values import Name
from schema.words import Folder

LINKERD_CNI = "linkerd-cni"


class CniPluginSection(Section):
    """Linkerd's CNI plugin, for clusters that refuse init containers with NET_ADMIN."""

    shapes: ClassVar[dict[str, Shape]] = {
        "linkerd2-cni": Shape(
            pods=(),
            priority=(),
            images={"image.name": f"{REGISTRY}/cni-plugin"},
            owned={
                "destCNINetDir": "cniPlugin.netFolder",
                "destCNIBinDir": "cniPlugin.binFolder",
                "disableIPv6": "cluster.ipv6",
                "priorityClassName": "cniPlugin.priorityClass",
                "repairController.enabled": "cniPlugin.repair",
                "logLevel": "linkerd.logLevel",
            },
        ),
    }

    enabled: bool = Field(
        False,
        description="Runs the plugin on every node, and no init container in pods. Pods that run "
        "keep theirs until they restart.",
    )
    net_folder: Folder = Field(
        "/etc/cni/net.d", description="Folder of a node in which its CNI configuration lies."
    )
    bin_folder: Folder = Field(
        "/opt/cni/bin", description="Folder of a node in which its CNI plugins lie."
    )
    repair: bool = Field(
        True,
        description="Deletes a pod that was started on a node before the plugin was ready there; "
        "its controller makes it anew.",
    )
    priority_class: Name | None = Field(
        None,
        description="Priority class of the plugin's pods, such as `system-node-critical`; some "
        "clouds allow that one in `kube-system` alone.",
    )

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return ("linkerd2-cni",) if self.enabled else ()


class HasCniPlugin(Protocol):
    """A config with the section `cni_plugin`."""

    @property
    def cni_plugin(self) -> CniPluginSection: ...  # noqa: D102


class CniPluginArgs(ChartsArgs):
    """The chart, where nodes keep their plugins, and the registry of its image."""

    chart: ChartRef = published_chart("linkerd2-cni")
    net_folder: str = "/etc/cni/net.d"
    bin_folder: str = "/opt/cni/bin"
    repair: bool = True
    priority_class: str | None = None
    log_level: LogLevel = "info"
    image_registry: str = "cr.l5d.io/linkerd"
    ipv6: bool = False


class CniPlugin(Component, area="mesh"):
    """`linkerd2-cni` in the namespace `linkerd-cni`; before `Linkerd(..., cni=True)`.

    Follows https://linkerd.io/2/features/cni/
    """

    chart: Chart

    def __init__(
        self,
        name: str,
        args: CniPluginArgs | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        args = args or CniPluginArgs()
        own = self.apply(own_namespace(), name="namespace")
        self.chart = helm_chart(self, args.chart, LINKERD_CNI, values(args), own)
        self.done(version=args.chart.version, namespace=LINKERD_CNI)


def own_namespace() -> Manifest:
    """The namespace, as linkerd2 charts/linkerd2-cni/templates/cni-plugin.yaml has it."""
    return namespace(LINKERD_CNI, "privileged", {"linkerd.io/cni-resource": "true", **NO_WEBHOOKS})


def values(args: CniPluginArgs) -> dict[str, Any]:
    """Values of the chart; follows linkerd2 charts/linkerd2-cni/values.yaml."""
    made: dict[str, Any] = {
        "destCNINetDir": args.net_folder,
        "destCNIBinDir": args.bin_folder,
        "logLevel": args.log_level,
        "image": {"name": f"{args.image_registry}/cni-plugin"},
        "repairController": {"enabled": args.repair},
    }
    if args.ipv6:
        made["disableIPv6"] = False
    if args.priority_class:
        made["priorityClassName"] = args.priority_class
    return made


class _Config(HasCniPlugin, HasLinkerd, HasCluster, Protocol):
    """The sections that the plugin is made from."""


def arguments(config: _Config, charts: Mapping[str, ChartRef]) -> CniPluginArgs:
    """Arguments of `CniPlugin` in a stack."""
    return CniPluginArgs(
        chart=charts["linkerd2-cni"],
        log_level=config.linkerd.log_level,
        image_registry=config.linkerd.image_registry,
        ipv6=bool(config.cluster and config.cluster.ipv6),
        **config.cni_plugin.model_dump(exclude={"enabled"}),
    )


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `cniPlugin`."""
    yield from needs_a_cluster(config, {("cniPlugin",): config.cni_plugin.enabled})
