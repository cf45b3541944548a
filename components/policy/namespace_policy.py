"""What every namespace with a policy needs: the allowances without which a denial breaks it."""

from __future__ import annotations

import pulumi

from components.base import Args, Component, Manifest
from components.policy.objects import (
    GATEWAY,
    AccessPolicy,
    ClientsArgs,
    NetworkArgs,
    Ref,
    account_ref,
    authorization_policy,
    http_route,
    meshtls_authentication,
    network_authentication,
    path_match,
    probe_match,
    ref,
    server,
)

DEFAULT_INBOUND_POLICY = "config.linkerd.io/default-inbound-policy"
# Authentications of a namespace that its services' policies refer to.
KUBELET = "kubelet"
API_SERVER = "api-server"
PROMETHEUS = "prometheus"
CALLERS = "callers"
_PROXY_ADMIN = "proxy-admin"
_PROCESS = "same-pod"
_LOOPBACK = (NetworkArgs(cidr="127.0.0.1/32"), NetworkArgs(cidr="::1/128"))
# Every pod with a proxy has it: linkerd2 charts/partials/templates/_metadata.tpl.
_MESHED = {"matchExpressions": [{"key": "linkerd.io/control-plane-ns", "operator": "Exists"}]}


class NamespacePolicyArgs(Args):
    """What a namespace allows whatever its services say.

    default_inbound_policy: what happens at the proxies' own port to a client that is not allowed.
    callers: the namespaces that may call, this one among them; none where no rule is by namespace.
    api_server_networks: none where no webhook is served. prometheus_account: namespace and name,
    not used with prometheus_networks.
    """

    namespace: str
    default_inbound_policy: AccessPolicy = "deny"
    callers: tuple[str, ...] = ()
    kubelet_networks: tuple[NetworkArgs, ...] = (
        NetworkArgs(cidr="0.0.0.0/0"),
        NetworkArgs(cidr="::/0"),
    )
    api_server_networks: tuple[NetworkArgs, ...] = ()
    prometheus_account: tuple[str, str] = ("linkerd-viz", "prometheus")
    prometheus_networks: tuple[NetworkArgs, ...] = ()


class NamespacePolicy(Component, area="policy"):
    """Authentications of the namespace, and the policy of its proxies' admin port.

    `last` comes after all the others: who waits for it waits for them, by one edge instead of a
    dozen, whose checks for cycles are what a stack of many services spends its time with.
    """

    last: pulumi.Resource

    def __init__(
        self, name: str, args: NamespacePolicyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        first = [self.apply(manifest) for manifest in authentications(args)]
        rules = [self.apply(manifest, *first) for manifest in admin_rules(args)]
        # Last: a Server denies from its first second on whatever is not allowed by then.
        self.last = self.apply(admin_server(args), *rules)
        self.done(namespace=args.namespace, default_inbound_policy=args.default_inbound_policy)


def default_policy(inbound: AccessPolicy | None) -> dict[str, str]:
    """The annotation of a namespace that its new pods' proxies take their default policy from.

    Follows https://linkerd.io/2/reference/authorization-policy/#default-policies
    """
    return {DEFAULT_INBOUND_POLICY: inbound} if inbound else {}


def authentications(args: NamespacePolicyArgs) -> list[Manifest]:
    """Who the allowances are for."""
    named = [
        (KUBELET, args.kubelet_networks),
        (_PROCESS, _LOOPBACK),
        (API_SERVER, args.api_server_networks),
        (PROMETHEUS, args.prometheus_networks),
    ]
    made = [network_authentication(args.namespace, name, each) for name, each in named if each]
    if args.callers:
        clients = ClientsArgs(namespaces=args.callers)
        made.append(meshtls_authentication(args.namespace, CALLERS, clients))
    return made


def prometheus_ref(account: tuple[str, str], networks: tuple[NetworkArgs, ...]) -> Ref:
    """Who reads metrics: the networks of an unmeshed Prometheus, or the account of a meshed one."""
    return ref("NetworkAuthentication", PROMETHEUS) if networks else account_ref(*account)


def admin_rules(args: NamespacePolicyArgs) -> list[Manifest]:
    """Routes of the proxies' admin port, and who may call them.

    What a default policy of `deny` closes as well: the proxies' metrics and their own probes, and
    from the pod itself the end of a Job's proxy. Follows `linkerd viz allow-scrapes`, linkerd2
    viz/cmd/allow-scrapes.go. Tap needs no rule: its listener takes the account of tap and nobody
    else, linkerd2-proxy linkerd/app/src/tap.rs.
    """
    kubelet = ref("NetworkAuthentication", KUBELET)
    process = ref("NetworkAuthentication", _PROCESS)
    metrics = prometheus_ref(args.prometheus_account, args.prometheus_networks)
    probes = [probe_match("/live"), probe_match("/ready")]
    shutdown = [path_match("/shutdown", exact=True, method="POST")]
    scrape = [path_match("/metrics", exact=True, method="GET")]
    made: list[Manifest] = []
    for name, matches, clients in (
        ("proxy-metrics", scrape, {"": metrics}),
        # The process asks too: linkerd-await holds a container back until /ready.
        ("proxy-probes", probes, {"": kubelet, "-same-pod": process}),
        ("proxy-shutdown", shutdown, {"": process}),
    ):
        made.append(http_route(args.namespace, name, _PROXY_ADMIN, matches))
        target = (GATEWAY, "HTTPRoute", name)
        for suffix, client in clients.items():
            made.append(authorization_policy(args.namespace, f"{name}{suffix}", target, [client]))
    return made


def admin_server(args: NamespacePolicyArgs) -> Manifest:
    """The admin port of every proxy of the namespace."""
    return server(
        args.namespace,
        _PROXY_ADMIN,
        _MESHED,
        "linkerd-admin",
        "HTTP/1",
        args.default_inbound_policy,
    )
