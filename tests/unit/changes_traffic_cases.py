"""Changes of routes, breakers and rate limits for the rows of `test_changes_rules`."""

from __future__ import annotations

from typing import Any

from bot.changes.model import Change, Op
from components.traffic.objects import routes, service_patch
from components.traffic.section import ServiceTraffic
from stack.load import _tupled
from tests.unit.changes_samples import resource, thing

Keys = dict[str, Any]
CANARY = [{"name": "all", "to": {"cart": 95, "cart-canary": 5}}]


def made(keys: Keys) -> ServiceTraffic:
    """A service as the stack file has it, on port 8080."""
    return ServiceTraffic.model_validate(
        _tupled({"port": 8080, **keys}), by_alias=True, by_name=False
    )


def route(before: Keys | None, after: Keys | None, op: Op | None = None) -> Change:
    """The route of a service whose keys become these."""
    sides = (
        None if side is None else routes("shop", "cart", made(side))[0] for side in (before, after)
    )
    return resource("kubernetes:gateway.networking.k8s.io/v1:HTTPRoute", "r", *sides, op)


def patch(before: Keys | None, after: Keys | None) -> Change:
    """The patch of a Service whose keys become these."""
    sides = (
        None if side is None else service_patch("shop", "cart", made(side))
        for side in (before, after)
    )
    return resource("kubernetes:core/v1:ServicePatch", "s", *sides)


def limit(before: Keys | None, after: Keys | None) -> Change:
    """A rate limit whose spec becomes this."""
    sides = (None if side is None else {"spec": side} for side in (before, after))
    return thing("HTTPLocalRateLimitPolicy", "shop/l", *sides)


def rate(**rates: int) -> Keys:
    """A spec with these rates."""
    return {key: {"requestsPerSecond": value} for key, value in rates.items()}


def override(value: int) -> Keys:
    """A spec in which one account has a rate of its own."""
    ref = {"group": "", "kind": "ServiceAccount", "namespace": "shop", "name": "bar"}
    return {**rate(identity=10), "overrides": [{"requestsPerSecond": value, "clientRefs": [ref]}]}


def to(cart: int, **others: int) -> Keys:
    """Every request goes to these backends."""
    weights = {"cart": cart, **{key.replace("_", "-"): value for key, value in others.items()}}
    return {"routes": [{"name": "all", "to": weights}]}


def retried(**keys: Any) -> Keys:
    """Retries of every request."""
    return {"retries": {"on": ["5xx"], "bodies": True, **keys}}


def _policy(path: str) -> Keys:
    rules = [{"matches": [{"path": {"type": "PathPrefix", "value": path}}]}]
    return {"spec": {"parentRefs": [{"kind": "Server", "name": "s"}], "rules": rules}}


def _rest(path: str) -> Keys:
    rules = [{"matches": [{"path": {"type": "PathPrefix", "value": path}}]}]
    return {"spec": {"parentRefs": [{"kind": "Service", "name": "s"}], "rules": rules}}


