"""The egress gateway: who may call it at all, and what its namespace may reach."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from components.egress import arguments as egress
from components.egress_gateway import arguments
from components.egress_gateway.component import (
    EgressGateway,
    EgressGatewayArgs,
    proxies,
    the_gateway,
)
from components.egress_gateway.section import Partner
from components.ingress import arguments as ingress
from components.ingress.objects import envoy_proxy
from components.names import EGRESS_GATEWAY, LINKERD_EGRESS_GATEWAY
from components.policy import arguments as policy
from components.policy import service_policy
from stack.arguments import chart_refs, vault_entries
from stack.charts import Charts
from stack.config import StackConfig
from tests.unit.crd_schemas import faults, is_custom
from tests.unit.egress_gateway_samples import BANK, EGRESS, GATEWAY, GATEWAY_ARGS, POST, SHOP
from tests.unit.samples import made
from tests.unit.stack_files import REPO, certificate, load, spoilt, write
from tests.unit.whole_program import Evaluated, evaluated_file, project

SAMPLE: EgressGatewayArgs = GATEWAY_ARGS
_P = "egress.gateway.partners.0"
# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "egress.gateway.enabled": False,
    "egress.gateway.replicas": 2,
    "egress.gateway.accessLog": "all",
    "egress.gateway.identity.issuer": "https://other.example.com/",
    "egress.gateway.identity.audiences": ["other"],
    "egress.gateway.identity.jwks": "https://other.example.com/jwks",
    f"{_P}.name": "other",
    f"{_P}.host": "other.example.com",
    f"{_P}.port": 8444,
    f"{_P}.networks": ["203.0.113.0/25"],
    f"{_P}.ca": certificate() + certificate(),
    f"{_P}.clientCertificate": "partners/other",
    f"{_P}.credential.vaultPath": "partners/other",
    f"{_P}.credential.header": "x-other",
    f"{_P}.allow": ["shop/cart"],
    f"{_P}.require.scopes": ["other"],
    f"{_P}.require.claims": {"tenant": ["b"]},
    f"{_P}.require.listClaims": {"groups": ["y"]},
    f"{_P}.limits.0.requests": 601,
    f"{_P}.limits.0.per": "hour",
    f"{_P}.limits.0.by": "claim:other",
    f"{_P}.limits.0.global": False,
    f"{_P}.maxParallel": 501,
    f"{_P}.breaker.failures": 8,
    f"{_P}.breaker.open": "11s",
    f"{_P}.retries.on": ["reset"],
    f"{_P}.retries.times": 3,
    f"{_P}.retries.timeout": "1s",
    f"{_P}.timeout": "21s",
}
# It makes nothing, and refuses.
ELSEWHERE = {"egress.gateway.managed": "one_fault_egress_gateway.py"}


def config_of(tmp_path: Path, **sections: Any) -> StackConfig:
    """A stack file with the shop, and some sections in place of its own."""
    return load(tmp_path, spoilt({(k,): v for k, v in {**SHOP, **sections}.items()}))


@functools.cache
def whole() -> Evaluated:
    """The program of a stack with a partner."""
    return evaluated_file(write(project(), spoilt({(k,): v for k, v in SHOP.items()})), True)


def test_the_whole_program_makes_only_what_the_crds_allow() -> None:
    """The API server drops an unknown field in silence, and a setting with it."""
    kinds = set()
    for resource in whole().resources:
        if "apiVersion" in resource.inputs and is_custom(resource.inputs):
            assert faults(resource.inputs) == [], resource.urn
            if resource.inputs["metadata"].get("namespace") == LINKERD_EGRESS_GATEWAY:
                kinds.add(resource.inputs["kind"])
    assert kinds == {
        *("Gateway", "EnvoyProxy", "ClientTrafficPolicy", "SecurityPolicy", "HTTPRouteFilter"),
        *("BackendTrafficPolicy", "HTTPRoute", "Backend", "ExternalSecret", "EgressNetwork"),
        *("TLSRoute", "Server", "AuthorizationPolicy", "MeshTLSAuthentication"),
    }


def test_there_is_no_way_in_without_the_gateway_for_others() -> None:
    """Egress alone makes no ingress: no listener for the world, and no load balancer."""
    objects = [r.inputs for r in whole().resources if "kind" in r.inputs]
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    assert {name for kind, name in names if kind == "Gateway"} == {EGRESS_GATEWAY}
    assert ("Namespace", "linkerd-ingress") not in names


def test_the_mesh_stands_before_the_gateway() -> None:
    """Were a port skipped, whoever reaches the pod could write any identity into a header."""
    spec = envoy_proxy(proxies(GATEWAY_ARGS))["spec"]
    kubernetes = spec["provider"]["kubernetes"]
    assert kubernetes["envoyDeployment"]["pod"]["annotations"] == {"linkerd.io/inject": "enabled"}
    assert kubernetes["envoyService"] == {"type": "ClusterIP"}
    assert kubernetes["envoyServiceAccount"] == {"name": EGRESS_GATEWAY}
    (listener,) = the_gateway()["spec"]["listeners"]
    assert (listener["port"], listener["protocol"]) == (80, "HTTP")
    assert listener["allowedRoutes"]["namespaces"] == {"from": "Same"}


def test_the_log_says_who_called_and_never_a_credential() -> None:
    """It is what an auditor asks for first, and what leaks first."""
    (setting,) = envoy_proxy(proxies(GATEWAY_ARGS))["spec"]["telemetry"]["accessLog"]["settings"]
    fields = setting["format"]["json"]
    assert fields["client_id"] == "%REQ(L5D-CLIENT-ID)%"
    assert fields["route"] == "%ROUTE_NAME%"
    text = str(fields).upper()
    assert not [word for word in ("AUTHORIZATION)", "COOKIE", "REQ(:PATH)", "API") if word in text]


def test_only_the_identity_header_of_the_mesh_is_believed() -> None:
    """Taken away at the listener, the header of the mesh's proxy would be gone as well."""
    recording = made(EgressGateway)
    clients = recording.named("x-clients").inputs["spec"]
    removed = clients["headers"]["earlyRequestHeaders"]["remove"]
    assert removed == ["l5d-dst-override", "l5d-dst-canonical"]
    assert "tls" not in clients


