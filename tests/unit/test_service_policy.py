"""ServicePolicy: Servers, routes, and who is let in at each."""

from __future__ import annotations

from typing import Any

import pytest

from components.policy.objects import GRPC_HEALTH, ClientsArgs, NetworkArgs, RateLimitArgs
from components.policy.service_policy import (
    PolicyPort,
    PolicyRoute,
    ServicePolicy,
    ServicePolicyArgs,
    limits,
    port_server,
    rules,
)
from tests.recorder import record
from tests.unit.crd_schemas import faults
from tests.unit.samples import arguments, made

SAMPLE = arguments()[ServicePolicy]
assert isinstance(SAMPLE, ServicePolicyArgs)
ARGS: ServicePolicyArgs = SAMPLE
BAR = ClientsArgs(service_accounts=(("shop", "bar"),))
WEB = ClientsArgs(namespaces=("web",))
NODES = ClientsArgs(networks=(NetworkArgs(cidr="10.0.0.0/8", exceptions=("10.1.0.0/16",)),))


def objects(port: PolicyPort, **changes: Any) -> list[dict[str, Any]]:
    """The rules of a port, valid against the CRDs."""
    found = rules(ARGS.model_copy(update=changes), port)
    for each in found:
        assert faults(each) == [], each
    return found


def targets(port: PolicyPort, **changes: Any) -> dict[str, str]:
    """What each AuthorizationPolicy is for, by its name."""
    return {
        each["metadata"]["name"]: f"{ref['kind']}/{ref['name']}"
        for each in objects(port, **changes)
        if each["kind"] == "AuthorizationPolicy"
        for ref in [each["spec"]["targetRef"]]
    }


def test_a_port_takes_one_service_account_only() -> None:
    """The simplest rule is one object beside the Server."""
    (policy,) = objects(PolicyPort(port="8080", clients=(BAR,)))
    assert policy["metadata"] == {"name": "foo-8080-bar", "namespace": "shop"}
    assert policy["spec"] == {
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "foo-8080"},
        "requiredAuthenticationRefs": [
            {"kind": "ServiceAccount", "namespace": "shop", "name": "bar"}
        ],
    }


@pytest.mark.parametrize(("port", "written"), [("8080", 8080), ("http", "http")])
def test_a_server_has_the_default_policy_and_the_port_in_its_own_form(
    port: str, written: object
) -> None:
    """A number in quotes would be taken for the name of a port, which no pod has."""
    server = port_server(ARGS, PolicyPort(port=port, protocol="HTTP/1"))
    assert server["spec"] == {
        "podSelector": {"matchLabels": {"app": "foo"}},
        "port": written,
        "proxyProtocol": "HTTP/1",
        "accessPolicy": "deny",
    }


def test_identities_and_networks_of_one_entry_must_both_hold() -> None:
    """An entry narrows; another entry widens."""
    both = ClientsArgs(namespaces=("web",), networks=NODES.networks)
    tls, network, policy = objects(PolicyPort(port="8080", clients=(both,)))
    assert (tls["kind"], network["kind"]) == ("MeshTLSAuthentication", "NetworkAuthentication")
    assert network["spec"] == {"networks": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}]}
    kinds = [ref["kind"] for ref in policy["spec"]["requiredAuthenticationRefs"]]
    assert kinds == ["MeshTLSAuthentication", "NetworkAuthentication"]
    assert len(targets(PolicyPort(port="8080", clients=(BAR, WEB)))) == 2


def test_with_a_route_no_policy_is_for_the_server() -> None:
    """One would hold for every route: whoever may call the port could call /admin."""
    admin = PolicyRoute(name="admin", path="/admin", clients=(WEB,))
    found = targets(PolicyPort(port="8080", clients=(BAR,), routes=(admin,)))
    assert set(found.values()) == {"HTTPRoute/foo-8080-rest", "HTTPRoute/foo-8080-admin"}


def test_what_no_route_has_is_a_route_too() -> None:
    """Linkerd answers 404 where routes are attached and none matches, at every default policy."""
    (rest,) = [
        each
        for each in objects(PolicyPort(port="8080", probes=("/healthz",)))
        if each["metadata"]["name"] == "foo-8080-rest"
    ]
    assert rest["spec"]["rules"] == [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}]


def test_the_kubelet_may_probe_where_routes_are_attached() -> None:
    """They take the allowance away that Linkerd gives probes by itself."""
    port = PolicyPort(port="8080", probes=("/healthz", GRPC_HEALTH))
    assert targets(port)["foo-8080-probes"] == "HTTPRoute/foo-8080-probes"
    (route,) = [m for m in objects(port) if m["metadata"]["name"] == "foo-8080-probes"][:1]
    matches = {m["path"]["value"]: m["method"] for m in route["spec"]["rules"][0]["matches"]}
    assert matches == {"/healthz": "GET", GRPC_HEALTH: "POST"}


