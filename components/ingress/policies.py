"""Parts of the policies of a route, at the ingress gateway and at that of egress.

https://gateway.envoyproxy.io/docs/api/extension_types/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from components.ingress.objects import CLIENT_ID, KEYS, PROVIDER, outside_ref
from components.ingress.section import (
    IngressBreaker,
    IngressLimit,
    IngressRetries,
    TokenIdentity,
    TokenRequirement,
)
from components.ingress.values import claim_header
from schema.values import Duration

_UNITS = {"second": "Second", "minute": "Minute", "hour": "Hour"}
_MOST_TRIES = 1024


class RouteTraffic(Protocol):
    """What a route says about how much, how long and how often."""

    @property
    def max_parallel(self) -> int: ...  # noqa: D102
    @property
    def timeout(self) -> Duration: ...  # noqa: D102
    @property
    def breaker(self) -> IngressBreaker | None: ...  # noqa: D102
    @property
    def retries(self) -> IngressRetries | None: ...  # noqa: D102
    @property
    def limits(self) -> Sequence[IngressLimit]: ...  # noqa: D102


def traffic(route: RouteTraffic, *, shared: bool) -> dict[str, Any]:
    """The part of a BackendTrafficPolicy that every route has.

    shared: whether the route has several rules or matches. To Envoy each is a route of its own, and
    limits that are counted together must say so; those of a pod cannot.
    """
    spec: dict[str, Any] = {
        "circuitBreaker": {
            "maxParallelRequests": route.max_parallel,
            "maxPendingRequests": route.max_parallel,
            "maxConnections": max(route.max_parallel, _MOST_TRIES),
        },
        "timeout": {
            "tcp": {"connectTimeout": "5s"},
            "http": {"requestTimeout": route.timeout.go},
        },
    }
    if route.breaker:
        spec["healthCheck"] = _breaker(route.breaker)
    if route.retries:
        spec["retry"] = {
            "numRetries": route.retries.times,
            "retryOn": {"triggers": list(route.retries.on)},
        }
        if route.retries.timeout:
            spec["retry"]["perRetry"] = {"timeout": route.retries.timeout.go}
    if route.limits:
        spec["rateLimit"] = _limits(route.limits, shared=shared)
    return spec


def _limits(limits: Sequence[IngressLimit], *, shared: bool) -> dict[str, Any]:
    kinds = {"local": False, "global": True}
    return {
        kind: {"rules": [rule | ({"shared": True} if shared and whole else {}) for rule in rules]}
        for kind, whole in kinds.items()
        if (rules := [rule for each in limits if each.global_ is whole for rule in _limit(each)])
    }


def tokens(identity: TokenIdentity, limits: Sequence[IngressLimit]) -> dict[str, Any]:
    """Whose tokens are taken. The claims that limits count by become headers."""
    found: dict[str, Any] = {
        "name": PROVIDER,
        # Left out, it would not be checked; so with the audiences.
        "issuer": identity.issuer,
        "audiences": list(identity.audiences),
        "remoteJWKS": {
            "uri": identity.jwks,
            "cacheDuration": "300s",
            "backendRefs": [outside_ref(KEYS)],
        },
        # The header alone: a token in an address ends in logs.
        "extractFrom": {"headers": [{"name": "Authorization", "valuePrefix": "Bearer "}]},
    }
    if counted := claims(limits):
        found["claimToHeaders"] = [
            {"claim": each.partition(":")[2], "header": claim_header(each)} for each in counted
        ]
    return {"providers": [found]}


def claims(limits: Sequence[IngressLimit]) -> list[str]:
    """What limits by claim count by, each once."""
    return sorted({each.by for each in limits if each.by.startswith("claim:")})


def authorization(principal: dict[str, Any]) -> dict[str, Any]:
    """Who is all of this may; anybody else is refused with 403."""
    rule = {"name": "required", "action": "Allow", "principal": principal}
    return {"defaultAction": "Deny", "rules": [rule]}


def held(require: TokenRequirement) -> dict[str, Any]:
    """A caller whose token holds all that is required."""
    found: dict[str, Any] = {"provider": PROVIDER}
    if require.scopes:
        found["scopes"] = list(require.scopes)
    named = {"String": require.claims, "StringArray": require.list_claims}
    required = [
        {"name": name, "valueType": kind, "values": list(values)}
        for kind, each in named.items()
        for name, values in sorted(each.items())
    ]
    return found | ({"claims": required} if required else {})


def _breaker(breaker: IngressBreaker) -> dict[str, Any]:
    """A circuit breaker of the whole service: to the gateway a Service is one endpoint.

    With Envoy Gateway's defaults it would never open: of one endpoint 10 % are none, and with all
    of them out it would panic and use them again. So with the one address of a partner.
    """
    return {
        "panicThreshold": 0,
        "passive": {
            "consecutive5XxErrors": breaker.failures,
            "baseEjectionTime": breaker.open.go,
            "interval": "1s",
            "maxEjectionPercent": 100,
            "alwaysEjectOneEndpoint": True,
        },
    }


def _limit(limit: IngressLimit) -> Iterator[dict[str, Any]]:
    rate = {"limit": {"requests": limit.requests, "unit": _UNITS[limit.per]}}
    kind, _, name = limit.by.partition(":")
    if kind == "all" and limit.global_:
        yield rate
    elif kind == "all":
        # Without a selector it would be Envoy's default bucket: there is one, which what another
        # limit counts does not count for, and whose unit every other must be a multiple of
        # (internal/gatewayapi/backendtrafficpolicy.go buildLocalRateLimit).
        path = {"type": "PathPrefix", "value": "/"}
        yield {"clientSelectors": [{"path": path}], **rate}
    elif kind == "client":
        for every in ("0.0.0.0/0", "::/0"):
            source = {"type": "Distinct", "value": every}
            yield {"clientSelectors": [{"sourceCIDR": source}], **rate}
    else:
        header = {"claim": claim_header(limit.by), "caller": CLIENT_ID}.get(kind, name)
        selector = {"headers": [{"type": "Distinct", "name": header}]}
        yield {"clientSelectors": [selector], **rate}
