"""A shop behind the ingress gateway: the sections of a stack file with every key in use."""

from __future__ import annotations

import json
from typing import Any

from components.ingress.component import IngressArgs, IngressIssuer, IngressListener
from components.ingress.routes import IngressRouteArgs
from components.ingress.section import ExposedRoute, TokenIdentity
from tests.unit.stack_files import certificate

IDENTITY: dict[str, Any] = {
    "issuer": "https://idp.example.com/",
    "audiences": ["shop"],
    "jwks": "https://idp.example.com/jwks",
}
CART: dict[str, Any] = {
    "name": "cart",
    "host": "shop.example.com",
    "path": "/api",
    "methods": ["GET", "POST"],
    "service": "shop/foo",
    "port": 8080,
    "rewrite": "/v1",
    "split": [{"service": "shop/foo", "port": 8081, "percent": 10}],
    "mirror": {"to": "shop/foo", "port": 8082, "percent": 5},
    "require": {
        "scopes": ["cart.write"],
        "claims": {"tenant": ["a"]},
        "listClaims": {"groups": ["x"]},
    },
    "cors": {
        "origins": ["https://app.example.com"],
        "methods": ["GET"],
        "headers": ["authorization"],
        "expose": ["x-a"],
        "maxAge": "5m",
        "credentials": True,
    },
    "limits": [
        {"requests": 600, "by": "claim:sub", "global": True},
        {"requests": 5, "per": "second", "by": "client"},
        {"requests": 9, "by": "header:x-tenant"},
        {"requests": 100},
    ],
    "maxParallel": 500,
    "breaker": {"failures": 7, "open": "10s"},
    "retries": {"on": ["5xx"], "times": 2, "timeout": "2s"},
    "timeout": "20s",
    "requestSize": "1Mi",
}
ADMIN: dict[str, Any] = {
    "name": "admin",
    "host": "any.example.com",
    "path": "/admin",
    "service": "shop/foo",
    "oidc": {
        "issuer": "https://login.example.com",
        "authorizationEndpoint": "https://login.example.com/authorize",
        "tokenEndpoint": "https://tokens.example.com/token",
        "endSessionEndpoint": "https://login.example.com/logout",
        "clientId": "shop",
        "vaultPath": "oidc/shop",
        "scopes": ["openid"],
        "callback": "/callback",
        "logout": "/out",
    },
}
OLD: dict[str, Any] = {
    "name": "old",
    "host": "shop.example.com",
    "path": "/old",
    "redirect": {"host": "any.example.com", "path": "/new", "status": 301},
}
HOME: dict[str, Any] = {
    "name": "home",
    "host": "shop.example.com",
    "path": "/",
    "service": "shop/foo",
    "public": True,
}
INGRESS: dict[str, Any] = {
    "enabled": True,
    "trustedProxies": 1,
    "identity": IDENTITY,
    "issuers": {
        "own": {"ca": True},
        "letters": {"acme": {"email": "ops@example.com"}},
        "pki": {"vault": {"path": "pki/sign/ingress", "role": "ingress"}},
        "there": {"existing": "corporate"},
    },
    "listeners": [
        {"name": "shop", "host": "shop.example.com", "issuer": "letters"},
        {
            "name": "partners",
            "host": "partners.example.com",
            "issuer": "pki",
            "clientCa": {"pem": certificate()},
        },
        {"name": "any", "host": "*.example.com", "issuer": "there"},
        {"name": "inside", "host": "inside.example.com", "issuer": "own"},
    ],
    "globalLimits": {
        "onFailure": "open",
        "redis": {"host": "redis.example.com", "port": 6380, "vaultPath": "redis"},
    },
    "routes": [CART, ADMIN, OLD, HOME],
}
# What the section needs beside it.
BESIDE: dict[str, Any] = {
    "gatewayApi": {"version": "1.5.1"},
    "rollout": {"waves": [{"name": "w", "state": "on", "namespaces": ["shop"]}]},
    "policy": {
        "namespaces": {
            "shop": {
                "services": [
                    {
                        "name": name,
                        "selector": {"app": name},
                        "defaultInboundPolicy": "deny",
                        "ports": [{"port": 8080, "allow": [{"serviceAccounts": ["web"]}]}],
                    }
                    for name in ("foo", "bar")
                ]
            }
        }
    },
}
SHOP: dict[str, Any] = {**BESIDE, "ingress": INGRESS}


def exposed(route: dict[str, Any]) -> ExposedRoute:
    """A route as the stack file has it."""
    return ExposedRoute.model_validate_json(json.dumps(route))


def route_args(route: dict[str, Any]) -> IngressRouteArgs:
    """Arguments of a route of the shop; a token is asked for where the stack's would be."""
    found = exposed(route)
    asked = not (found.public or found.oidc or found.redirect)
    return IngressRouteArgs(
        route=found,
        listener="shop",
        identity=TokenIdentity.model_validate_json(json.dumps(IDENTITY)) if asked else None,
    )


INGRESS_ARGS = IngressArgs(
    issuers=(
        IngressIssuer(name="own"),
        IngressIssuer(name="there", existing="corporate"),
        IngressIssuer(
            name="letters", spec={"acme": {"server": "https://a.example.com", "email": "a@b.c"}}
        ),
        IngressIssuer(
            name="pki",
            spec={
                "vault": {
                    "path": "pki/sign/ingress",
                    "role": "ingress",
                    "server": "https://vault.example.com:8200",
                    "ca_pem": certificate(),
                    "namespace": "platform",
                    "mount": "kubernetes/test",
                    "audiences": ["vault"],
                }
            },
        ),
    ),
    listeners=(
        IngressListener(name="shop", host="shop.example.com", issuer="letters"),
        IngressListener(name="any", host="*.example.com", issuer="there"),
        IngressListener(name="inside", host="inside.example.com", issuer="own"),
        IngressListener(
            name="partners", host="partners.example.com", issuer="pki", client_ca=certificate()
        ),
    ),
    grants={"shop": ("foo", "bar")},
)
