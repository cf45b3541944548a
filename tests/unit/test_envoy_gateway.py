"""Envoy Gateway: the controller, its certificates, and what counts global limits."""

from __future__ import annotations

from typing import Any

import pytest

from components.envoy_gateway import (
    EnvoyGateway,
    EnvoyGatewayArgs,
    RedisArgs,
    certificates,
    controller_policy,
    settings,
    values,
)
from tests.unit.crd_schemas import faults, is_custom
from tests.unit.samples import chart, made

SAMPLE = EnvoyGatewayArgs(
    chart=chart("gateway-helm"),
    crds=chart("gateway-helm-crds"),
    gateways=("linkerd-ingress",),
    redis=RedisArgs(on_failure="open"),
    create_namespace=False,
)


def test_nothing_is_made_by_a_hook() -> None:
    """The engine runs none: what certgen would make must be ours, and its webhook off."""
    found = values(EnvoyGatewayArgs())
    assert found["topologyInjector"] == {"enabled": False}
    assert found["crds"] == {"enabled": False}
    assert found["podDisruptionBudget"] == {"minAvailable": 1}
    assert values(EnvoyGatewayArgs(replicas=1))["podDisruptionBudget"] == {"minAvailable": 0}
    assert {each["spec"]["secretName"] for each in certificates("cluster.local")} == {
        *("envoy-gateway", "envoy", "envoy-rate-limit")
    }


def test_ways_round_the_rules_stay_off() -> None:
    """Lua and patches pass every policy by."""
    assert settings(EnvoyGatewayArgs())["extensionApis"] == {"enableBackend": True}


@pytest.mark.parametrize(
    ("redis", "url", "closed", "password"),
    [
        (RedisArgs(on_failure="open"), "redis.envoy-gateway-system.svc:6379", False, True),
        (RedisArgs(on_failure="closed", address="a.example.com:1"), "a.example.com:1", True, False),
        (
            RedisArgs(on_failure="open", address="a.example.com:1", vault_path="redis", tls=True),
            "a.example.com:1",
            False,
            True,
        ),
    ],
)
def test_global_limits_are_counted_where_it_says(
    redis: RedisArgs, url: str, closed: bool, password: bool
) -> None:
    """Every request with a global limit waits for the count, so the wait is short and said."""
    made_of = settings(EnvoyGatewayArgs(redis=redis))
    limit = made_of["rateLimit"]
    assert (limit["backend"]["redis"]["url"], limit["failClosed"]) == (url, closed)
    assert limit["timeout"] == "50ms"
    assert ("tls" in limit["backend"]["redis"]) == redis.tls
    deployment = made_of["provider"]["kubernetes"]["rateLimitDeployment"]
    assert ("container" in deployment) == password


def test_without_limits_there_is_no_server_for_them() -> None:
    """Nothing is run that nobody uses."""
    recording = made(EnvoyGateway, redis=None)
    assert not [r.name for r in recording.resources if "redis" in r.name]
    assert "rateLimit" not in settings(EnvoyGatewayArgs())


@pytest.mark.parametrize("vault_path", [None, "redis"])
def test_a_password_of_ours_is_in_no_state(vault_path: str | None) -> None:
    """It is made in the cluster, or read from Vault there."""
    address = "a.example.com:1" if vault_path else None
    redis = RedisArgs(on_failure="open", address=address, vault_path=vault_path)
    recording = made(EnvoyGateway, redis=redis)
    kinds = [r.inputs.get("kind") for r in recording.resources]
    assert "Secret" not in kinds
    assert "ExternalSecret" in kinds
    for resource in recording.resources:
        if "apiVersion" in resource.inputs and is_custom(resource.inputs):
            assert faults(resource.inputs) == [], resource.name


def test_only_gateways_ask_the_controller_for_keys() -> None:
    """It tells proxies apart by a token of any namespace, and a pod's name."""
    rules = controller_policy(("linkerd-ingress",))["spec"]["ingress"]
    asked: dict[int, Any] = {p["port"]: rule.get("from") for rule in rules for p in rule["ports"]}
    (peer,) = asked[18000]
    assert peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == (
        "linkerd-ingress"
    )
    assert asked[18001] is not None
    assert asked[19001] is None


def test_the_class_comes_last() -> None:
    """A Gateway of a class without a controller waits for ever."""
    recording = made(EnvoyGateway)
    last = next(r for r in recording.resources if r.inputs.get("kind") == "GatewayClass")
    assert any("gateway-helm" in urn for urn in last.dependencies)
