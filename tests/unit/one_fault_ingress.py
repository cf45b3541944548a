"""Stack files with one fault each in the section `ingress`, in the form of `one_fault`."""

from __future__ import annotations

from typing import Any

from tests.certificates import Authority
from tests.unit.ingress_samples import BESIDE, CART, HOME, IDENTITY
from tests.unit.stack_files import REMOVE, KeyPath, certificate

R = "ingress.routes[0]"
LEAF = Authority.root("ca").issue("shop.example.com", ca=False)[0].decode()
LISTENER: dict[str, Any] = {"name": "shop", "host": "shop.example.com", "issuer": "own"}


def ingress(**keys: Any) -> dict[KeyPath, Any]:
    """A good section with some keys set, or removed with REMOVE."""
    section = {
        "enabled": True,
        "trustedProxies": 0,
        "identity": IDENTITY,
        "issuers": {"own": {"ca": True}},
        "listeners": [LISTENER],
        "globalLimits": {"onFailure": "open"},
        "routes": [CART],
    } | keys
    given = {key: value for key, value in section.items() if value is not REMOVE}
    return {**{(key,): value for key, value in BESIDE.items()}, ("ingress",): given}


def route(**keys: Any) -> dict[KeyPath, Any]:
    """The good section with a route that has these keys."""
    made = {"name": "a", "host": "shop.example.com", "service": "shop/foo"} | keys
    return ingress(routes=[{key: value for key, value in made.items() if value is not REMOVE}])


def issuer(**keys: Any) -> dict[KeyPath, Any]:
    """The good section with this issuer."""
    return ingress(issuers={"own": keys})


def listener(**keys: Any) -> dict[KeyPath, Any]:
    """The good section with a second listener."""
    second = {"name": "b", "host": "b.example.com", "issuer": "own"} | keys
    return ingress(listeners=[LISTENER, second])


def cors(**keys: Any) -> dict[KeyPath, Any]:
    """A route with these rules for pages of other origins."""
    return route(cors=keys)


def shop(*services: dict[str, Any]) -> dict[KeyPath, Any]:
    """The good section with these policies in place of the shop's."""
    made = ingress()
    made["policy",] = {"namespaces": {"shop": {"services": list(services)}}}
    return made


def foo(**keys: Any) -> dict[str, Any]:
    """The policy of the Service that the route leads to."""
    ports = [{"port": 8080, "allow": [{"serviceAccounts": ["web"]}]}]
    return {"name": "foo", "selector": {"app": "foo"}, "ports": ports} | keys


A_CORS = ["https://a.example.com"]
NETWORK = {"port": 8080, "allow": [{"networks": [{"cidr": "0.0.0.0/0"}]}]}
OIDC: dict[str, Any] = {
    "issuer": "https://a.example.com",
    "authorizationEndpoint": "https://a.example.com/a",
    "tokenEndpoint": "https://a.example.com/t",
    "clientId": "a",
    "vaultPath": "oidc/a",
}