def test_http_2_works_on_both_sides() -> None:
    """All callers' requests are on one connection of the mesh's proxy, and partners are asked by
    TLS: some refuse what says `http` there.
    """
    clients = made(EgressGateway).named("x-clients").inputs["spec"]
    assert clients["scheme"] == "MatchBackend"
    assert clients["http2"]["maxConcurrentStreams"] > Partner.model_fields["max_parallel"].default


@pytest.mark.parametrize(("timeout", "received"), [("20s", "1m0s"), ("10m", "10m0s")])
def test_a_request_has_as_long_to_come_as_its_answer(
    timeout: str, received: str, tmp_path: Path
) -> None:
    """A large upload, or a stream, would be cut after a minute, whatever its partner's timeout."""
    gateway = {**GATEWAY, "partners": [POST, {**BANK, "timeout": timeout}]}
    args = arguments.arguments(config_of(tmp_path, egress={**EGRESS, "gateway": gateway}))
    assert args is not None
    clients = made(EgressGateway, received=args.received).named("x-clients").inputs["spec"]
    assert clients["timeout"]["http"]["requestReceivedTimeout"] == received


@pytest.mark.parametrize(
    ("callers", "kinds"),
    [
        ((), ["Server"]),
        ((("shop", "cart"),), ["AuthorizationPolicy", "Server"]),
        (SAMPLE.callers, ["MeshTLSAuthentication", "AuthorizationPolicy", "Server"]),
    ],
)
def test_nobody_else_in_the_mesh_gets_as_far_as_envoy(
    callers: tuple[tuple[str, str], ...], kinds: list[str]
) -> None:
    """Without callers nobody: a Server without a policy of its own denies."""
    recording = made(EgressGateway, callers=callers)
    found = [r for r in recording.resources if r.name.startswith("x-callers-")]
    assert [r.inputs["kind"] for r in found] == kinds
    server = found[-1].inputs["spec"]
    assert (server["port"], server["accessPolicy"]) == (10080, "deny")
    assert server["podSelector"]["matchLabels"] == {
        "gateway.envoyproxy.io/owning-gateway-name": EGRESS_GATEWAY
    }
    gateway = recording.named("x-gateway")
    assert {each.urn for each in found} <= set(gateway.dependencies)


