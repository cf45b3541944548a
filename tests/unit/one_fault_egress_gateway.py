"""Stack files with one fault each in `egress.gateway`, in the form of `one_fault`."""

from __future__ import annotations

from typing import Any

from tests.unit.egress_gateway_samples import BESIDE, POST
from tests.unit.ingress_samples import IDENTITY
from tests.unit.stack_files import REMOVE, KeyPath

G = "egress.gateway"
P = f"{G}.partners[0]"
DENIES: dict[str, Any] = {"mode": "deny"}


def egress(
    *partners: dict[str, Any], shop: Any = DENIES, beside: Any = None, **keys: Any
) -> dict[KeyPath, Any]:
    """A section with these partners, whose callers are in the namespace `shop`."""
    gateway = {"enabled": True, "partners": list(partners)} | keys
    given = {"namespaces": {"shop": shop} if shop else {}, "gateway": gateway}
    sections = BESIDE | {"egress": given} | (beside or {})
    return {(key,): value for key, value in sections.items()}


def post(*, gateway: Any = None, **keys: Any) -> dict[KeyPath, Any]:
    """A good section but for these keys of its one partner."""
    made = {key: value for key, value in (POST | keys).items() if value is not REMOVE}
    return egress(made, **(gateway or {}))


def shown(**keys: Any) -> dict[KeyPath, Any]:
    """A second partner with these keys, beside one that is shown a certificate and a key."""
    first = POST | {"clientCertificate": "partners/a", "credential": {"vaultPath": "partners/b"}}
    return egress(first, {"name": "b", "host": "b.example.com", "allow": ["shop/cart"]} | keys)


def hosts(*listed: dict[str, Any]) -> dict[KeyPath, Any]:
    """A namespace of callers that reaches these hosts by itself."""
    return egress(POST, shop=DENIES | {"hosts": list(listed)})