def test_prometheus_alone_reads_a_services_metrics() -> None:
    """Metrics tell an attacker what is there."""
    found = objects(PolicyPort(port="8080", clients=(BAR,), metrics="/metrics"))
    (policy,) = [
        m
        for m in found
        if m["kind"] == "AuthorizationPolicy" and m["metadata"]["name"] == "foo-8080-metrics"
    ]
    (ref,) = policy["spec"]["requiredAuthenticationRefs"]
    assert (ref["namespace"], ref["name"]) == ("linkerd-viz", "prometheus")
    assert "foo-8080-rest-bar" in targets(PolicyPort(port="8080", clients=(BAR,), metrics="/m"))


def test_the_namespaces_that_may_call_hold_where_a_port_names_nobody() -> None:
    """A port with clients of its own is narrower, never wider."""
    assert targets(PolicyPort(port="8080"), callers=True) == {"foo-8080-callers": "Server/foo-8080"}
    assert set(targets(PolicyPort(port="8080", clients=(BAR,)), callers=True)) == {"foo-8080-bar"}
    assert targets(PolicyPort(port="8080")) == {}


def test_a_webhook_is_open_to_the_api_server_and_not_to_the_namespaces() -> None:
    """The API server is in no mesh; without the rule no object of that kind is admitted."""
    found = targets(PolicyPort(port="8443", api_server=True), callers=True)
    assert found == {"foo-8443-api-server": "Server/foo-8443"}


def test_names_of_policies_do_not_depend_on_their_order() -> None:
    """With an index, a removed entry would rename the later ones, and close them meanwhile."""
    forward = targets(PolicyPort(port="8080", clients=(BAR, WEB, NODES)))
    backward = targets(PolicyPort(port="8080", clients=(NODES, WEB, BAR)))
    assert forward == backward
    assert len(forward) == 3


def test_names_of_different_clients_differ() -> None:
    """Two objects of one name would be one, with the clients of whichever comes last."""
    alike = [
        ClientsArgs(service_accounts=(("shop", "web-a"),)),
        ClientsArgs(service_accounts=(("web", "a"),)),
        ClientsArgs(service_accounts=(("shop", "web.a"),)),
        ClientsArgs(service_accounts=(("shop", "web-a"),), networks=NODES.networks),
        NODES,
        ClientsArgs(networks=(NetworkArgs(cidr="10.0.0.0/8"),)),
        ClientsArgs(service_accounts=(("shop", "all-web"),)),
        WEB,
    ]
    names = {each.label("shop") for each in alike}
    assert len(names) == len(alike)
    assert all(len(name) <= 47 and name == name.strip("-") for name in names)


def test_its_server_comes_after_everything_that_it_lets_in() -> None:
    """A Server denies from its first second on whatever is not allowed by then."""
    recording = made(ServicePolicy)
    servers = {r.inputs["metadata"]["name"]: r for r in recording.of_kind(":Server")}
    assert set(servers) == {"foo-8080", "foo-db"}
    for name, server in servers.items():
        others = [r for r in recording.resources if f"-{name}-" in r.name]
        assert others
        for each in others:
            assert recording.comes_after(server, each), each.name


def test_a_rate_limit_is_of_the_server_and_comes_before_it() -> None:
    """From its first second on the port takes no more than what was said."""
    limit = RateLimitArgs(
        total=100, per_client=10, overrides=((50, (("shop", "bar"), ("web", "baz"))),)
    )
    port = PolicyPort(port="8080", protocol="HTTP/1", clients=(BAR,), rate_limit=limit)
    (made,) = limits(ARGS, port)
    assert faults(made) == []
    assert made["metadata"] == {"name": "foo-8080", "namespace": "shop"}
    account = {"group": "", "kind": "ServiceAccount"}
    assert made["spec"] == {
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "foo-8080"},
        "total": {"requestsPerSecond": 100},
        "identity": {"requestsPerSecond": 10},
        "overrides": [
            {
                "requestsPerSecond": 50,
                "clientRefs": [
                    {**account, "namespace": "shop", "name": "bar"},
                    {**account, "namespace": "web", "name": "baz"},
                ],
            }
        ],
    }
    assert list(limits(ARGS, PolicyPort(port="8080"))) == []
    args = ARGS.model_copy(update={"ports": (port,)})
    recording = record(lambda: ServicePolicy("x", args))
    (policy,) = (r for r in recording.resources if r.type.endswith("HTTPLocalRateLimitPolicy"))
    (server,) = (r for r in recording.resources if r.type.endswith("Server"))
    assert recording.comes_after(server, policy)
