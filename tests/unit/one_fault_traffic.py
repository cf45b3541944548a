"""Stack files with one fault each in the section `traffic`, in the form of `one_fault`."""

from __future__ import annotations

import copy
from typing import Any

from tests.unit.stack_files import KeyPath

CART = "traffic.services.shop/cart"
ROUTE = f"{CART}.routes[0]"
WAVES = [
    {"name": "w", "state": "on", "namespaces": ["shop", {"name": "out", "optOut": True}]},
    {"name": "later", "state": "off", "namespaces": ["off"]},
]
Case = tuple[dict[KeyPath, Any], str, str]


def cart(more: dict[KeyPath, Any] | None = None, **keys: Any) -> dict[KeyPath, Any]:
    """Shop is meshed, and its cart has these keys, with one that is good in any case."""
    made = copy.deepcopy({"port": 8080, "loadBias": {}, **keys})
    return {
        ("rollout", "waves"): WAVES,
        ("traffic",): {"services": {"shop/cart": made}, "flaggerVersion": "1.41.0"},
        **(more or {}),
    }


def beta(**keys: Any) -> dict[KeyPath, Any]:
    """One route of these keys."""
    return cart(routes=[{"name": "beta", "path": "/beta", **keys}])


def retried(**keys: Any) -> dict[KeyPath, Any]:
    """Retries of these keys, within 5 s."""
    given = {"on": ["gateway-error"], "bodies": True, **keys}
    return cart(timeouts={"request": "5s"}, retries=given)


def broken(**keys: Any) -> dict[KeyPath, Any]:
    """A breaker of these keys."""
    return cart(breaker=keys)


def call(**keys: Any) -> dict[KeyPath, Any]:
    """A route of gRPC with these keys."""
    return cart(protocol="grpc", routes=[{"name": "a", "grpcService": "shop.Cart", **keys}])


def paths(count: int, **keys: Any) -> list[dict[str, Any]]:
    """So many routes, each with a path of its own."""
    return [{"name": f"r{at}", "path": f"/{at}", **keys} for at in range(count)]


CANARY = {"name": "all", "to": {"cart": 95, "cart-canary": 5}}
OTHERS = {("traffic", "services", "shop/cart-canary"): {"port": 8080, "breaker": {}}}

