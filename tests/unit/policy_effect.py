"""The keys of the section `policy` in the form of `test_config_effect`."""

from __future__ import annotations

from typing import Any

SHOP = "policy.namespaces.shop"
FOO = f"{SHOP}.services.0"
PORT = f"{FOO}.ports.0"
ROUTE = f"{PORT}.routes.0"

CHANGES: dict[str, Any] = {
    f"{SHOP}.defaultInboundPolicy": "audit",
    f"{SHOP}.allowFrom": ["linkerd-viz"],
    f"{FOO}.name": "other",
    f"{FOO}.defaultInboundPolicy": "audit",
    f"{FOO}.selector": {"app": "other"},
    f"{PORT}.port": "grpc",
    f"{PORT}.protocol": "HTTP/1",
    f"{PORT}.metrics": "/other",
    f"{PORT}.probes": ["/other"],
    f"{PORT}.rateLimit.total": 200,
    f"{PORT}.rateLimit.perClient": 20,
    f"{PORT}.rateLimit.overrides.0.rate": 60,
    f"{PORT}.rateLimit.overrides.0.serviceAccounts": ["other"],
    f"{PORT}.apiServer": True,
    f"{PORT}.allow.0.serviceAccounts": ["other"],
    f"{PORT}.allow.0.namespaces": ["shop"],
    f"{PORT}.allow.0.networks.0.cidr": "11.0.0.0/8",
    f"{PORT}.allow.0.networks.0.except": ["10.1.0.0/16"],
    f"{PORT}.allow.1.identities": ["*"],
    f"{ROUTE}.name": "other",
    f"{ROUTE}.path": "/other",
    f"{ROUTE}.exact": True,
    f"{ROUTE}.methods": ["PUT"],
    f"{ROUTE}.allow.0.serviceAccounts": ["other"],
    f"{ROUTE}.allow.0.namespaces": ["shop"],
    f"{ROUTE}.allow.1.identities": ["*"],
    f"{ROUTE}.allow.0.networks.0.cidr": "11.0.0.0/8",
    f"{ROUTE}.allow.0.networks.0.except": ["10.1.0.0/16"],
    "policy.prometheus.serviceAccount": "linkerd-viz/other",
    "policy.kubeletNetworks.0.cidr": "11.0.0.0/8",
    "policy.kubeletNetworks.0.except": ["10.1.0.0/16"],
    "policy.apiServerNetworks.0.cidr": "11.0.0.0/8",
    "policy.apiServerNetworks.0.except": ["10.1.0.0/16"],
    "egress.default": "allow",
    "egress.networkPolicy": False,
    "egress.namespaces.shop.mode": "allow",
    "egress.namespaces.shop.networkPolicy": False,
    **{
        f"egress.{where}hosts.0.{key}": value
        for where in ("", "namespaces.shop.")
        for key, value in {
            "host": "*.example.org",
            "port": 8443,
            "protocol": "http",
            "networks": ["203.0.113.0/24"],
        }.items()
    },
}
# Where nothing of the section can be seen of these: a guard alone, or one thing instead of another.
ELSEWHERE = (
    "policy.namespaces.<name>.strictMtls",
    "policy.prometheus.networks.cidr",
    "policy.prometheus.networks.except",
)


def _network() -> dict[str, Any]:
    return {"cidr": "10.0.0.0/8"}


def _allow() -> list[dict[str, Any]]:
    named = {"serviceAccounts": ["bar"], "namespaces": ["linkerd-viz"], "networks": [_network()]}
    return [named, {"identities": ["*.example.com"]}]


# What a key is changed in: everything is used, so that each change shows.
PLAN: dict[str, Any] = {
    "prometheus": {"serviceAccount": "linkerd-viz/prometheus"},
    "kubeletNetworks": [_network()],
    "apiServerNetworks": [_network()],
    "namespaces": {
        "shop": {
            "defaultInboundPolicy": "deny",
            "services": [
                {
                    "name": "foo",
                    "selector": {"app": "foo"},
                    "ports": [
                        {
                            "port": 8080,
                            "allow": _allow(),
                            "probes": ["/ready"],
                            "metrics": "/metrics",
                            "rateLimit": {
                                "total": 100,
                                "perClient": 10,
                                "overrides": [{"serviceAccounts": ["bar"], "rate": 50}],
                            },
                            "routes": [{"name": "a", "path": "/a", "allow": _allow()}],
                        },
                        {"port": 8443, "apiServer": True},
                    ],
                }
            ],
        }
    },
}
