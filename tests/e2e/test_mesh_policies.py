"""Who may call whom, as Linkerd's own policy controller computes it from what the program makes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.mesh_objects import Manifest, planned
from tests.e2e.mesh_processes import Controllers
from tests.e2e.policy_grpc import UNAUTHENTICATED, Allowed, Inbound
from tests.e2e.test_mesh_controllers import namespace, pod, proxy, rollout

pytestmark = pytest.mark.e2e
PORT, ADMIN = 8080, 4191


def identity(account: str, inside: str) -> str:
    return f"{account}.{inside}.serviceaccount.identity.linkerd.cluster.local"


PROMETHEUS = identity("prometheus", "linkerd-viz")


BAR = {"serviceAccounts": ["callers/bar"]}


def service(name: str, **port: Any) -> dict[str, Any]:
    port = {"allow": [BAR]} | port
    return {"name": name, "selector": {"app": name}, "ports": [{"port": PORT} | port]}


def stack(inside: str, *services: dict[str, Any], **policy: Any) -> dict[str, Any]:
    """A namespace with a policy, and one whose accounts call it."""
    section = {"namespaces": {inside: policy | {"services": list(services)}}}
    return rollout(inside, "callers", state="on", policy=section)


def put(linkerd: Controllers, inside: str, *labels: str, plan: dict[str, Any]) -> list[str]:
    """Apply what the program makes of a plan, then a meshed pod per label; the pods' names."""
    linkerd.objects.apply(namespace(inside), *planned(plan))
    made = [linkerd.objects.create(pod(inside, app=label)) for label in labels]
    assert all(proxy(each) for each in made)
    return [each["metadata"]["name"] for each in made]


def who(allowed: frozenset[Allowed]) -> set[str]:
    return {name for each in allowed for name in each.who}


def settled(linkerd: Controllers, inside: str, name: str, server: str, routes: int) -> Inbound:
    """The answer once the controller has seen the Server and all of its routes."""

    def wanted(answer: Inbound) -> bool:
        found = [name for name in answer.routes if name.startswith("HTTPRoute")]
        return answer.server == server and len(found) == routes

    return linkerd.policy.watch(inside, name, PORT, wanted)


def test_a_namespace_on_deny_lets_in_the_clients_of_its_rules_and_nobody_else(
    linkerd: Controllers,
) -> None:
    office = {"serviceAccounts": ["own"], "networks": [{"cidr": "10.1.0.0/16"}]}
    plan = stack(
        "shop", service("foo"), service("both", allow=[office]), defaultInboundPolicy="deny"
    )
    name, both = put(linkerd, "shop", "foo", "both", plan=plan)
    answer = settled(linkerd, "shop", name, "server foo-8080", 0)
    assert answer.clients == {identity("bar", "callers")}
    (only,) = settled(linkerd, "shop", both, "server both-8080", 0).allowed
    assert (only.who, only.networks) == ({identity("own", "shop")}, {"10.1.0.0/16"})
    # A port that no policy names has the default of the namespace, which the pod was born with.
    other = linkerd.policy.inbound("shop", name, 9999)
    assert other.server == "default deny"
    assert other.clients == frozenset()


def test_probes_and_metrics_go_on_where_routes_are_attached(linkerd: Controllers) -> None:
    """A route takes the automatic allowance of probes away: here it is made by hand."""
    foo = service(
        "foo",
        probes=["/healthz"],
        metrics="/metrics",
        routes=[{"name": "admin", "path": "/admin", "allow": [{"serviceAccounts": ["boss"]}]}],
    )
    (name,) = put(linkerd, "routed", "foo", plan=stack("routed", foo, defaultInboundPolicy="deny"))
    answer = settled(linkerd, "routed", name, "server foo-8080", 4)
    prefix = "HTTPRoute foo-8080"
    assert {route: who(allowed) for route, allowed in answer.routes.items()} == {
        f"{prefix}-probes": {UNAUTHENTICATED},
        f"{prefix}-metrics": {PROMETHEUS},
        f"{prefix}-admin": {identity("boss", "routed")},
        f"{prefix}-rest": {identity("bar", "callers")},
    }
    assert answer.paths[f"{prefix}-probes"] == {"/healthz"}
    assert answer.paths[f"{prefix}-metrics"] == {"/metrics"}
    # What holds for the server holds for each of its routes: then /metrics would be open to bar.
    assert answer.clients == frozenset()


def test_the_proxies_own_port_is_for_prometheus_the_kubelet_and_the_pod_itself(
    linkerd: Controllers,
) -> None:
    (name,) = put(
        linkerd, "admin", "foo", plan=stack("admin", service("foo"), defaultInboundPolicy="deny")
    )
    answer = linkerd.policy.watch(
        "admin", name, ADMIN, lambda each: sum(map(len, each.routes.values())) >= 4
    )
    clients = {route.split()[-1]: who(allowed) for route, allowed in answer.routes.items()}
    assert clients["proxy-metrics"] == {PROMETHEUS}
    assert clients["proxy-probes"] == clients["proxy-shutdown"] == {UNAUTHENTICATED}
    (shutdown,) = answer.routes["HTTPRoute proxy-shutdown"]
    assert "127.0.0.1/32" in shutdown.networks
    assert answer.clients == frozenset()


