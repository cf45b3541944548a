from typing import Any
from tests.e2e.ingress_gateway import HOST, PARTNERS
ROUTES: list[dict[str, Any]] = [
    {"name": "home", "host": HOST, "service": "shop/front", "port": 8080, "public": True},
    {"name": "cart", "host": HOST, "path": "/api", "service": "shop/cart", "port": 8080,
     "require": {"scopes": ["cart.write"]}, "timeout": "1s",
     "cors": {"origins": ["https://app.example.com"], "credentials": True}},
    {"name": "orders", "host": PARTNERS, "path": "/orders", "service": "shop/cart", "port": 8080, "public": True},
    {"name": "some", "host": HOST, "path": "/some", "service": "shop/front", "port": 8080, "public": True,
     "limits": [{"requests": 5, "per": "minute"}]},
    {"name": "shared", "host": HOST, "path": "/shared", "service": "shop/front", "port": 8080,
     "limits": [{"requests": 6, "per": "hour", "by": "claim:sub", "global": True}]},
    {"name": "copied", "host": HOST, "path": "/copied", "service": "shop/front", "port": 8080, "public": True,
     "mirror": {"to": "shop/next", "port": 8080, "percent": 25}},
    {"name": "fragile", "host": HOST, "path": "/fragile", "service": "shop/next", "port": 8080, "public": True,
     "breaker": {"failures": 3, "open": "3s"}},
    {"name": "small", "host": HOST, "path": "/small", "service": "shop/front", "port": 8080, "public": True,
     "requestSize": "1Ki"},
    {"name": "old", "host": HOST, "path": "/old", "redirect": {"path": "/new"}},
]
