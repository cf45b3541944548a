"""What leaves the cluster, as Linkerd's own policy controller tells the proxies."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from tests.e2e.mesh_objects import planned
from tests.e2e.mesh_processes import Controllers
from tests.e2e.policy_grpc import NoPolicyError, Outbound
from tests.e2e.runbook import blocks
from tests.e2e.test_mesh_controllers import namespace, pod, proxy, rollout

pytestmark = pytest.mark.e2e
# TEST-NET-3 of RFC 5737, which no cluster has; the other is one of the cluster's pods.
OUTSIDE, INSIDE = "203.0.113.7", "10.244.0.9"
STRIPE: dict[str, Any] = {"host": "api.stripe.com"}
BELOW: dict[str, Any] = {"host": "*.example.com"}
PLAIN: dict[str, Any] = {"host": "plain.example.org", "port": 80, "protocol": "http"}
HOSTS = [STRIPE, BELOW, PLAIN]


def put(linkerd: Controllers, inside: str, **egress: Any) -> str:
    """Apply what the program makes of a namespace's egress; the name of a meshed pod there."""
    section = {"namespaces": {inside: egress}}
    objects = planned(rollout(inside, state="on", egress=section))
    linkerd.objects.apply(namespace(inside), *objects)
    made = linkerd.objects.create(pod(inside))
    assert proxy(made)
    return str(made["metadata"]["name"])


def told(linkerd: Controllers, inside: str, name: str, port: int, hosts: set[str]) -> Outbound:
    """The answer for an address outside, once the routes of these hosts are in it."""

    def wanted(answer: Outbound) -> bool:
        found = set().union(*answer.allowed.values(), *answer.denied.values())
        return answer.egress_network == f"{inside}/egress" and hosts <= found

    return linkerd.policy.outbound_when((inside, name, OUTSIDE, port), wanted)


def test_a_denying_namespace_reaches_its_hosts_and_nothing_else(linkerd: Controllers) -> None:
    name = put(linkerd, "out-deny", mode="deny", hosts=HOSTS)
    tls = told(linkerd, "out-deny", name, 443, {"api.stripe.com", "*.example.com"})
    assert tls.protocol == "tls"
    assert tls.allowed == {"tls": {"api.stripe.com", "*.example.com"}}
    assert tls.denied == {"tls": {"*"}}
    http = told(linkerd, "out-deny", name, 80, {"plain.example.org"})
    assert {http.allowed[each] for each in ("http1", "http2")} == {frozenset({"plain.example.org"})}
    # What is no HTTP at that port is refused as well, and so is every other port.
    assert http.allowed["opaque"] == frozenset()
    other = told(linkerd, "out-deny", name, 5432, {"*"})
    assert set(other.allowed.values()) == {frozenset()}
    assert all("*" in denied for denied in other.denied.values())


@pytest.mark.parametrize("port", [5432, 9092])
def test_public_reports_a_database_outside_is_let_through_whoever_speaks_first(
    linkerd: Controllers, port: int
) -> None:
    """At 5432 Linkerd reads nothing by default, at 9092 it would wait for the client to speak."""
    inside = f"out-tcp-{port}"
    host = {"host": "db.example.com", "port": port, "protocol": "tcp",
            "networks": ["203.0.113.0/24"]}  # fmt: skip
    name = put(linkerd, inside, mode="deny", hosts=[host, STRIPE])
    answer = linkerd.policy.outbound_when(
        (inside, name, OUTSIDE, port), lambda each: each.allowed.get("opaque") == {"*"}
    )
    assert answer.protocol == "opaque"
    assert answer.denied == {"opaque": frozenset()}
    other = told(linkerd, inside, name, 1521, {"*"})
    assert set(other.allowed.values()) == {frozenset()}


def test_what_is_inside_the_cluster_is_no_egress(linkerd: Controllers) -> None:
    name = put(linkerd, "out-inside", mode="deny")
    told(linkerd, "out-inside", name, 443, {"*"})
    with pytest.raises(NoPolicyError):
        linkerd.policy.outbound("out-inside", name, INSIDE, 8080)


def test_an_allowing_namespace_tells_its_hosts_apart_and_refuses_none(
    linkerd: Controllers,
) -> None:
    """The metrics by route say what `deny` would refuse, before it does."""
    name = put(linkerd, "out-allow", mode="allow", hosts=[STRIPE])
    answer = told(linkerd, "out-allow", name, 443, {"api.stripe.com"})
    assert answer.allowed == {"tls": {"api.stripe.com", "*"}}
    assert answer.denied == {"tls": frozenset()}


