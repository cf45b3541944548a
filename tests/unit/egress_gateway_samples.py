"""A shop that pays through a bank: `egress.gateway` of a stack file with every key in use."""

from __future__ import annotations

import copy
import json
from typing import Any

from components.egress_gateway.component import EgressGatewayArgs
from components.egress_gateway.egress_partner import EgressPartnerArgs
from components.egress_gateway.section import Partner
from components.ingress.section import TokenIdentity
from tests.unit.ingress_samples import IDENTITY
from tests.unit.stack_files import certificate

BANK: dict[str, Any] = {
    "name": "bank",
    "host": "api.bank.example.com",
    "port": 8443,
    "networks": ["203.0.113.0/24"],
    "ca": certificate(),
    "clientCertificate": "partners/bank",
    "credential": {"vaultPath": "partners/bank-key", "header": "x-api-key"},
    "allow": ["shop/cart", "third/billing"],
    "require": {
        "scopes": ["bank.pay"],
        "claims": {"tenant": ["a"]},
        "listClaims": {"groups": ["x"]},
    },
    "limits": [
        {"requests": 600, "by": "claim:sub", "global": True},
        {"requests": 5, "per": "second", "by": "caller"},
        {"requests": 100},
    ],
    "maxParallel": 500,
    "breaker": {"failures": 7, "open": "10s"},
    "retries": {"on": ["5xx"], "times": 2, "timeout": "2s"},
    "timeout": "20s",
}
POST: dict[str, Any] = {"name": "post", "host": "post.example.org", "allow": ["shop/cart"]}
GATEWAY: dict[str, Any] = {
    "enabled": True,
    # One key after the other is changed, and what callers may reach besides is another's concern.
    "managed": False,
    # A copy: YAML would write an alias for what is there twice.
    "identity": copy.deepcopy(IDENTITY),
    "partners": [BANK],
}
EGRESS: dict[str, Any] = {
    "default": "deny",
    "hosts": [{"host": "a.example.com"}],
    "namespaces": {"shop": {"mode": "deny", "hosts": [{"host": "b.example.com"}]}},
    "gateway": GATEWAY,
}
# What the section needs beside it.
BESIDE: dict[str, Any] = {
    "gatewayApi": {"version": "1.5.1"},
    "rollout": {
        "waves": [{"name": "a", "state": "on", "namespaces": [{"name": "shop"}, {"name": "third"}]}]
    },
    "ingress": {"globalLimits": {"onFailure": "open"}},
}
SHOP: dict[str, Any] = {**BESIDE, "egress": EGRESS}
_ENDING = "serviceaccount.identity.linkerd.cluster.local"


def partner(keys: dict[str, Any]) -> Partner:
    """A partner as the stack file has it."""
    return Partner.model_validate_json(json.dumps(keys))


def partner_args(keys: dict[str, Any]) -> EgressPartnerArgs:
    """Arguments of a partner of the shop."""
    found = partner(keys)
    identity = TokenIdentity.model_validate_json(json.dumps(IDENTITY))
    accounts = [each.split("/") for each in found.allow]
    return EgressPartnerArgs(
        partner=found,
        identity=identity if found.require.used else None,
        identities=tuple(f"{name}.{namespace}.{_ENDING}" for namespace, name in accounts),
    )


GATEWAY_ARGS = EgressGatewayArgs(callers=(("shop", "cart"), ("third", "billing")))