@pytest.mark.parametrize(
    ("inbound", "clients"),
    [
        ("all-unauthenticated", {UNAUTHENTICATED}),
        ("audit", {identity("bar", "callers"), UNAUTHENTICATED}),
        ("all-authenticated", {identity("bar", "callers"), "*"}),
        ("cluster-authenticated", {identity("bar", "callers"), "*"}),
        ("deny", {identity("bar", "callers")}),
    ],
)
def test_each_default_policy_lets_in_whom_it_says(
    linkerd: Controllers, inbound: str, clients: set[str]
) -> None:
    """What a rule allows is allowed by every default policy; what none allows depends on it."""
    inside = f"default-{inbound}"
    (name,) = put(
        linkerd, inside, "foo", plan=stack(inside, service("foo"), defaultInboundPolicy=inbound)
    )
    answer = linkerd.policy.watch(
        inside, name, PORT, lambda each: clients <= each.clients and "server" in each.server
    )
    assert answer.clients - {identity("bar", "callers")} == clients - {identity("bar", "callers")}


def test_only_named_namespaces_may_call_a_segmented_one(linkerd: Controllers) -> None:
    plan = stack(
        "seg", service("foo", allow=[]), defaultInboundPolicy="deny", allowFrom=["callers"]
    )
    (name,) = put(linkerd, "seg", "foo", plan=plan)
    answer = linkerd.policy.watch("seg", name, PORT, lambda each: bool(each.clients))
    assert answer.clients == {identity("*", "seg"), identity("*", "callers")}


def test_a_running_proxy_sees_a_new_rule_at_once(linkerd: Controllers) -> None:
    """What a change of the stack file does to pods that run already: nothing restarts for it."""
    plan = stack("live", service("foo"), defaultInboundPolicy="deny")
    (name,) = put(linkerd, "live", "foo", plan=plan)
    bar = {identity("bar", "callers")}
    linkerd.policy.watch("live", name, PORT, lambda each: each.clients == bar)
    wider = service("foo", allow=[BAR, {"serviceAccounts": ["callers/baz"]}])
    linkerd.objects.apply(*planned(stack("live", wider, defaultInboundPolicy="deny")))
    both = bar | {identity("baz", "callers")}
    linkerd.policy.watch("live", name, PORT, lambda each: each.clients == both)


_POLICY = "policy.linkerd.io"


def _object(kind: str, version: str, spec: Any) -> Manifest:
    metadata = {"name": "wrong", "namespace": "default"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


_REFUSED: list[tuple[Manifest, str]] = [
    (
        _object("MeshTLSAuthentication", f"{_POLICY}/v1alpha1", {"identities": ["spiffe:///a"]}),
        "trust domain",
    ),
    (
        _object(
            "NetworkAuthentication",
            f"{_POLICY}/v1alpha1",
            {"networks": [{"cidr": "10.0.0.0/8", "except": ["192.168.0.0/16"]}]},
        ),
        "does not include exception",
    ),
    (
        _object(
            "AuthorizationPolicy",
            f"{_POLICY}/v1alpha1",
            {
                "targetRef": {"kind": "Namespace", "name": "another"},
                "requiredAuthenticationRefs": [],
            },
        ),
        "cannot target another namespace",
    ),
    (
        _object(
            "Server",
            f"{_POLICY}/v1beta3",
            {"podSelector": {}, "port": 80, "accessPolicy": "everyone"},
        ),
        "accessPolicy",
    ),
    (
        _object(
            "HTTPRoute",
            "gateway.networking.k8s.io/v1",
            {
                "parentRefs": [{"group": _POLICY, "kind": "EgressNetwork", "name": "all"}],
                "rules": [],
            },
        ),
        "without specifying a port",
    ),
]


@pytest.mark.parametrize(("wrong", "why"), _REFUSED, ids=lambda each: str(each)[:20])
def test_an_invalid_policy_is_refused_by_linkerds_validator(
    linkerd: Controllers, wrong: Manifest, why: str
) -> None:
    """Not by a schema alone: this is what an apply in a real cluster would run into."""
    said = linkerd.objects.refusal(wrong)
    assert "linkerd-policy-validator.linkerd.io" in said
    assert why in said


def test_an_invalid_service_profile_is_refused_by_linkerds_validator(linkerd: Controllers) -> None:
    profile = _object(
        "ServiceProfile",
        "linkerd.io/v1alpha2",
        {"routes": [{"name": "r", "condition": {}}]},
    )
    profile["metadata"]["name"] = "web.default.svc.cluster.local"
    assert "linkerd-sp-validator.linkerd.io" in linkerd.objects.refusal(profile)