def test_the_default_holds_for_every_namespace_without_rules_of_its_own(
    linkerd: Controllers,
) -> None:
    """A namespace's own EgressNetwork stands for the global one, and does not add to it."""
    plan = rollout("with-own", "without", state="on")
    plan["egress"] = {
        "default": "deny",
        "hosts": [STRIPE],
        "namespaces": {"with-own": {"mode": "deny", "hosts": [BELOW]}},
    }
    objects = planned(plan)
    linkerd.objects.apply(namespace("with-own"), namespace("without"), *objects)
    own, other = (
        linkerd.objects.create(pod(each))["metadata"]["name"] for each in ("with-own", "without")
    )
    try:
        tls = told(linkerd, "with-own", own, 443, {"*.example.com"})
        assert tls.allowed == {"tls": {"*.example.com"}}
        everywhere = linkerd.policy.outbound_when(
            ("without", other, OUTSIDE, 443),
            lambda each: "api.stripe.com" in each.allowed.get("tls", ()),
        )
        assert everywhere.egress_network == "linkerd-egress/egress"
        assert everywhere.allowed == {"tls": {"api.stripe.com"}}
        assert everywhere.denied == {"tls": {"*"}}
    finally:
        linkerd.objects.delete(
            *(each for each in objects if each["metadata"].get("namespace") == "linkerd-egress")
        )


def test_a_host_that_is_opened_reaches_proxies_that_run_already(linkerd: Controllers) -> None:
    """Opening a host is a change of the stack file alone: no pod restarts for it."""
    name = put(linkerd, "out-open", mode="deny", hosts=[STRIPE])
    before = told(linkerd, "out-open", name, 443, {"api.stripe.com"})
    assert "*.example.com" not in before.allowed["tls"]
    section = {"namespaces": {"out-open": {"mode": "deny", "hosts": [STRIPE, BELOW]}}}
    started = time.monotonic()
    linkerd.objects.apply(*planned(rollout("out-open", state="on", egress=section)))
    after = told(linkerd, "out-open", name, 443, {"*.example.com"})
    assert after.allowed == {"tls": {"api.stripe.com", "*.example.com"}}
    print(f"seen after {time.monotonic() - started:.1f} s")


def test_the_packets_of_a_denying_namespace_have_a_policy_that_the_api_server_takes(
    linkerd: Controllers,
) -> None:
    host = STRIPE | {"networks": ["203.0.113.0/24"]}
    put(linkerd, "out-packets", mode="deny", hosts=[host, PLAIN])
    path = "/apis/networking.k8s.io/v1/namespaces/out-packets/networkpolicies/"
    found = linkerd.cluster.get(f"{path}linkerd-platform-egress")
    assert found
    by_port = {
        rule["ports"][0]["port"]: rule["to"] for rule in found["spec"]["egress"] if "ports" in rule
    }
    assert by_port[443] == [{"ipBlock": {"cidr": "203.0.113.0/24"}}]
    assert "169.254.0.0/16" in by_port[80][0]["ipBlock"]["except"]


def test_the_runbook_of_opening_a_host_does_what_it_says(linkerd: Controllers) -> None:
    """Its stack files one after the other, in a namespace whose proxy runs all the while."""
    files = {
        block.heading: yaml.safe_load(block.text)["linkerd-platform:egress"]
        for block in blocks("open-an-egress-host.md")
        if block.language == "yaml"
    }
    assert list(files) == ["See", "Deny", "Open", "Back"]
    steps = {
        heading: planned(rollout("shop", state="on", egress=section))
        for heading, section in files.items()
    }
    linkerd.objects.apply(namespace("shop"), *steps["See"])
    name = str(linkerd.objects.create(pod("shop"))["metadata"]["name"])
    see = told(linkerd, "shop", name, 443, {"api.stripe.com"})
    assert see.allowed == {"tls": {"api.stripe.com", "*"}}
    linkerd.objects.apply(*steps["Deny"])
    deny = linkerd.policy.outbound_when(
        ("shop", name, OUTSIDE, 443), lambda each: bool(each.denied.get("tls"))
    )
    assert deny.allowed == {"tls": {"api.stripe.com"}}
    assert told(linkerd, "shop", name, 80, {"plain.example.org"}).allowed["opaque"] == frozenset()
    linkerd.objects.apply(*steps["Open"])
    opened = told(linkerd, "shop", name, 443, {"*.example.com"})
    assert opened.allowed == {"tls": {"api.stripe.com", "*.example.com"}}
    assert opened.denied == {"tls": {"*"}}
    linkerd.objects.apply(*steps["Back"])
    back = linkerd.policy.outbound_when(
        ("shop", name, OUTSIDE, 443), lambda each: not any(each.denied.values())
    )
    assert back.allowed == {"tls": {"api.stripe.com", "*.example.com", "*"}}
