"""The routes of the shop behind the gateway that tests ask, one for each setting."""

from __future__ import annotations

import json
from typing import Any

from components.ingress.routes import IngressRouteArgs
from components.ingress.section import ExposedRoute, TokenIdentity
from tests.e2e.ingress_gateway import HOST, PARTNERS, SHOP, Gateway

_TO = {"service": f"{SHOP}/front", "port": 8080, "public": True}
ROUTES: list[dict[str, Any]] = [
    {"name": "home", "host": HOST, "exact": True, **_TO},
    {
        "name": "cart",
        "host": HOST,
        "path": "/api",
        "service": f"{SHOP}/cart",
        "port": 8080,
        "require": {"scopes": ["cart.write"]},
        "timeout": "3s",
        "cors": {"origins": ["https://app.example.com"], "credentials": True},
    },
    {
        "name": "orders",
        "host": PARTNERS,
        "path": "/orders",
        "public": True,
        "service": f"{SHOP}/cart",
        "port": 8080,
    },
    {
        "name": "some",
        "host": HOST,
        "path": "/some",
        **_TO,
        "limits": [{"requests": 5, "per": "hour"}],
    },
    {
        # Of every kind, and of units that are no multiples of one another.
        "name": "many",
        "host": HOST,
        "path": "/many",
        **_TO,
        "limits": [
            {"requests": 50, "per": "hour"},
            {"requests": 3, "per": "minute"},
            {"requests": 40, "per": "second", "by": "client"},
            {"requests": 1, "per": "minute", "by": "header:x-tenant"},
            *({"requests": 90, "per": each, "global": True} for each in ("hour", "minute")),
        ],
    },
    {
        "name": "shared",
        "host": HOST,
        "path": "/shared",
        "service": f"{SHOP}/front",
        "port": 8080,
        "limits": [{"requests": 6, "per": "hour", "by": "claim:sub", "global": True}],
    },
    {
        "name": "copied",
        "host": HOST,
        "path": "/copied",
        **_TO,
        "mirror": {"to": f"{SHOP}/next", "port": 8080, "percent": 25},
    },
    {
        "name": "fragile",
        "host": HOST,
        "path": "/fragile",
        "public": True,
        "service": f"{SHOP}/next",
        "port": 8080,
        "breaker": {"failures": 3, "open": "10s"},
    },
    {
        "name": "frail",
        "host": HOST,
        "path": "/frail",
        "public": True,
        "service": f"{SHOP}/next",
        "port": 8080,
    },
    {"name": "small", "host": HOST, "path": "/small", **_TO, "requestSize": "1Ki"},
    {"name": "old", "host": HOST, "path": "/old", "redirect": {"path": "/new"}},
]


def route_args(gateway: Gateway, route: dict[str, Any]) -> IngressRouteArgs:
    """Arguments of a route as the program has them."""
    found = ExposedRoute.model_validate_json(json.dumps(route))
    identity = TokenIdentity.model_validate_json(
        json.dumps(gateway.sections["ingress"]["identity"])
    )
    listener = "partners" if found.host == PARTNERS else "shop"
    asked = not (found.public or found.redirect)
    return IngressRouteArgs(route=found, listener=listener, identity=identity if asked else None)
