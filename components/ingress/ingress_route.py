"""A route through the ingress gateway: who may call, how much, and which service answers."""

from __future__ import annotations

import pulumi

from components.base import Component
from components.external_secrets import external_secret
from components.ingress.routes import (
    IngressRouteArgs,
    backend_traffic_policy,
    http_route,
    oidc_provider,
    oidc_secret,
    security_policy,
)
from components.names import LINKERD_INGRESS


class IngressRoute(Component, area="traffic"):
    """One route: its policies, then the HTTPRoute, which a destroy takes away first.

    The other way round the route would answer everybody for a moment. `last` is the HTTPRoute.
    """

    last: pulumi.Resource

    def __init__(
        self, name: str, args: IngressRouteArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        first: list[pulumi.Resource] = []
        route = args.route
        if route.oidc:
            secret = external_secret(
                oidc_secret(route),
                LINKERD_INGRESS,
                route.oidc.vault_path,
                {"client-secret": "client-secret"},
                args.refresh_interval,
            )
            first.append(self.apply(secret, name="oidc", wait_for="condition=Ready"))
            first.append(self.apply(oidc_provider(route), name="provider"))
        login = tuple(first)
        for kind, made in (
            ("security", security_policy(args)),
            ("traffic", backend_traffic_policy(route)),
        ):
            if made:
                first.append(self.apply(made, *login, name=kind))
        self.last = self.apply(http_route(args), *first, name="route")
        self.done(route=route.name, host=route.host)
