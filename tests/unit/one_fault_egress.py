"""Stack files with one fault each in the section `egress`, in the form of `one_fault`."""

from __future__ import annotations

from typing import Any

from tests.unit.stack_files import KeyPath

SHOP = "egress.namespaces.shop"
HOST = f"{SHOP}.hosts[0]"
WAVES: KeyPath = ("rollout", "waves")
IN = [{"name": "w", "namespaces": ["shop", {"name": "out", "optOut": True}]}]


def shop(*hosts: dict[str, Any], **section: Any) -> dict[KeyPath, Any]:
    """A namespace in the mesh that denies everything but these hosts."""
    given = {"mode": "deny", "hosts": list(hosts)} | section
    return {WAVES: IN, ("egress",): {"namespaces": {"shop": given}}}


def named(host: str) -> dict[KeyPath, Any]:
    """One host of this name."""
    return shop({"host": host})


def skipping(ports: list[Any], **egress: Any) -> dict[KeyPath, Any]:
    """Proxies that are passed by at these ports."""
    defaults = {"namespaces": {"shop": {"skipOutboundPorts": ports}}}
    return {WAVES: IN, ("workloads",): defaults, ("egress",): egress}


A: dict[str, Any] = {"host": "a.example.com"}
TIME = {"host": "ntp.example.com", "port": 123, "protocol": "udp", "networks": ["203.0.113.7/32"]}
SKIPPED = "'shop' passes the proxy by at port 443"

FAULTS: dict[str, tuple[dict[KeyPath, Any], str, str]] = {
    "egress-lone-star": (named("*"), f"{HOST}.host", "whole first label"),
    "egress-star-in-the-middle": (
        named("a.*.com"),
        f"{HOST}.host",
        "Linkerd takes '*' as the whole first label alone: write '*.example.com'",
    ),
    "egress-star-in-a-label": (named("api-*.example.com"), f"{HOST}.host", "whole first label"),
    "egress-two-stars": (named("*.*.example.com"), f"{HOST}.host", "whole first label"),
    "egress-address": (named("203.0.113.7"), f"{HOST}.host", "a host is a DNS name"),
    "egress-address-6": (named("2001:db8::1"), f"{HOST}.host", "a host is a DNS name"),
    "egress-url": (named("https://a.example.com"), f"{HOST}.host", "without port or scheme"),
    "egress-port-in-host": (named("a.example.com:443"), f"{HOST}.host", "without port or scheme"),
    "egress-upper-case": (named("API.example.com"), f"{HOST}.host", "write 'api.example.com'"),
    "egress-last-dot": (named("a.example.com."), f"{HOST}.host", "write 'a.example.com'"),
    "egress-single-label": (named("localhost"), f"{HOST}.host", "'localhost' is no host"),
    "egress-too-long": (named(f"{'a.' * 130}com"), f"{HOST}.host", "is no host"),
    "egress-service": (
        named("web.shop.svc.cluster.local"),
        f"{HOST}.host",
        "web.shop.svc.cluster.local is inside the cluster",
    ),
    "egress-short-service": (named("web.shop.svc"), f"{HOST}.host", "is inside the cluster"),
    "egress-port": (shop(A | {"port": 70000}), f"{HOST}.port", "65535"),
    "egress-protocol": (shop(A | {"protocol": "grpc"}), f"{HOST}.protocol", "tls"),
    "egress-tcp-anywhere": (
        shop(A | {"port": 5432, "protocol": "tcp"}),
        f"{HOST}.networks",
        "missing: tcp has no name to read, so a.example.com is told by its addresses alone",
    ),
    "egress-udp-anywhere": (
        shop(A | {"port": 123, "protocol": "udp"}),
        f"{HOST}.networks",
        "missing: udp has no name to read",
    ),
    "egress-udp-without-a-policy": (
        shop(TIME, networkPolicy=False),
        f"{HOST}.protocol",
        "udp passes every proxy by, and only a NetworkPolicy decides about it",
    ),
    "egress-udp-without-a-policy-by-default": (
        {("egress",): {"default": "deny", "hosts": [TIME], "networkPolicy": False}},
        "egress.hosts[0].protocol",
        "only a NetworkPolicy decides",
    ),
    "egress-tls-at-an-opaque-port": (
        shop(A | {"port": 5432}),
        f"{HOST}.protocol",
        "Linkerd reads nothing at port 5432, whose server may speak first",
    ),
    "egress-http-at-an-opaque-port": (
        shop(A | {"port": 9300, "protocol": "http"}),
        f"{HOST}.protocol",
        "write protocol: tcp, with the networks of a.example.com",
    ),
    "egress-tcp-beside-tls": (
        shop(A, {"host": "203.0.113.7", "protocol": "tcp"}),
        f"{SHOP}.hosts[1].protocol",
        "port 443 speaks tls for a.example.com",
    ),
    "egress-address-inside": (
        shop({"host": "10.1.2.3", "port": 5432, "protocol": "tcp"}),
        f"{HOST}.host",
        "10.1.2.3/32 meets 10.0.0.0/8 of cluster.networks",
    ),
    "egress-api-networks-on-cilium": (
        {
            ("egress",): {
                "networkPolicyKind": "CiliumNetworkPolicy",
                "kubernetesApi": {"networks": ["203.0.113.9/32"]},
            }
        },
        "egress.kubernetesApi.networks",
        "which knows the API server by itself: remove it",
    ),
    "egress-api-networks-everywhere": (
        {("egress",): {"kubernetesApi": {"networks": ["0.0.0.0/0"]}}},
        "egress.kubernetesApi.networks[0]",
        "0.0.0.0/0 is every address",
    ),
    "egress-twice": (
        shop(A, dict(A)),
        f"{SHOP}.hosts[1]",
        "a.example.com is twice at port 443: remove one",
    ),
    "egress-two-protocols": (
        shop(A, {"host": "b.example.com", "protocol": "http"}),
        f"{SHOP}.hosts[1].protocol",
        "port 443 speaks tls for a.example.com",
    ),
    "egress-network-inside": (
        shop(A | {"networks": ["10.1.0.0/16"]}),
        f"{HOST}.networks[0]",
        "10.1.0.0/16 meets 10.0.0.0/8 of cluster.networks",
    ),
    "egress-network-around": (
        shop(A | {"networks": ["0.0.0.0/0"]}),
        f"{HOST}.networks[0]",
        "meets",
    ),
    "egress-unplanned": (
        {("egress",): {"namespaces": {"shop": {}}}},
        SHOP,
        "'shop' is in no wave of rollout, so no proxy would look at what leaves it",
    ),
    "egress-opt-out": (
        {WAVES: IN, ("egress",): {"namespaces": {"out": {}}}},
        "egress.namespaces.out",
        "'out' is an opt-out of rollout",
    ),
    "egress-hosts-without-default": (
        {("egress",): {"hosts": [A]}},
        "egress.hosts",
        "write default: allow or deny",
    ),
    "egress-skipped": (
        skipping([443], namespaces={"shop": {"mode": "deny", "hosts": [A]}}),
        f"{HOST}.port",
        SKIPPED,
    ),
    "egress-skipped-in-a-range": (
        skipping(["400-500"], namespaces={"shop": {"mode": "deny", "hosts": [A]}}),
        f"{HOST}.port",
        SKIPPED,
    ),
    "egress-skipped-by-default": (
        skipping([443], default="deny", hosts=[A]),
        "egress.hosts[0].port",
        SKIPPED,
    ),
}
