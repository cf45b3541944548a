"""Who may call the pods of one service: a Server per port, and the policies that let clients in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pulumi

from components.base import Args, Component, Manifest
from components.policy.namespace_policy import API_SERVER, CALLERS, KUBELET, prometheus_ref
from components.policy.objects import (
    GATEWAY,
    POLICY,
    AccessPolicy,
    ClientsArgs,
    NetworkArgs,
    RateLimitArgs,
    allow,
    authorization_policy,
    http_route,
    path_match,
    probe_match,
    rate_limit,
    ref,
    server,
)

Target = tuple[str, str, str]


class PolicyRoute(Args):
    """A part of a port's requests with clients of its own."""

    name: str
    path: str
    exact: bool = False
    methods: tuple[str, ...] = ()
    clients: tuple[ClientsArgs, ...] = ()


class PolicyPort(Args):
    """A port of the pods, by number or name.

    gateway: the ingress gateway, on top of the clients. probes and metrics: paths; with one of
    them, or with routes, Linkerd no longer allows probes by itself. api_server: whether a webhook
    is served.
    """

    port: str
    protocol: str = "unknown"
    clients: tuple[ClientsArgs, ...] = ()
    gateway: tuple[ClientsArgs, ...] = ()
    routes: tuple[PolicyRoute, ...] = ()
    probes: tuple[str, ...] = ()
    metrics: str | None = None
    rate_limit: RateLimitArgs | None = None
    api_server: bool = False

    @property
    def routed(self) -> bool:
        """True where requests are told apart by their path."""
        return bool(self.routes or self.probes or self.metrics)


class ServicePolicyArgs(Args):
    """The ports of a service's pods.

    default_inbound_policy: what happens to a client that is not allowed. callers: whether the
    namespaces that may call hold for a port without clients of its own. prometheus_account:
    namespace and name.
    """

    namespace: str
    service: str
    selector: Mapping[str, str]
    default_inbound_policy: AccessPolicy = "deny"
    ports: tuple[PolicyPort, ...]
    callers: bool = False
    prometheus_account: tuple[str, str] = ("linkerd-viz", "prometheus")
    prometheus_networks: tuple[NetworkArgs, ...] = ()


class ServicePolicy(Component, area="policy"):
    """Servers, routes and policies of one service; after its namespace's `NamespacePolicy`.

    `servers` come after all the others, one per port.
    """

    servers: tuple[pulumi.Resource, ...]

    def __init__(
        self, name: str, args: ServicePolicyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        servers = []
        for port in args.ports:
            allowed = [
                self.apply(manifest) for manifest in (*rules(args, port), *limits(args, port))
            ]
            # Last: a Server denies from its first second on whatever is not allowed by then.
            servers.append(self.apply(port_server(args, port), *allowed))
        self.servers = tuple(servers)
        self.done(
            servers=[server_name(args, port) for port in args.ports],
            default_inbound_policy=args.default_inbound_policy,
        )


def server_name(args: ServicePolicyArgs, port: PolicyPort) -> str:
    """Name of the Server of a port, and the first part of its policies' names."""
    return f"{args.service}-{port.port}"


def port_server(args: ServicePolicyArgs, port: PolicyPort) -> Manifest:
    """The Server of a port. Its access policy is read at once, by pods that run already too."""
    labels = {"matchLabels": dict(args.selector)}
    name = server_name(args, port)
    return server(
        args.namespace, name, labels, port.port, port.protocol, args.default_inbound_policy
    )


def rules(args: ServicePolicyArgs, port: PolicyPort) -> list[Manifest]:
    """Everything that lets a client in at a port.

    A policy of a Server holds for each of its routes; so with routes there is none, and what no
    other route has is one route, `rest`. Without `rest` it would be answered with 404.
    """
    name = server_name(args, port)
    if not port.routed:
        return list(_open(args, port, name, (POLICY, "Server", name)))
    rest = f"{name}-rest"
    everything = path_match("/", exact=False)
    return [
        http_route(args.namespace, rest, name, [everything]),
        *_open(args, port, rest, (GATEWAY, "HTTPRoute", rest)),
        *_routes(args, port, name),
        *_allowances(args, port, name),
    ]


def limits(args: ServicePolicyArgs, port: PolicyPort) -> Iterator[Manifest]:
    """How many requests a port takes, where that is limited."""
    if port.rate_limit is not None:
        yield rate_limit(args.namespace, server_name(args, port), port.rate_limit)


def _open(
    args: ServicePolicyArgs, port: PolicyPort, name: str, target: Target
) -> Iterator[Manifest]:
    """Who may call the port itself."""
    ns = args.namespace
    for clients in (*port.clients, *port.gateway):
        yield from allow(ns, f"{name}-{clients.label(ns)}", target, clients)
    if args.callers and not (port.clients or port.api_server):
        callers = ref("MeshTLSAuthentication", CALLERS)
        yield authorization_policy(ns, f"{name}-{CALLERS}", target, [callers])
    if port.api_server:
        api_server = ref("NetworkAuthentication", API_SERVER)
        yield authorization_policy(ns, f"{name}-{API_SERVER}", target, [api_server])


def _routes(args: ServicePolicyArgs, port: PolicyPort, name: str) -> Iterator[Manifest]:
    for route in port.routes:
        full = f"{name}-{route.name}"
        methods = route.methods or (None,)
        matches = [path_match(route.path, exact=route.exact, method=each) for each in methods]
        yield http_route(args.namespace, full, name, matches)
        for clients in route.clients:
            label = clients.label(args.namespace)
            target = (GATEWAY, "HTTPRoute", full)
            yield from allow(args.namespace, f"{full}-{label}", target, clients)


def _allowances(args: ServicePolicyArgs, port: PolicyPort, name: str) -> Iterator[Manifest]:
    """Probes from the kubelet, and metrics for Prometheus."""
    if port.probes:
        probes = f"{name}-probes"
        matches = [probe_match(path) for path in port.probes]
        yield http_route(args.namespace, probes, name, matches)
        kubelet = ref("NetworkAuthentication", KUBELET)
        target = (GATEWAY, "HTTPRoute", probes)
        yield authorization_policy(args.namespace, probes, target, [kubelet])
    if port.metrics:
        metrics = f"{name}-metrics"
        matches = [path_match(port.metrics, exact=True, method="GET")]
        yield http_route(args.namespace, metrics, name, matches)
        prometheus = prometheus_ref(args.prometheus_account, args.prometheus_networks)
        target = (GATEWAY, "HTTPRoute", metrics)
        yield authorization_policy(args.namespace, metrics, target, [prometheus])