FAULTS: dict[str, Case] = {
    # 1: times that Linkerd drops in silence
    "traffic-two-units": (
        cart(timeouts={"request": "1m30s"}), f"{CART}.timeouts.request", "write '90s'",
    ),
    "traffic-fraction": (
        cart(timeouts={"request": "1.5s"}), f"{CART}.timeouts.request", "write '1500ms'",
    ),
    "traffic-no-unit": (
        cart(timeouts={"idle": "30"}), f"{CART}.timeouts.idle", "write it like 90s or 500ms",
    ),
    "traffic-time-of-zero": (
        cart(timeouts={"idle": "0s"}), f"{CART}.timeouts.idle", "one whole number above 0",
    ),
    "traffic-time-too-long": (
        cart(timeouts={"idle": "50d"}), f"{CART}.timeouts.idle", "write at most 49d",
    ),
    "traffic-idle-never": (
        cart(timeouts={"request": "5s", "idle": "5s"}),
        f"{CART}.timeouts.idle",
        "never comes, for timeouts.request ends after 5s",
    ),
    "traffic-response-never": (
        cart(timeouts={"request": "5s", "response": "1m"}),
        f"{CART}.timeouts.response",
        "never comes",
    ),
    # 2, 3: retries
    "traffic-retries-without-on": (
        cart(retries={"bodies": True}), f"{CART}.retries.on", "missing: What is retried",
    ),
    "traffic-retries-on-nothing": (retried(on=[]), f"{CART}.retries.on", "nothing to retry on"),
    "traffic-retries-blank": (
        retried(on=["5xx", " gateway-error"]), f"{CART}.retries.on[1]", "write 'gateway-error'",
    ),
    "traffic-retries-on-good": (retried(on=[200]), f"{CART}.retries.on[0]", "a status like 503"),
    "traffic-retries-range": (
        retried(on=["504-502"]), f"{CART}.retries.on[0]", "a range like 502-504",
    ),
    "traffic-retries-none": (retried(times=0), f"{CART}.retries.times", "but it is 0"),
    "traffic-retries-too-many": (retried(times=6), f"{CART}.retries.times", "but it is 6"),
    "traffic-retries-too-long": (
        retried(times=5, timeout="1s"),
        f"{CART}.retries.timeout",
        "5 x 1s leave the last try no time before timeouts.request ends all after 5s",
    ),
    "traffic-retries-bodies-unsaid": (
        cart(retries={"on": ["5xx"]}), f"{CART}.retries.bodies", "missing: `true`: every request",
    ),
    "traffic-retries-of-grpc-at-http": (
        retried(on=["unavailable"]), f"{CART}.retries.on[0]", "is nothing that http answers with",
    ),
    "traffic-retries-of-http-at-grpc": (
        cart(protocol="grpc", retries={"on": ["5xx"], "bodies": True}),
        f"{CART}.retries.on[0]",
        "write unavailable, for instance",
    ),
    "traffic-retries-of-reads-at-grpc": (
        cart(protocol="grpc", retries={"on": ["unavailable"], "bodies": False}),
        f"{CART}.retries.bodies",
        "every gRPC call is a POST",
    ),
    # 4, 5: breakers
    "traffic-breaker-never": (broken(failures=0), f"{CART}.breaker.failures", "but it is 0"),
    "traffic-breaker-early": (
        broken(failures=2), f"{CART}.breaker.failures", "write at least 3",
    ),
    "traffic-breaker-rate-of-0": (
        broken(mode="unified", successRate=0), f"{CART}.breaker.successRate", "but it is 0",
    ),
    "traffic-breaker-rate-as-ratio": (
        broken(mode="unified", successRate=0.8), f"{CART}.breaker.successRate", "whole number",
    ),
    "traffic-breaker-rate-ignored": (
        broken(successRate=80), f"{CART}.breaker.successRate", "write mode: unified, or remove it",
    ),
    "traffic-breaker-window-ignored": (
        broken(window="10s"), f"{CART}.breaker.window", "Linkerd ignores it",
    ),
    "traffic-breaker-requests-ignored": (
        broken(leastRequests=10), f"{CART}.breaker.leastRequests", "Linkerd ignores it",
    ),
    "traffic-breaker-window-short": (
        broken(mode="unified", window="500ms"), f"{CART}.breaker.window", "write at least '1s'",
    ),
    "traffic-breaker-least-0": (
        broken(mode="unified", leastRequests=0), f"{CART}.breaker.leastRequests", "but it is 0",
    ),
    "traffic-breaker-penalty": (
        broken(penalty="2m"), f"{CART}.breaker.penalty", "is longer than maxPenalty 1m",
    ),
    "traffic-breaker-mode": (
        broken(mode="success-rate"), f"{CART}.breaker.mode", "'consecutive' or 'unified'",
    ),
    "traffic-breaker-misspelt": (
        broken(sucessRate=80), f"{CART}.breaker.sucessRate", "did you mean 'successRate'?",
    ),
    "traffic-breaker-of-a-backend": (
        cart(OTHERS, routes=[CANARY]),
        "traffic.services.shop/cart-canary.breaker",
        "write it at 'shop/cart', whose breaker holds for them",
    ),
    "traffic-breaker-of-flaggers-canary": (
        cart(OTHERS, delivery="flagger"),
        "traffic.services.shop/cart-canary.breaker",
        "write it at 'shop/cart'",
    ),
    # 6: routes
    "traffic-port-twice": (
        cart(otherPorts=[{"port": 8080, "timeouts": {"idle": "5s"}}]),
        f"{CART}.otherPorts[0].port",
        "8080 is listed already",
    ),
    "traffic-protocol": (cart(protocol="gprc"), f"{CART}.protocol", "did you mean 'grpc'?"),
    "traffic-app-protocol": (
        cart(protocol="https"), f"{CART}.protocol", "'http', 'h2c' or 'grpc'",
    ),
    "traffic-many-rules": (cart(routes=paths(16)), f"{CART}.routes", "17 rules with that of all"),
    "traffic-many-calls": (
        call(grpcMethods=[f"M{at}" for at in range(9)]),
        f"{CART}.routes[0].grpcMethods",
        "9 matches, and a rule has 8 at most",
    ),
    "traffic-many-backends": (
        beta(to={f"b{at}": 1 for at in range(17)}), f"{ROUTE}.to", "17 backends",
    ),
    "traffic-many-headers": (
        beta(headers={f"x-{at}": "1" for at in range(17)}), f"{ROUTE}.headers", "more than 16",
    ),
    "traffic-name-twice": (
        cart(routes=[*paths(1), {"name": "r0", "path": "/other"}]),
        f"{CART}.routes[1].name",
        "'r0' is taken at this port",
    ),
    "traffic-name-of-the-rest": (
        cart(routes=[{"name": "rest", "path": "/a"}]), f"{ROUTE}.name", "'rest' is taken",
    ),
    "traffic-same-match": (
        cart(routes=[*paths(1), {"name": "b", "path": "/0"}]),
        f"{CART}.routes[1]",
        "matches the same requests as 'r0', which holds",
    ),
    "traffic-same-method": (
        cart(routes=[{"name": "a", "path": "/a", "methods": ["GET", "PUT"]},
                     {"name": "b", "path": "/a", "methods": ["PUT"]}]),
        f"{CART}.routes[1]",
        "matches the same requests as 'a'",
    ),
    "traffic-methods-twice": (
        beta(methods=["GET", "GET"]), f"{ROUTE}.methods", "lists one twice",
    ),
    "traffic-same-path-with-a-slash": (
        cart(routes=[{"name": "a", "path": "/a"}, {"name": "b", "path": "/a/"}]),
        f"{CART}.routes[1]",
        "matches the same requests as 'a'",
    ),
    "traffic-after-everything": (
        cart(routes=[CANARY, {"name": "beta", "path": "/beta"}]),
        f"{CART}.routes[1]",
        "'all' takes every request and comes before: move this one before it",
    ),
    "traffic-after-every-call": (
        cart(protocol="grpc", routes=[CANARY, {"name": "a", "grpcService": "shop.Cart"}]),
        f"{CART}.routes[1]",
        "'all' takes every request",
    ),
    "traffic-weights-of-0": (
        beta(to={"cart": 0, "cart-canary": 0}), f"{ROUTE}.to", "all weights are 0",
    ),
    "traffic-weight-below-0": (beta(to={"cart": -1}), f"{ROUTE}.to.cart", "but it is -1"),
    "traffic-weight-too-large": (
        beta(to={"cart": 1000001}), f"{ROUTE}.to.cart", "but it is 1000001",
    ),
    "traffic-backend-twice": (
        beta(to={"cart": 1, "shop/cart:8080": 1}),
        f"linkerd-platform:{ROUTE}.to.shop/cart:8080",
        "is the same Service and port as 'cart'",
    ),
    "traffic-backend-url": (
        beta(to={"http://cart": 1}), f"linkerd-platform:{ROUTE}.to.http://cart", "is no backend",
    ),
    "traffic-backend-dns": (
        beta(to={"cart.shop.svc": 1}), f"{ROUTE}.to.cart.shop.svc", "like shop/cart",
    ),
    # what another protocol has
    "traffic-path-at-grpc": (
        call(path="/shop"), f"{ROUTE}.path", "means nothing where protocol is 'grpc'",
    ),
    "traffic-query-at-grpc": (call(query={"a": "b"}), f"{ROUTE}.query", "means nothing"),
    "traffic-methods-at-grpc": (call(methods=["GET"]), f"{ROUTE}.methods", "means nothing"),
    "traffic-redirect-at-grpc": (
        call(redirect={"host": "a.example.com"}), f"{ROUTE}.redirect", "means nothing",
    ),
    "traffic-call-at-http": (
        beta(grpcService="shop.Cart"), f"{ROUTE}.grpcService", "where protocol is 'http'",
    ),
    "traffic-method-without-service": (
        cart(protocol="grpc", routes=[{"name": "a", "grpcMethods": ["Get"]}]),
        f"{ROUTE}.grpcService",
        "missing: the service",
    ),
    "traffic-call-with-a-slash": (
        call(grpcMethods=["Cart/Get"]), f"{ROUTE}.grpcMethods[0]", "without '/'",
    ),
    # matches and filters
    "traffic-path-relative": (beta(path="beta"), f"{ROUTE}.path", "write '/beta'"),
    "traffic-path-with-a-query": (beta(path="/beta?a=b"), f"{ROUTE}.path", "has a query"),
    "traffic-path-doubled": (beta(path="/a//b"), f"{ROUTE}.path", "has '//'"),
    "traffic-path-star": (beta(path="/a/../b"), f"{ROUTE}.path", "has '/../'"),
    "traffic-path-type": (
        beta(pathType="regexp"), f"{ROUTE}.pathType", "did you mean 'regex'?",
    ),
    "traffic-regex-ahead": (
        beta(path="/(?!api).*", pathType="regex"), f"{ROUTE}.path", "no look-around",
    ),
    "traffic-regex-back": (
        beta(headerPatterns={"x-a": "(a)\\1"}), f"{ROUTE}.headerPatterns.x-a", "back-references",
    ),
    "traffic-regex-broken": (
        beta(queryPatterns={"a": "(b"}), f"{ROUTE}.queryPatterns.a", "is no regular expression",
    ),
    "traffic-header-upper-case": (
        beta(headers={"X-Beta": "1"}), f"{ROUTE}.headers.X-Beta", "write 'x-beta'",
    ),
    "traffic-header-host": (
        beta(headers={"host": "a"}), f"{ROUTE}.headers.host", "is no header in HTTP/2",
    ),
    "traffic-header-of-the-proxy": (
        beta(requestHeaders={"set": {"l5d-dst-override": "a"}}),
        f"{ROUTE}.requestHeaders.set.l5d-dst-override",
        "the proxies' own",
    ),
    "traffic-header-twice": (
        beta(headers={"x-a": "1"}, headerPatterns={"x-a": "2"}),
        f"{ROUTE}.headerPatterns.x-a",
        "is compared twice",
    ),
    "traffic-header-set-and-removed": (
        beta(requestHeaders={"set": {"x-a": "1"}, "remove": ["x-a"]}),
        f"{ROUTE}.requestHeaders.remove",
        "'x-a' is in set and remove",
    ),
    "traffic-redirect-with-backends": (
        beta(to={"cart": 1}, redirect={"scheme": "https"}),
        f"{ROUTE}.to",
        "no request arrives there",
    ),
    "traffic-redirect-nowhere": (beta(redirect={}), f"{ROUTE}.redirect", "where the client is"),
    "traffic-redirect-both": (
        beta(redirect={"path": "/a", "prefix": "/b"}), f"{ROUTE}.redirect.prefix", "keep one",
    ),
    "traffic-redirect-prefix": (
        beta(pathType="exact", redirect={"prefix": "/b"}),
        f"{ROUTE}.redirect.prefix",
        "needs one match of pathType prefix",
    ),
    "traffic-redirect-status": (
        beta(redirect={"host": "a.example.com", "status": 308}),
        f"{ROUTE}.redirect.status",
        "but it is 308",
    ),
    "traffic-redirect-path": (
        beta(redirect={"path": "b"}), f"{ROUTE}.redirect.path", "write '/b'",
    ),
    # 7: what Linkerd does not do
    "traffic-mirror": (
        beta(mirror={"to": "cart"}), f"{ROUTE}.mirror", "mirroring is done at an ingress alone",
    ),
    "traffic-rewrite": (beta(rewrite="/"), f"{ROUTE}.rewrite", "at an ingress alone"),
    "traffic-cors": (beta(cors={"origins": ["*"]}), f"{ROUTE}.cors", "at an ingress alone"),
    "traffic-retries-of-a-route": (
        beta(retries={"on": ["5xx"]}), f"{ROUTE}.retries", "write them beside routes",
    ),
    "traffic-timeouts-of-a-route": (
        beta(timeouts={"request": "5s"}), f"{ROUTE}.timeouts", "write them beside routes",
    ),
    "traffic-breaker-of-a-route": (
        beta(breaker={}), f"{ROUTE}.breaker", "holds for the whole service",
    ),
    "traffic-limit-here": (
        cart(rateLimit=10), f"{CART}.rateLimit", "write it at policy.namespaces",
    ),
    "traffic-most-at-a-time": (
        cart(maxParallel=10), f"{CART}.maxParallel", "at a gateway alone",
    ),
    "traffic-breaker-of-a-port": (
        cart(otherPorts=[{"port": 9090, "breaker": {}}]),
        f"{CART}.otherPorts[0].breaker",
        "unknown key",
    ),
    # 8, 9: where
    "traffic-unplanned": (
        {("traffic",): {"services": {"shop/cart": {"port": 8080, "loadBias": {}}}}},
        CART,
        "'shop' is in no wave of rollout",
    ),
    "traffic-opted-out": (
        cart({("traffic", "services"): {"out/cart": {"port": 8080, "loadBias": {}}}}),
        "traffic.services.out/cart",
        "'out' is an opt-out of rollout",
    ),
    "traffic-backend-unmeshed": (
        beta(to={"off/cart": 1}), f"{ROUTE}.to.off/cart", "(its wave 'later' is off)",
    ),
    "traffic-backend-unplanned": (
        beta(to={"nowhere/cart": 1}), f"{ROUTE}.to.nowhere/cart", "no wave of rollout has it",
    ),
    "traffic-name-of-the-egress-network": (
        cart({
            ("traffic", "services"): {"shop/egress": {"port": 80, "loadBias": {}}},
            ("egress",): {"namespaces": {"shop": {}}},
        }),
        "traffic.services.shop/egress",
        "is the name of the EgressNetwork of 'shop' too",
    ),
    "traffic-service-key": (
        cart({("traffic", "services"): {"cart": {"port": 80}}}),
        "traffic.services.cart",
        "write <namespace>/<name>, like shop/cart",
    ),
    "traffic-opaque": (cart(port=5432), f"{CART}.port", "an opaque port by Linkerd's own list"),
    "traffic-opaque-here": (
        cart({("workloads", "namespaces"): {"shop": {"opaquePorts": ["8000-8100"]}}}),
        f"{CART}.port",
        "by workloads.namespaces.shop.opaquePorts",
    ),
    # 20: who moves the weights
    "traffic-argo-without-weights": (
        cart(delivery="argo", routes=paths(1)), f"{CART}.delivery", "has no weights to move",
    ),
    "traffic-argo-with-reads-alone": (
        cart(delivery="argo", routes=[CANARY], retries={"on": ["5xx"], "bodies": False}),
        f"{CART}.retries.bodies",
        "write true where 'argo' moves the weights, or remove retries",
    ),
    "traffic-argos-own-rule": (
        cart(
            delivery="argo",
            routes=[{"name": "beta", "headers": {"x-beta": "1"}, "to": {"cart-canary": 1}}, CANARY],
        ),
        f"{ROUTE}.to",
        "write a step setHeaderRoute in the Rollout",
    ),
    "traffic-flaggers-routes": (
        cart(delivery="flagger", routes=[CANARY]), f"{CART}.routes", "Flagger makes the route",
    ),
    "traffic-flaggers-retries": (
        cart(delivery="flagger", retries={"on": ["5xx"], "bodies": True}),
        f"{CART}.retries",
        "write it in its Canary, or delivery: none",
    ),
    "traffic-flaggers-timeouts": (
        cart(delivery="flagger", timeouts={"request": "5s"}),
        f"{CART}.timeouts",
        "Flagger makes the route",
    ),
    "traffic-flaggers-version-unsaid": (
        cart({("traffic",): {"services": {"shop/a": {"port": 80, "delivery": "flagger"}}}}),
        "traffic.flaggerVersion",
        "missing: 1.42.0 and later wait for Linkerd for ever",
    ),
    "traffic-flaggers-version": (
        cart({("traffic", "flaggerVersion"): "1.44.0"}, delivery="flagger"),
        "traffic.flaggerVersion",
        "install 1.41.0, or write delivery: argo",
    ),
    "traffic-flaggers-version-as-a-tag": (
        cart({("traffic", "flaggerVersion"): "v1.41.0"}, delivery="flagger"),
        "traffic.flaggerVersion",
        "write it like 1.41.0",
    ),
    "traffic-delivery": (
        cart(delivery="argo-rollouts"), f"{CART}.delivery", "'none', 'argo' or 'flagger'",
    ),
}  # fmt: skip