Q = f"{G}.partners[1]"
HOST = "egress.namespaces.shop.hosts[0]"
FAULTS: dict[str, tuple[dict[KeyPath, Any], str, str]] = {
    "partner-old-gateway-api": (
        egress(POST, beside={"gatewayApi": {}}),
        "gatewayApi.version",
        "1.2.1 is too old for gateways",
    ),
    "partner-no-audience": (
        egress(POST, identity=IDENTITY | {"audiences": []}),
        f"{G}.identity.audiences",
        "tokens for anybody would be taken",
    ),
    "partner-name-twice": (
        shown(name="post"),
        f"{Q}.name",
        "post is a partner already: write both into one",
    ),
    "partner-host-twice": (shown(host="post.example.org"), f"{Q}.host", "is a partner already"),
    "partner-shares-a-certificate": (
        shown(clientCertificate="partners/a"),
        f"{Q}.clientCertificate",
        "partners/a is what partner 'post' is shown, who could then call the other as we do",
    ),
    "partner-shares-a-credential": (
        shown(credential={"vaultPath": "partners/a"}),
        f"{Q}.credential.vaultPath",
        "take another entry",
    ),
    "partner-below-anchors": (
        post(clientCertificate="anchors/a"),
        f"{P}.clientCertificate",
        "every cluster may read what is below anchors/",
    ),
    "partner-key-below-anchor-keys": (
        post(credential={"vaultPath": "anchor-keys/a"}),
        f"{P}.credential.vaultPath",
        "take another path",
    ),
    "partner-shares-with-redis": (
        egress(
            POST | {"clientCertificate": "redis"},
            beside={
                "ingress": {
                    "globalLimits": {
                        "onFailure": "open",
                        "redis": {"host": "redis.example.com", "vaultPath": "redis"},
                    }
                }
            },
        ),
        f"{P}.clientCertificate",
        "redis is read for ingress",
    ),
    "partner-without-a-proxy": (
        egress(
            POST,
            beside={
                "charts": {
                    "linkerd-control-plane": {
                        "values": {"proxyInit": {"ignoreInboundPorts": "4567, 10000-10090"}}
                    }
                }
            },
        ),
        "charts.linkerd-control-plane.values.proxyInit.ignoreInboundPorts",
        "has 10080, at which the proxy of the egress gateway says who calls",
    ),
    "partner-address": (post(host="203.0.113.7"), f"{P}.host", "write its DNS name"),
    "partner-single-label": (post(host="bank"), f"{P}.host", "such as api.example.com"),
    "partner-star": (post(host="*.example.com"), f"{P}.host", "is no host of a partner"),
    "partner-host-with-port": (
        post(host="api.example.com:443"),
        f"{P}.host",
        "without port or scheme",
    ),
    "partner-host-in-capitals": (post(host="API.example.com"), f"{P}.host", "in small letters"),
    "partner-service": (
        post(host="bank.shop.svc.cluster.local"),
        f"{P}.host",
        "is inside the cluster",
    ),
    "partner-networks-inside": (
        post(networks=["10.0.0.0/16"]),
        f"{P}.networks[0]",
        "which Linkerd takes for inside",
    ),
    "partner-opaque-port": (post(port=5432), f"{P}.port", "write a port of HTTPS"),
    "partner-ca-is-none": (post(ca="no certificate"), f"{P}.ca", "is not a PEM certificate"),
    "partner-nobody": (post(allow=[]), f"{P}.allow", "lists nobody"),
    "partner-caller-twice": (
        post(allow=["shop/cart", "shop/cart"]),
        f"{P}.allow",
        "lists shop/cart twice",
    ),
    "partner-caller-without-namespace": (
        post(allow=["cart"]),
        f"{P}.allow[0]",
        "write <namespace>/<service account>",
    ),
    "partner-caller-outside-the-mesh": (
        post(allow=["other/cart"]),
        f"{P}.allow",
        "pods of 'other' are not in the mesh (no wave of rollout has it)",
    ),
    "partner-caller-of-linkerd": (
        post(allow=["linkerd-viz/prometheus"]),
        f"{P}.allow",
        "'linkerd-viz' is Linkerd's own",
    ),
    "partner-nobody-looks": (
        egress(POST, shop=None),
        f"{P}.allow",
        "write egress.default: deny, or egress.namespaces.shop",
    ),
    "partner-round-by-mode": (
        egress(POST, shop={"mode": "allow"}),
        f"{P}.allow",
        "may go round the gateway to post.example.org: write egress.namespaces.shop.mode: deny",
    ),
    "partner-round-by-packets": (
        egress(POST, shop=DENIES | {"networkPolicy": False}),
        f"{P}.allow",
        "write egress.namespaces.shop.networkPolicy: true, or egress.gateway.managed: false",
    ),
    "partner-passed-by": (
        egress(
            POST, beside={"workloads": {"namespaces": {"shop": {"skipOutboundPorts": ["79-81"]}}}}
        ),
        f"{P}.allow",
        "its requests would go to post.example.org in the clear",
    ),
    "partner-is-a-host": (
        hosts({"host": "post.example.org", "networks": ["203.0.113.0/24"]}),
        f"{HOST}.host",
        "would be reached round the gateway",
    ),
    "partner-is-below-a-star": (
        hosts({"host": "*.example.org", "networks": ["203.0.113.0/24"]}),
        f"{HOST}.host",
        "*.example.org is partner 'post', and would be reached round the gateway",
    ),
    "partner-is-in-networks-of-a-host": (
        egress(
            POST | {"networks": ["203.0.113.0/25"]},
            shop=DENIES | {"hosts": [{"host": "a.example.com", "networks": ["203.0.113.0/24"]}]},
        ),
        f"{HOST}.networks",
        "203.0.113.0/24 is where partner 'post' is",
    ),
    "partner-is-a-host-in-the-clear": (
        hosts({"host": "post.example.org", "port": 80, "protocol": "http"}),
        f"{HOST}.host",
        "is partner 'post' of the gateway at port 80: remove it",
    ),
    "partner-beside-an-open-port": (
        hosts({"host": "a.example.com"}),
        f"{HOST}.networks",
        "port 443 is open to every address, that of partner 'post' too",
    ),
    "partner-beside-another-protocol": (
        hosts({"host": "a.example.com", "port": 80}),
        f"{HOST}.protocol",
        "port 80 is where partner 'post' is called, by HTTP",
    ),
    "partner-require-without-identity": (
        post(require={"scopes": ["a"]}),
        f"{P}.require",
        "no identity is named: write egress.gateway.identity",
    ),
    "partner-claim-without-token": (
        post(limits=[{"requests": 1, "by": "claim:sub"}]),
        f"{P}.limits[0].by",
        "no token is asked for here",
    ),
    "partner-too-many-claims": (
        post(
            gateway={"identity": IDENTITY},
            require={"scopes": ["a"]},
            limits=[{"requests": 1, "by": f"claim:a{n}", "global": True} for n in range(9)],
        ),
        f"{P}.limits",
        "count by over 7 claims",
    ),
    "partner-no-value-will-do": (
        post(gateway={"identity": IDENTITY}, require={"claims": {"tenant": []}}),
        f"{P}.require.claims.tenant",
        "no token would do",
    ),
    "partner-claims-alike": (
        post(
            gateway={"identity": IDENTITY},
            require={"scopes": ["a"]},
            limits=[{"requests": 1, "by": "claim:a.b"}, {"requests": 1, "by": "claim:a_b"}],
        ),
        f"{P}.limits[1].by",
        "reads like claim:a.b",
    ),
    "partner-limit-by-client": (
        post(limits=[{"requests": 1, "by": "client"}]),
        f"{P}.limits[0].by",
        "write all, caller, or claim:<name>",
    ),
    "partner-global-without-redis": (
        egress(
            POST | {"limits": [{"requests": 1, "global": True}]},
            beside={"ingress": {}},
        ),
        f"{P}.limits[0].global",
        "write ingress.globalLimits with onFailure",
    ),
    "partner-too-many-limits": (
        post(limits=[{"requests": number} for number in range(1, 18)]),
        f"{P}.limits",
        "are over 16 in each pod",
    ),
    "partner-retries-too-long": (
        post(retries={"times": 2, "timeout": "10s"}),
        f"{P}.retries.timeout",
        "3 tries take 30s, and the request has 15s",
    ),
    "partner-host-header": (
        post(credential={"vaultPath": "a", "header": "host"}),
        f"{P}.credential.header",
        "is no header of a credential",
    ),
    "partner-header-of-the-mesh": (
        post(credential={"vaultPath": "a", "header": "l5d-client-id"}),
        f"{P}.credential.header",
        "is no header of a credential",
    ),
    "partner-header-that-is-taken-away": (
        post(credential={"vaultPath": "a", "header": "x-forwarded-for"}),
        f"{P}.credential.header",
        "write authorization, or a name such as x-api-key",
    ),
}