FIVE, TEN = {"timeouts": {"request": "5s"}}, {"timeouts": {"request": "10s"}}
ARGO = {"delivery": "argo"}
BETA = {"routes": [{"name": "beta", "headers": {"x-beta": "1"}, "to": {"cart-canary": 1}}]}
CASES: dict[str, tuple[Change, Change]] = {
    "traffic-starts": (
        route(None, FIVE), thing("HTTPRoute", "shop/s-rest", None, _policy("/")),
    ),
    "traffic-rest-ends": (
        thing("HTTPRoute", "shop/a", _rest("/"), _rest("/a")), route(FIVE, BETA),
    ),
    "traffic-ends": (
        route(FIVE, None), thing("HTTPRoute", "shop/s-rest", _policy("/"), None),
    ),
    "traffic-changes": (route(FIVE, FIVE | BETA), route(to(95, b=5), to(90, b=10))),
    "weight-jump": (route(to(90, b=10), to(39, b=61)), route(to(90, b=10), to(50, b=50))),
    "delivery-weights": (
        route(ARGO | to(100, b=0), ARGO | to(95, b=5), Op.REPLACE),
        route(to(100, b=0), to(95, b=5)),
    ),
    "retries-on-writes": (
        route(FIVE, FIVE | retried()),
        resource("kubernetes:gateway.networking.k8s.io/v1:HTTPRoute", "r",
                 routes("shop", "cart", made(retried(bodies=False)))[0],
                 routes("shop", "cart", made(retried(bodies=False)))[1]),
    ),
    "retries-rise": (
        route(retried(times=1), retried(times=3)), route(retried(times=3), retried(times=1)),
    ),
    "timeout-shortens": (route(TEN, FIVE), route(FIVE, TEN)),
    "rate-limit": (
        limit(rate(total=100), rate(total=50)), limit(rate(total=50), rate(total=100)),
    ),
    "rate-limit-ends": (
        limit(rate(total=100, identity=10), rate(total=100)), limit(None, rate(total=100)),
    ),
    "weights-move": (route(to(100, b=0), to(95, b=5)), route(to(90, b=10), to(39, b=61))),
    "breaker-starts": (
        patch(None, {"breaker": {}}), patch({"breaker": {}}, {"breaker": {"failures": 5}}),
    ),
    "breaker-tightens": (
        patch({"breaker": {}}, {"breaker": {"failures": 5}}),
        patch({"breaker": {"failures": 5}}, {"breaker": {}}),
    ),
    "breaker-ends": (
        patch({"breaker": {}}, None), patch({"breaker": {}}, {"breaker": {"failures": 5}}),
    ),
    "traffic-marks": (
        patch({"loadBias": {"penalty": "1s"}}, {"loadBias": {"penalty": "2s"}}),
        patch({"breaker": {}}, {"breaker": {"failures": 5}}),
    ),
}  # fmt: skip

# A change -> each rule of traffic that says anything of it, with its words; and no other rule.
SAID: dict[str, tuple[Change, dict[str, str]]] = {
    "a new backend": (route(to(100), to(95, b=5)), {"weight-jump": "shop/b:8080 new to 5%"}),
    "a backend that had none": (
        route(to(100, b=0), to(95, b=5)), {"weights-move": "shop/b:8080 0% to 5%"},
    ),
    "two points": (
        route(to(90, b=5, c=5), to(10, b=70, c=20)),
        {"weight-jump": "shop/b:8080 5% to 70%"},
    ),
    "the weights of another sum": (route(to(9, b=1), to(90, b=10)), {"update": ""}),
    "a backend goes": (route(to(90, b=10), to(1)), {"weights-move": "shop/cart:8080 90% to 100%"}),
    "time-outs": (
        route(FIVE, {"timeouts": {"request": "4s", "idle": "1s"}}),
        {"timeout-shortens": "idle none to 1s, request 5s to 4s"},
    ),
    "a longer time-out": (route(FIVE, TEN), {"update": ""}),
    "everything at first": (
        route(None, TEN | retried(times=2)),
        {
            "traffic-starts": "",
            "retries-on-writes": "",
            "retries-rise": "0 to 2",
            "timeout-shortens": "request none to 10s",
        },
    ),
    "a breaker of rates": (
        patch({"breaker": {}}, {"breaker": {"mode": "unified", "maxPenalty": "2m"}}),
        {"breaker-tightens": "mode unified, consecutive-max-penalty 1m to 2m"},
    ),
    "a breaker and a bias go": (
        patch({"breaker": {}, "loadBias": {}}, None), {"breaker-ends": "breaker, load bias"},
    ),
    "a limit": (limit(None, rate(total=9, identity=3)), {
        "rate-limit": "total none to 9, identity none to 3"
    }),
    "a limit goes": (limit(rate(total=9), None), {"rate-limit-ends": ""}),
    "a client's own rate": (
        limit(rate(identity=10), override(5)), {"rate-limit": "shop/bar 10 to 5"},
    ),
    "a client's higher rate": (limit(rate(identity=10), override(50)), {"update": ""}),
    "a client's rate goes": (
        limit(override(50), rate(identity=10)), {"rate-limit": "shop/bar 50 to 10"},
    ),
}  # fmt: skip