@pytest.mark.parametrize(
    ("default", "shop"), [("deny", "allow"), ("allow", "deny"), ("off", "allow")]
)
def test_its_namespace_reaches_partners_and_nothing_else(
    default: str, shop: str, tmp_path: Path
) -> None:
    """Whatever the others may: a gateway that could reach more would be a way out for all."""
    gateway = {**GATEWAY, "partners": [{**BANK, "allow": ["shop/cart"]}, POST]}
    section = {
        "default": default,
        "namespaces": {"shop": {"mode": shop}},
        "gateway": gateway,
    }
    config = config_of(tmp_path, egress=section)
    args = egress.arguments(config, config.cluster)  # type: ignore[arg-type]
    (scope,) = [each for each in args.scopes if each.namespace == LINKERD_EGRESS_GATEWAY]
    (packets,) = [each for each in args.packets if each.namespace == LINKERD_EGRESS_GATEWAY]
    assert scope.deny
    found = {(host.host, host.port, host.protocol, host.networks) for host in scope.hosts}
    assert found == {
        ("api.bank.example.com", 8443, "tls", ("203.0.113.0/24",)),
        ("post.example.org", 443, "tls", ()),
        ("idp.example.com", 443, "tls", ()),
    }
    assert packets.hosts == scope.hosts


def test_keys_of_tokens_are_reached_where_a_partner_asks_for_some(tmp_path: Path) -> None:
    """Nobody asks for a token: then there is nothing to fetch, and no way out for it."""
    gateway = {**GATEWAY, "partners": [POST]}
    config = config_of(tmp_path, egress={**EGRESS, "gateway": gateway})
    args = egress.arguments(config, config.cluster)  # type: ignore[arg-type]
    (scope,) = [each for each in args.scopes if each.namespace == LINKERD_EGRESS_GATEWAY]
    assert [each.host for each in scope.hosts] == ["post.example.org"]
    without, with_keys = (arguments.arguments(each) for each in (config, config_of(tmp_path)))
    assert without is not None
    assert with_keys is not None
    assert (without.keys, with_keys.keys) == (None, ("idp.example.com", 443))
    recording = made(EgressGateway, keys=with_keys.keys)
    backend = recording.named("x-keys")
    assert recording.comes_after(recording.named("x-gateway"), backend)


def test_partners_are_where_the_egress_networks_of_callers_are(tmp_path: Path) -> None:
    """A namespace of its own stands for the global one: a route there would not be seen here."""
    config = config_of(tmp_path)
    for scope in ("linkerd-egress", "shop"):
        assert egress.ways(config, scope) == (("bank", "api.bank.example.com"),)
    assert egress.ways(config, "third") == ()
    (found,) = arguments.partners(config)
    assert found.identities == (
        "cart.shop.serviceaccount.identity.linkerd.cluster.local",
        "billing.third.serviceaccount.identity.linkerd.cluster.local",
    )


def test_credentials_are_read_by_the_gateway_alone(tmp_path: Path) -> None:
    """Each entry of Vault is opened to one namespace."""
    entries = vault_entries(config_of(tmp_path))
    assert entries["partners/bank"] == entries["partners/bank-key"] == LINKERD_EGRESS_GATEWAY


