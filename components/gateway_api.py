"""The Gateway API CRDs: ours, or somebody else's."""

from __future__ import annotations

import pulumi

from components.base import Args, Component
from components.chart import ChartRef, crd_release


class GatewayApiArgs(Args):
    """`version` is that of the CRDs in the cluster; without a `chart` somebody else owns them."""

    version: str
    chart: ChartRef | None


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
