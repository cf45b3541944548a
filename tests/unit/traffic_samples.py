"""A section `traffic` in which every key is used, and what each key of it is changed to."""

from __future__ import annotations

from typing import Any

Sections = dict[str, Any]


def _changes() -> Sections:
    return {"set": {"x-a": "1"}, "add": {"x-b": "2"}, "remove": ["x-c"]}


def http(port: int) -> Sections:
    """A port with everything that HTTP has."""
    return {
        "port": port,
        "timeouts": {"request": "20s", "response": "10s", "idle": "5s"},
        "retries": {"on": ["gateway-error"], "times": 2, "timeout": "1s", "bodies": True},
        "routes": [
            {
                "name": "beta",
                "path": "/beta",
                "headers": {"x-beta": "1"},
                "headerPatterns": {"x-user": "a.*"},
                "query": {"page": "1"},
                "queryPatterns": {"size": "[0-9]+"},
                "methods": ["GET", "POST"],
                "to": {"cart-canary": 100},
                "requestHeaders": _changes(),
                "responseHeaders": _changes(),
            },
            {
                "name": "moved",
                "path": "/old",
                "redirect": {"scheme": "https", "host": "a.example.com", "port": 8443,
                             "path": "/new", "status": 301},
            },
            {"name": "below", "path": "/docs", "redirect": {"prefix": "/pages"}},
            {"name": "all", "to": {"cart": 95, "cart-canary": 5}},
        ],
    }  # fmt: skip


def grpc(port: int) -> Sections:
    """A port with what gRPC alone has."""
    call = {"name": "get", "grpcService": "shop.v1.Cart", "grpcMethods": ["Get"], "to": {"b": 1}}
    return {
        "port": port,
        "protocol": "grpc",
        "retries": {"on": ["unavailable"], "bodies": True},
        "routes": [call],
    }


def _weighted(port: int) -> Sections:
    """A port whose weights somebody else may move."""
    return {"port": port, "routes": [{"name": "all", "to": {"web-stable": 100, "web-canary": 0}}]}


BREAKER = {
    "mode": "unified",
    "failures": 5,
    "successRate": 90,
    "window": "20s",
    "leastRequests": 10,
    "penalty": "2s",
    "maxPenalty": "2m",
    "jitter": 20,
}
BIAS = {"penalty": "4s", "maxRetryAfter": "1m"}
PLAN: Sections = {
    "services": {
        "shop/cart": {
            **http(8080),
            "breaker": BREAKER,
            "loadBias": BIAS,
            "otherPorts": [http(8081), grpc(8082)],
        },
        "shop/calls": grpc(9090),
        "shop/web": {**_weighted(8080), "otherPorts": [_weighted(8081)]},
    }
}

_ROUTE = {
    "name": "other",
    "path": "/other",
    "pathType": "exact",
    "headers": {"x-beta": "2"},
    "headerPatterns": {"x-user": "b.*"},
    "query": {"page": "2"},
    "queryPatterns": {"size": "[1-9]"},
    "methods": ["PUT"],
    "to": {"third/cart": 1},
    **{
        f"{headers}.{key}": value
        for headers in ("requestHeaders", "responseHeaders")
        for key, value in {"set": {"x-a": "2"}, "add": {}, "remove": ["x-d"]}.items()
    },
}
_HTTP = {
    "port": 8090,
    "protocol": "h2c",
    "timeouts.request": "21s",
    "timeouts.response": "11s",
    "timeouts.idle": "6s",
    "retries.on": ["5xx"],
    "retries.times": 3,
    "retries.timeout": "2s",
    "retries.bodies": False,
    **{f"routes.0.{key}": value for key, value in _ROUTE.items()},
    "routes.1.redirect.scheme": "http",
    "routes.1.redirect.host": "b.example.com",
    "routes.1.redirect.port": 9443,
    "routes.1.redirect.path": "/newer",
    "routes.1.redirect.status": 302,
    "routes.2.redirect.prefix": "/books",
}
_GRPC = {"routes.0.grpcService": "shop.v2.Cart", "routes.0.grpcMethods": ["Get", "Put"]}
_CART, _CALLS = "traffic.services.shop/cart", "traffic.services.shop/calls"
EFFECTS: Sections = {
    **{f"traffic.services.shop/web.{key}": "argo" for key in ("delivery", "otherPorts.0.delivery")},
    **{f"{_CART}.{key}": value for key, value in _HTTP.items()},
    **{f"{_CART}.otherPorts.0.{key}": value for key, value in _HTTP.items()},
    **{f"{_CALLS}.{key}": value for key, value in _GRPC.items()},
    **{f"{_CART}.otherPorts.1.{key}": value for key, value in _GRPC.items()},
    f"{_CART}.breaker.mode": "unified",
    f"{_CART}.breaker.failures": 6,
    f"{_CART}.breaker.successRate": 91,
    f"{_CART}.breaker.window": "21s",
    f"{_CART}.breaker.leastRequests": 11,
    f"{_CART}.breaker.penalty": "3s",
    f"{_CART}.breaker.maxPenalty": "3m",
    f"{_CART}.breaker.jitter": 21,
    f"{_CART}.loadBias.penalty": "6s",
    f"{_CART}.loadBias.maxRetryAfter": "2m",
}
del EFFECTS[f"{_CART}.breaker.mode"]  # with `consecutive` its other keys are faults
# `protocol: h2c` makes the same objects: Linkerd asks the Service's appProtocol.
for _port in (_CART, f"{_CART}.otherPorts.0"):
    del EFFECTS[f"{_port}.protocol"]
