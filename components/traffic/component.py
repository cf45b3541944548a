"""The routes of one service, and the keys on it that breakers are told by."""

from __future__ import annotations

import pulumi

from components.base import Args, Component
from components.traffic.matches import has_route
from components.traffic.objects import routes, service_patch
from components.traffic.section import ServiceTraffic
from components.traffic.values import RULES

_SHARED = f'metadata.annotations["{RULES}"]'


class TrafficArgs(Args):
    """A Service that is there, and how requests to it are treated."""

    namespace: str
    service: str
    traffic: ServiceTraffic


class Traffic(Component, area="mesh"):
    """The Service's patch, then per port a route for every request, then one of reads alone.

    In this order none is refused on the way: a route takes the Service's default one away, and
    what no rule matches gets 404. A destroy goes back in the opposite order.

    last: what comes after all others.
    """

    last: tuple[pulumi.Resource, ...]

    def __init__(
        self, name: str, args: TrafficArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        first: list[pulumi.Resource] = []
        if patch := service_patch(args.namespace, args.service, args.traffic):
            first.append(
                pulumi.CustomResource(
                    "kubernetes:core/v1:ServicePatch", f"{name}-service", patch, self.child()
                )
            )
        last: list[pulumi.Resource] = []
        made: list[str] = []
        for port in args.traffic.ports:
            after = first
            for manifest in routes(args.namespace, args.service, port) if has_route(port) else ():
                opts_ = None
                if port.delivery == "argo":
                    # The weights are Argo's from the first on; its field manager has all rules.
                    opts_ = pulumi.ResourceOptions(
                        ignore_changes=["spec.rules"], replace_on_changes=[_SHARED]
                    )
                route = self.apply(manifest, *after, opts=opts_)
                after = [route]
                made.append(f"{manifest['kind']} {manifest['metadata']['name']}")
            last += after
        self.last = tuple(last)
        self.done(routes=made)
