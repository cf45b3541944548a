"""The Gateway API CRDs: ours, or somebody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, Protocol

import pulumi
from pydantic import Field

from components.base import Args, Component
from components.chart import ChartRef, crd_release
from components.names import GATEWAY_API_CRDS, WITH_GATEWAYS
from schema.faults import Fault
from schema.section import Section
from schema.values import shown

# Linkerd 2.20 reads these: https://linkerd.io/2/features/gateway-api/
SUPPORTED = ((1, 2, 1), (1, 5, 1))


class GatewayApiSection(Section):
    """The Gateway API CRDs, which Linkerd needs and does not install."""

    install: bool = Field(
        True, description="False where somebody else owns the CRDs (`existing`); see `version`."
    )
    version: str = Field(
        # renovate: datasource=github-releases depName=kubernetes-sigs/gateway-api
        "1.2.1",
        description="Version of the CRDs, ours or the existing ones: 1.2.1 to 1.5.1. Gateways "
        "(`ingress`) need 1.5.1, from which there is no way back but by hand.",
    )
    channel: Literal["experimental", "standard"] | None = Field(
        None,
        description="Channel of the existing CRDs (`install: false`), as their annotation "
        "`gateway.networking.k8s.io/channel` has it. Ours are experimental.",
    )

    @property
    def parts(self) -> tuple[int, ...]:
        """The version as numbers; empty for what is no version."""
        part = r"(0|[1-9][0-9]{0,3})"
        known = re.fullmatch(rf"{part}\.{part}\.{part}", self.version)
        return tuple(map(int, known.groups())) if known else ()

    @property
    def manifest(self) -> str:
        """The entry of charts.yaml with the CRDs of this version."""
        return "gateway-api-1-5" if self.parts[:2] >= WITH_GATEWAYS else "gateway-api"

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return (f"{self.manifest}-crds",) if self.install else ()


class HasGatewayApi(Protocol):
    """A config with the section `gateway_api`."""

    @property
    def gateway_api(self) -> GatewayApiSection: ...  # noqa: D102


class GatewayApiArgs(Args):
    """`version` is that of the CRDs in the cluster; without a `chart` somebody else owns them."""

    version: str
    chart: ChartRef | None = None


class GatewayApi(Component, area="crds"):
    """The CRDs of the experimental channel, which has the TLSRoute and TCPRoute Linkerd reads.

    Linkerd's policy controller looks for each route's CRD once, when it starts: they must be there
    before the control plane (linkerd2 policy-controller/runtime/src/args.rs).
    """

    def __init__(
        self, name: str, args: GatewayApiArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        if args.chart:
            crd_release(self, args.chart)
        self.done(version=args.version, owner="linkerd-platform" if args.chart else "existing")


def arguments(config: HasGatewayApi, charts: Mapping[str, ChartRef]) -> GatewayApiArgs:
    """Arguments of `GatewayApi`."""
    section = config.gateway_api
    chart = charts.get(f"{section.manifest}-crds")
    # One release, whichever bundle it holds: a second one could not take over the first one's CRDs.
    named = chart.model_copy(update={"name": GATEWAY_API_CRDS}) if chart else None
    return GatewayApiArgs(version=section.version, chart=named)


def check(config: HasGatewayApi) -> Iterator[Fault]:
    """All faults of `gatewayApi`.

    - `gatewayApi.version` is 1.2.1 to 1.5.1; `channel` is for `install: false`.
    """
    section = config.gateway_api
    low, high = (".".join(map(str, v)) for v in SUPPORTED)
    if not SUPPORTED[0] <= section.parts <= SUPPORTED[1]:
        yield Fault(
            ("gatewayApi", "version"),
            f"{shown(section.version)} is not one that Linkerd reads: {low} to {high}",
        )
    if section.install and section.channel is not None:
        yield Fault(
            ("gatewayApi", "channel"),
            "says what an existing one is: give install: false with it, or leave it out",
            looks_at=(("gatewayApi", "install"),),
        )
