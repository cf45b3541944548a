"""The egress gateway: proxies of Envoy in the mesh, through which requests go to partners outside.

Option with an EgressNetwork, so that applications call a partner by its own name:
https://linkerd.io/2/tasks/managing-egress-traffic/ and https://gateway.envoyproxy.io/docs/tasks/traffic/backend/
"""

from __future__ import annotations

from typing import Any, Literal

import pulumi
from pydantic import Field

from components.base import Args, Component, Manifest
from components.envoy_gateway import proxies_of
from components.ingress.objects import (
    CLIENT_ID,
    HTTP,
    KEYS,
    PUBLIC,
    EnvoyProxyArgs,
    client_traffic,
    container_port,
    envoy_proxy,
    gateway,
    http_listener,
    outside,
)
from components.names import EGRESS_GATEWAY, LINKERD_EGRESS_GATEWAY
from components.policy.objects import POLICY, ClientsArgs, allow, server

LISTENER = "http"
_STREAMS = 10_000
# Of a request that went to a partner the header is gone by now: then `route` says whose it was. The
# policy does not: Envoy Gateway calls each of its rules ALLOW.
_LOG = {
    "client_id": f"%REQ({CLIENT_ID.upper()})%",
    "partner_address": "%UPSTREAM_HOST%",
    "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}


class EgressGatewayArgs(Args):
    """The gateway without its partners.

    callers: (namespace, name) of the service accounts that may call any of them. received: the time
    in which a request must be here, with its body. image: None for Envoy Gateway's own. pod: what
    its pods are told of where they run. keys: host and port of the keys of tokens.
    """

    replicas: int = 3
    access_log: Literal["errors", "all", "off"] = "errors"
    image: str | None = None
    pod: dict[str, Any] = Field({})
    callers: tuple[tuple[str, str], ...] = ()
    received: str = "60s"
    keys: tuple[str, int] | None = None


class EgressGateway(Component, area="traffic"):
    """Who may call at all, then the Gateway; `last` comes after all of it."""

    last: pulumi.Resource

    def __init__(
        self, name: str, args: EgressGatewayArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        first: list[pulumi.Resource] = []
        # What lets callers in comes before the Server, without which nobody is refused.
        for each in callers(args):
            first.append(self.apply(each, *first[-1:], name=f"callers-{each['kind'].lower()}"))
        traffic = client_traffic(
            LINKERD_EGRESS_GATEWAY,
            LISTENER,
            EGRESS_GATEWAY,
            LISTENER,
            hops=None,
            tls=False,
            # The other is the gateway's own name, which the caller's proxy writes.
            remove=("l5d-dst-override", "l5d-dst-canonical"),
            received=args.received,
            # All callers of HTTP/2 are one connection, that of the mesh's proxy.
            streams=_STREAMS,
            # Servers of HTTP/2 refuse what comes by TLS and says that it does not.
            scheme="MatchBackend",
        )
        first.append(self.apply(traffic, name="clients"))
        if args.keys:
            keys = outside(LINKERD_EGRESS_GATEWAY, KEYS, *args.keys, PUBLIC)
            first.append(self.apply(keys, name="keys"))
        proxy = self.apply(envoy_proxy(proxies(args)), name="proxies")
        self.last = self.apply(the_gateway(), proxy, *first, name="gateway")
        self.done(account=f"{LINKERD_EGRESS_GATEWAY}/{EGRESS_GATEWAY}")


def proxies(args: EgressGatewayArgs) -> EnvoyProxyArgs:
    """The proxies of the gateway, which only the mesh reaches."""
    return EnvoyProxyArgs(
        namespace=LINKERD_EGRESS_GATEWAY,
        name=EGRESS_GATEWAY,
        account=EGRESS_GATEWAY,
        replicas=args.replicas,
        access_log=args.access_log,
        log=_LOG,
        image=args.image,
        pod=args.pod,
    )


def the_gateway() -> Manifest:
    """The Gateway: port 80, which the mesh's own TLS ends before."""
    listeners = [http_listener(LISTENER)]
    return gateway(LINKERD_EGRESS_GATEWAY, EGRESS_GATEWAY, listeners, EGRESS_GATEWAY)


def callers(args: EgressGatewayArgs) -> list[Manifest]:
    """Whom the mesh lets in: accounts of callers alone. What each may call is said by partner."""
    pods = {"matchLabels": proxies_of(EGRESS_GATEWAY)}
    target = (POLICY, "Server", EGRESS_GATEWAY)
    clients = ClientsArgs(service_accounts=args.callers)
    rules = allow(LINKERD_EGRESS_GATEWAY, EGRESS_GATEWAY, target, clients) if args.callers else []
    port = str(container_port(HTTP))
    made = server(LINKERD_EGRESS_GATEWAY, EGRESS_GATEWAY, pods, port, "HTTP/1", "deny")
    return [*rules, made]
