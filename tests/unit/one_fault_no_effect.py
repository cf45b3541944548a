"""Faults of the section `traffic`: what Linkerd, a proxy or a plugin takes without any effect."""

from __future__ import annotations

from tests.unit.one_fault_traffic import CART, ROUTE, Case, beta, cart

FAULTS: dict[str, Case] = {
    "traffic-says-nothing": (
        {**cart(), ("traffic", "services", "shop/cart"): {"port": 8080, "protocol": "grpc"}},
        CART,
        "says nothing of requests: write timeouts, retries, routes or breaker, or remove it",
    ),
    "traffic-other-port-says-nothing": (
        cart(breaker={}, otherPorts=[{"port": 9090}]),
        f"{CART}.otherPorts[0]",
        "says nothing of requests: write timeouts, retries or routes, or remove it",
    ),
    "traffic-skipped-port": (
        cart(
            {("workloads", "namespaces"): {"shop": {"skipOutboundPorts": ["8000-8100"]}}},
            timeouts={"request": "5s"},
        ),
        f"{CART}.port",
        "8080 is in workloads.namespaces.shop.skipOutboundPorts",
    ),
    "traffic-path-glob": (
        beta(path="/api/*"), f"{ROUTE}.path", "'*' stands for itself there: write '/api'",
    ),
    "traffic-path-glob-at-once": (
        beta(path="/*", pathType="exact"), f"{ROUTE}.path", "write '/', which has all below it",
    ),
    "traffic-path-pattern-of-no-path": (
        beta(path="api/.*", pathType="regex"), f"{ROUTE}.path", "matches no path, which begins",
    ),
    "traffic-path-pattern-of-python": (
        beta(path="/a(?>b)", pathType="regex"), f"{ROUTE}.path", "has '(?>', which Linkerd's",
    ),
    "traffic-redirect-with-request-headers": (
        beta(redirect={"host": "a.example.com"}, requestHeaders={"set": {"x-a": "1"}}),
        f"{ROUTE}.requestHeaders",
        "changes no header where the redirect answers",
    ),
    "traffic-redirect-with-response-headers": (
        beta(redirect={"host": "a.example.com"}, responseHeaders={"remove": ["x-a"]}),
        f"{ROUTE}.responseHeaders",
        "changes no header where the redirect answers",
    ),
    "traffic-redirect-to-itself": (
        beta(redirect={"path": "/beta/"}),
        f"{ROUTE}.redirect.path",
        "is where the request is, which comes again without end",
    ),
    "traffic-redirect-prefix-to-itself": (
        beta(redirect={"prefix": "/beta"}),
        f"{ROUTE}.redirect.prefix",
        "is where the request is, which comes again without end",
    ),
    "traffic-header-of-a-connection": (
        beta(requestHeaders={"set": {"connection": "close"}}),
        f"{ROUTE}.requestHeaders.set",
        "'connection' is of one connection",
    ),
    "traffic-header-of-the-length": (
        beta(responseHeaders={"remove": ["content-length"]}),
        f"{ROUTE}.responseHeaders.remove",
        "'content-length' is of one connection",
    ),
    "traffic-backend-as-address": (
        beta(to={"cart-canary.pay.svc.cluster.local": 1}),
        f"{ROUTE}.to.cart-canary.pay.svc.cluster.local",
        "is an address: name the Service alone, with <namespace>/ before it where that differs",
    ),
    "traffic-flagger-grpc": (
        cart(protocol="grpc", delivery="flagger"),
        f"{CART}.protocol",
        "Flagger makes an HTTPRoute, which knows no gRPC: write h2c",
    ),
    "traffic-argo-three-backends": (
        cart(
            delivery="argo",
            routes=[{"name": "all", "to": {"cart": 90, "cart-canary": 5, "cart-old": 5}}],
        ),
        f"{ROUTE}.to",
        "moves the weights of two Services, the same at all routes",
    ),
    "traffic-argo-two-pairs": (
        cart(
            delivery="argo",
            routes=[
                {"name": "a", "path": "/a", "to": {"cart": 90, "cart-canary": 10}},
                {"name": "b", "path": "/b", "to": {"web": 90, "web-canary": 10}},
            ],
        ),
        f"{CART}.routes[1].to",
        "moves the weights of two Services, the same at all routes",
    ),
}  # fmt: skip