@pytest.mark.parametrize("enabled", [True, False])
def test_the_password_of_redis_is_read_for_the_egress_gateway_too(
    enabled: bool, tmp_path: Path
) -> None:
    """With ingress off it was in nobody's list, and its Secret was never made."""
    redis = {"host": "redis.example.com", "vaultPath": "redis"}
    config = config_of(
        tmp_path,
        ingress={"globalLimits": {"onFailure": "open", "redis": redis}},
        egress={**EGRESS, "gateway": {**GATEWAY, "enabled": enabled}},
    )
    assert vault_entries(config).get("redis") == ("envoy-gateway-system" if enabled else None)


@pytest.mark.parametrize(
    ("on", "namespaces"),
    [
        ((False, False), ()),
        ((True, False), ("linkerd-ingress",)),
        ((False, True), ("linkerd-egress-gateway",)),
        ((True, True), ("linkerd-ingress", "linkerd-egress-gateway")),
    ],
)
def test_envoy_gateway_runs_for_either_of_the_gateways(
    on: tuple[bool, bool], namespaces: tuple[str, ...], tmp_path: Path
) -> None:
    """One controller for both, which tells its configuration to the proxies of these alone."""
    sections = {
        "ingress": {
            "enabled": on[0],
            "issuers": {"own": {"ca": True}},
            "listeners": [{"name": "a", "host": "a.example.com", "issuer": "own"}],
            "globalLimits": {"onFailure": "open"},
        },
        "egress": {**EGRESS, "gateway": {**GATEWAY, "enabled": on[1]}},
    }
    config = config_of(tmp_path, **sections)
    assert config.cluster is not None
    charts = chart_refs(config, Charts(REPO))
    assert ("gateway-helm" in charts) is any(on)
    args = ingress.controller(config, config.cluster, charts)
    assert (args.gateways if args else ()) == namespaces


def test_a_gateway_that_is_off_asks_for_nothing(tmp_path: Path) -> None:
    """What is prepared and not enabled makes no chart, no secret, no way."""
    section = {**EGRESS, "gateway": {**GATEWAY, "enabled": False}}
    config = config_of(tmp_path, egress=section)
    assert (config.egress.chart_names, config.egress.gateway.vault_entries) == ((), {})
    assert arguments.arguments(config) is None
    assert arguments.partners(config) == []
    args = egress.arguments(config, config.cluster)  # type: ignore[arg-type]
    assert LINKERD_EGRESS_GATEWAY not in {each.namespace for each in args.scopes}


@pytest.mark.parametrize(
    ("default", "namespaces"),
    [
        ("all-unauthenticated", []),
        ("deny", [LINKERD_EGRESS_GATEWAY]),
        ("cluster-authenticated", [LINKERD_EGRESS_GATEWAY]),
    ],
)
def test_prometheus_reads_a_gateway_where_the_cluster_denies(
    default: str, namespaces: list[str], tmp_path: Path
) -> None:
    """Its alerts would be silent, and nobody would know that they are."""
    linkerd = {"defaultInboundPolicy": default}
    own = {"namespaces": {"shop": {}, "third": {}}}
    found = list(policy.of_gateways(config_of(tmp_path, linkerd=linkerd, policy=own)))
    assert [each.namespace for each, _ in found] == namespaces
    for _, (metrics,) in found:
        rules = service_policy.rules(metrics, metrics.ports[0])
        paths = [
            match["path"]["value"]
            for each in rules
            if each["kind"] == "HTTPRoute"
            for match in each["spec"]["rules"][0]["matches"]
        ]
        assert "/stats/prometheus" in paths
        server = service_policy.port_server(metrics, metrics.ports[0])
        assert server["spec"]["port"] == "metrics"
        assert server["metadata"]["name"] != EGRESS_GATEWAY