FAULTS: dict[str, tuple[dict[KeyPath, Any], str, str]] = {
    "ingress-old-gateway-api": (
        ingress() | {("gatewayApi",): {}},
        "gatewayApi.version",
        "1.2.1 is too old for gateways: write 1.5.1",
    ),
    "ingress-unknown-channel": (
        ingress() | {("gatewayApi",): {"version": "1.5.1", "install": False}},
        "gatewayApi.channel",
        "missing: gateways need the experimental channel",
    ),
    "ingress-standard-channel": (
        ingress()
        | {("gatewayApi",): {"version": "1.5.1", "install": False, "channel": "standard"}},
        "gatewayApi.channel",
        "'standard' has no TLSRoute of Linkerd's",
    ),
    "ingress-channel-of-ours": (
        {("gatewayApi",): {"channel": "experimental"}},
        "gatewayApi.channel",
        "give install: false with it, or leave it out",
    ),
    "ingress-no-audience": (
        ingress(identity={**IDENTITY, "audiences": []}),
        "ingress.identity.audiences",
        "tokens for anybody would be taken",
    ),
    "ingress-many-audiences": (
        ingress(identity={**IDENTITY, "audiences": [f"a{n}" for n in range(9)]}),
        "ingress.identity.audiences",
        "over 8",
    ),
    "ingress-keys-in-the-clear": (
        ingress(identity={**IDENTITY, "jwks": "http://idp.example.com/jwks"}),
        "ingress.identity.jwks",
        "never fetched in the clear",
    ),
    "ingress-no-issuer": (issuer(), "ingress.issuers.own", "has none: write exactly one"),
    "ingress-two-issuers": (
        issuer(ca=True, existing="a"),
        "ingress.issuers.own",
        "has existing and ca: write exactly one",
    ),
    "ingress-acme-wildcard": (
        ingress(
            issuers={"own": {"acme": {"email": "a@example.com"}}},
            listeners=[LISTENER | {"host": "*.example.com"}],
        ),
        "ingress.issuers.own.acme",
        "name an existing ClusterIssuer with DNS-01",
    ),
    "ingress-no-listeners": (
        ingress(listeners=[], routes=[]),
        "ingress.listeners",
        "missing: write the hosts of the gateway",
    ),
    "ingress-many-listeners": (
        ingress(
            listeners=[LISTENER]
            + [LISTENER | {"name": f"l{n}", "host": f"l{n}.example.com"} for n in range(63)]
        ),
        "ingress.listeners",
        "the most that a Gateway has",
    ),
    "ingress-listener-twice": (
        listener(name="shop"),
        "ingress.listeners[1].name",
        "'shop' is taken",
    ),
    "ingress-listener-of-port-80": (
        listener(name="http"),
        "ingress.listeners[1].name",
        "'http' is taken",
    ),
    "ingress-host-twice": (
        listener(host="shop.example.com"),
        "ingress.listeners[1].host",
        "has a listener already",
    ),
    "ingress-bare-host": (listener(host="localhost"), "ingress.listeners[1].host", "is no host"),
    "ingress-unknown-issuer": (
        listener(issuer="other"),
        "ingress.listeners[1].issuer",
        "'other' is not in issuers (own): add it there",
    ),
    "ingress-client-ca-unreadable": (
        listener(clientCa={"pem": "x"}),
        "ingress.listeners[1].clientCa.pem",
        "certificate",
    ),
    # That of a server: clients would be checked against it, and each be refused.
    "ingress-client-ca-leaf": (
        listener(clientCa={"pem": LEAF}),
        "ingress.listeners[1].clientCa.pem",
        "'CN=shop.example.com' is no CA, such as the certificate of listener 'b' itself",
    ),
    # Nor may one hide behind a CA.
    "ingress-client-ca-leaf-too": (
        listener(clientCa={"pem": certificate() + LEAF}),
        "ingress.listeners[1].clientCa.pem",
        "is no CA",
    ),
    "ingress-route-twice": (
        ingress(routes=[HOME, HOME | {"path": "/b"}]),
        "ingress.routes[1].name",
        "'home' is taken",
    ),
    "ingress-place-twice": (
        ingress(routes=[HOME, HOME | {"name": "b"}]),
        "ingress.routes[1].path",
        "/ of shop.example.com is answered by 'home' already",
    ),
    "ingress-no-listener": (
        route(host="a.example.org"),
        f"{R}.host",
        "a.example.org is no listener's (shop.example.com): add one for it",
    ),
    "ingress-path": (route(path="/a?b"), f"{R}.path", "is no path: write it like /api"),
    "ingress-path-dots": (route(path="/a/../b"), f"{R}.path", "is no path"),
    "ingress-service-without-namespace": (
        route(service="foo"),
        f"{R}.service",
        "names no namespace: write <namespace>/<service>",
    ),
    "ingress-no-answer": (route(service=REMOVE), R, "needs service or redirect, and not both"),
    "ingress-two-answers": (
        route(redirect={"path": "/b"}),
        R,
        "needs service or redirect, and not both",
    ),
    "ingress-redirect-to-itself": (
        route(service=REMOVE, redirect={}),
        f"{R}.redirect",
        "leads to where it comes from: write host or path",
    ),
    "ingress-redirect-mirrored": (
        route(service=REMOVE, redirect={"path": "/b"}, mirror={"to": "shop/foo", "percent": 1}),
        f"{R}.mirror",
        "a redirect has none: remove it",
    ),
    "ingress-ranges-that-nobody-keeps-to": (
        ingress(service={"type": "NodePort", "sourceRanges": ["10.0.0.0/8"]}),
        "ingress.service.sourceRanges",
        "only a load balancer keeps to them, and type is NodePort",
    ),
    # What Envoy Gateway or the API server refuses, and then a route answers 500 or is not there.
    **{
        f"ingress-path-{name}": (
            route(path=path),
            f"{R}.path",
            "is no path: write it like /api, without a query or escapes",
        )
        for name, path in {
            "template": "/carts/{id}",
            "pipe": "/a|b",
            "long": f"/{'a' * 1024}",
        }.items()
    },
    **{
        f"ingress-body-of-{size}": (
            route(requestSize=size),
            f"{R}.requestSize",
            "is no size of a body: write it like 64Ki or 1Mi, below 4Gi",
        )
        for size in ("4Gi", "500m", "1.5Mi")
    },
    **{
        f"ingress-login-{key}-{value[-8:]}": (
            route(oidc=OIDC | {key: value}),
            f"{R}.oidc.{key}",
            message,
        )
        for key, value, message in (
            ("callback", "/", "is the route itself"),
            ("logout", "/", "is the route itself"),
            ("logout", "/oauth2/callback", "is the callback, too"),
            ("issuer", "https://login.example.com/?p=a", "has a query"),
        )
    },
    # Each would be dropped without a word, or refused by the API server in the middle of an update.
    **{
        f"ingress-redirect-with-{key}": (
            route(service=REMOVE, redirect={"path": "/b"}, **{key: value}),
            f"{R}.{key}",
            "a redirect has none: remove it",
        )
        for key, value in {
            "rewrite": "/c",
            "limits": [{"requests": 1}],
            "breaker": {},
            "requestSize": "1Mi",
            "require": {"scopes": ["a"]},
            "oidc": OIDC,
        }.items()
    },
    "ingress-split": (
        route(split=[{"service": "shop/foo", "port": n, "percent": 60} for n in (81, 82)]),
        f"{R}.split",
        "is over 100 per cent",
    ),
    "ingress-long-retries": (
        route(retries={"times": 3, "timeout": "5s"}),
        f"{R}.retries.timeout",
        "4 tries take 20s, and the request has 15s",
    ),
    "ingress-too-many-scopes": (
        route(require={"scopes": [f"a{number}" for number in range(17)]}),
        f"{R}.require.scopes",
        "lists over 16",
    ),
    "ingress-too-many-claims": (
        route(require={"claims": {f"a{number}": ["b"] for number in range(17)}}),
        f"{R}.require.claims",
        "lists over 16, with listClaims",
    ),
    "ingress-no-value-will-do": (
        route(require={"listClaims": {"groups": []}}),
        f"{R}.require.listClaims.groups",
        "no token would do: write what will",
    ),
    "ingress-too-many-values": (
        route(require={"claims": {"a": [f"b{number}" for number in range(129)]}}),
        f"{R}.require.claims.a",
        "lists over 128",
    ),
    "ingress-public-and-asked": (
        route(public=True, require={"scopes": ["a"]}),
        f"{R}.require",
        "a public route asks nobody: remove it, or public",
    ),
    "ingress-public-login": (
        route(public=True, oidc=OIDC),
        f"{R}.oidc",
        "a public route asks nobody",
    ),
    "ingress-open": (
        ingress(identity=REMOVE, routes=[HOME | {"public": False}]),
        R,
        "anybody could call it: write ingress.identity, oidc, a clientCa of its listener, or",
    ),
    "ingress-optional-certificate-is-none": (
        ingress(
            identity=REMOVE,
            routes=[HOME | {"public": False}],
            listeners=[LISTENER | {"clientCa": {"pem": certificate(), "mode": "optional"}}],
        ),
        R,
        "anybody could call it",
    ),
    "ingress-scopes-without-tokens": (
        ingress(identity=REMOVE, routes=[HOME | {"public": False, "require": {"scopes": ["a"]}}]),
        f"{R}.require",
        "no identity is named",
    ),
    "ingress-scopes-of-a-login": (
        route(oidc=OIDC, require={"scopes": ["a"]}),
        f"{R}.require",
        "oidc has no token to look into",
    ),
    "ingress-many-limits": (
        route(limits=[{"requests": n} for n in range(1, 18)]),
        f"{R}.limits",
        "are over 16 in each pod",
    ),
    "ingress-limits-that-nobody-counts": (
        ingress(
            globalLimits=REMOVE,
            routes=[HOME | {"limits": [{"requests": 1, "global": True}]}],
        ),
        f"{R}.limits[0].global",
        "no Redis counts it: write ingress.globalLimits with onFailure",
    ),
    "ingress-redis-away": (
        ingress(globalLimits={}),
        "ingress.globalLimits.onFailure",
        "missing",
    ),
    "ingress-unknown-client": (
        ingress(
            trustedProxies=REMOVE,
            routes=[HOME | {"limits": [{"requests": 1, "by": "client"}]}],
        ),
        f"{R}.limits[0].by",
        "write ingress.trustedProxies, 0 where no proxy stands before the gateway",
    ),
    "ingress-claims-of-nobody": (
        route(public=True, limits=[{"requests": 1, "by": "claim:sub"}]),
        f"{R}.limits[0].by",
        "no token is asked for here",
    ),
    "ingress-claims-alike": (
        route(limits=[{"requests": 1, "by": each} for each in ("claim:a.b", "claim:a_b")]),
        f"{R}.limits[1].by",
        "reads like claim:a.b",
    ),
    "ingress-counted-by-nothing": (
        route(limits=[{"requests": 1, "by": "cookie:a"}]),
        f"{R}.limits[0].by",
        "write all, client, claim:<name>, or header:<name>",
    ),
    "ingress-cors-of-nobody": (cors(origins=[]), f"{R}.cors.origins", "lists none"),
    "ingress-cors-everywhere-with-cookies": (
        cors(origins=["*"], credentials=True),
        f"{R}.cors.origins",
        "every site could act for a user who is logged in",
    ),
    "ingress-cors-everywhere": (
        cors(origins=["*"]),
        f"{R}.cors.origins",
        "'*' is not for production",
    ),
    "ingress-origin": (cors(origins=["a.example.com"]), f"{R}.cors.origins[0]", "is no origin"),
    "ingress-not-in-the-mesh": (
        route(service="out/foo"),
        R,
        "pods of 'out' are not in the mesh",
    ),
    "ingress-without-policy": (
        shop(foo(name="other")),
        R,
        "shop/foo has no policy, so anybody in the cluster may call it",
    ),
    "ingress-open-policy": (
        shop(foo(defaultInboundPolicy="all-unauthenticated")),
        R,
        "shop/foo is under 'all-unauthenticated', which lets others in",
    ),
    "ingress-way-round": (
        shop(foo(defaultInboundPolicy="deny", ports=[NETWORK])),
        R,
        "which is a way round the gateway: name service accounts",
    ),
}
