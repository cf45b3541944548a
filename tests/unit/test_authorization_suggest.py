"""Rules for the clients that were seen, as a section which the stack file takes as it is."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from bot.mesh.authorization import objections
from bot.mesh.authorization.judge import judge
from bot.mesh.authorization.model import Call, KubeService, RunningNamespace, ServingWorkload
from bot.mesh.authorization.suggest import Suggestion, suggest, text
from components.policy.section import GRPC_HEALTH
from stack.config import StackConfig
from stack.load import from_file
from tests.unit.authorization_samples import FOO, SHOP, call, config, identity, service, stack
from tests.unit.stack_files import write
from tests.unit.whole_program import project

BAR = {"serviceAccounts": ["bar"]}
NODES = {"cidr": "10.1.0.0/16"}
OWN, OTHER = identity("shop", "bar"), identity("web", "cart")


def suggested(made: StackConfig, *calls: Call, running: RunningNamespace = SHOP) -> Suggestion:
    """What `deny` would need."""
    return suggest(made, running, judge(made, running, calls, "deny"))


def loaded(made: StackConfig, found: Suggestion) -> StackConfig:
    """The stack file with the printed section in the old one's place, at `deny`."""
    sections = stack()
    printed = yaml.safe_load(text(made, [found]))["linkerd-platform:policy"]
    printed["namespaces"]["shop"]["defaultInboundPolicy"] = "deny"
    sections["policy"] = printed
    return from_file(write(project(), sections))


def test_a_new_port_gets_the_services_name_and_selector() -> None:
    """The labels of the Service, not the pods' own, which change with each release."""
    found = suggested(config(rung="audit"), call(OWN), call(OTHER))
    assert found.section["services"] == [
        {
            "name": "foo",
            "selector": {"app": "foo"},
            "ports": [{"port": 8080, "allow": [{"serviceAccounts": ["bar", "web/cart"]}]}],
        }
    ]
    assert found.added == 2


def test_what_is_suggested_denies_none_of_the_calls() -> None:
    """The section is loaded by the program's own rules, and judged again."""
    calls = [call(OWN), call(OTHER), call(identity("shop", "ops"), port=9990)]
    made = config(service(allow=[BAR]), rung="audit", whole={"kubeletNetworks": [NODES]})
    after = loaded(made, suggested(made, *calls))
    assert after.policy.kubelet_networks == made.policy.kubelet_networks
    assert [v.outcome for v in judge(after, SHOP, calls)] == ["allowed"] * 3
    assert [v.outcome for v in judge(after, SHOP, [call(identity("web", "x"))])] == ["denied"]


def test_a_port_with_a_grpc_probe_gets_its_probes() -> None:
    """Else the next rung would deny the kubelet, whose calls are in no metric of a client."""
    probes = {8080: frozenset({GRPC_HEALTH, "/healthz"})}
    running = dataclasses.replace(SHOP, workloads=(dataclasses.replace(FOO, probes=probes),))
    found = suggested(config(rung="audit"), call(OWN), running=running)
    (port,) = found.section["services"][0]["ports"]
    assert port["probes"] == sorted([GRPC_HEALTH, "/healthz"])
    assert objections.find(loaded(config(rung="audit"), found), running) == []


def test_rules_that_are_there_stay_as_they_are() -> None:
    """An entry with networks holds for both at once: it is not widened by a name."""
    both = {"serviceAccounts": ["a"], "networks": [{"cidr": "10.0.0.0/8"}]}
    found = suggested(config(service(allow=[both], protocol="HTTP/1"), rung="audit"), call(OTHER))
    (port,) = found.section["services"][0]["ports"]
    assert port == {
        "port": 8080,
        "protocol": "HTTP/1",
        "allow": [both, {"serviceAccounts": ["web/cart"]}],
    }
    assert found.section["defaultInboundPolicy"] == "audit"


def test_nothing_is_added_where_nothing_is_missing() -> None:
    """Run twice, it prints the same."""
    made = config(service(allow=[BAR]), rung="audit")
    found = suggested(made, call(OWN))
    assert (found.added, found.notes) == (0, [])
    assert text(made, [found]) == "# no rule is missing"


@pytest.mark.parametrize(
    ("seen", "note"),
    [
        (call(""), "a client without mTLS -> deployment/foo:8080 (3 requests): it has no mesh"),
        (call(identity("off", "a")), "put it into a wave"),
        (call(OTHER, outcome="deny"), "is denied today"),
        (call(OWN, port=4191), "see policy.prometheus"),
    ],
)
def test_what_no_rule_can_say_is_a_note(seen: Call, note: str) -> None:
    """A rule for it would be refused, let nobody in, or open what is closed on purpose."""
    found = suggested(config(rung="audit"), seen)
    assert found.added == 0
    assert "services" not in found.section or not found.section["services"]
    (told,) = found.notes
    assert note in told


def test_a_client_outside_the_segment_is_a_note() -> None:
    """Who may call a namespace is decided by its owner, not by who happened to call."""
    made = config(service(allow=[BAR]), rung="audit", allowFrom=["linkerd-viz"])
    found = suggested(made, call(OTHER))
    assert found.added == 0
    assert "web is not in allowFrom of shop" in found.notes[0]


def test_a_client_of_another_mesh_is_named_by_its_identity() -> None:
    """Its service account is none of this cluster's."""
    foreign = "a.b.serviceaccount.identity.linkerd.example.org"
    found = suggested(config(rung="audit"), call(foreign))
    assert found.section["services"][0]["ports"][0]["allow"] == [{"identities": [foreign]}]


@pytest.mark.parametrize(("protocol", "written"), [("tcp", "opaque"), ("http", None)])
def test_a_port_without_http_is_opaque(protocol: str, written: str | None) -> None:
    """A Server replaces the pods' opaque ports, and detection waits for a client that waits too."""
    found = suggested(config(rung="audit"), call(OWN, protocol=protocol))
    assert found.section["services"][0]["ports"][0].get("protocol") == written


def test_without_a_service_the_workload_gives_name_and_labels() -> None:
    """Labels that a controller adds differ from release to release."""
    alone = RunningNamespace("shop", (FOO,), ())
    found = suggested(config(rung="audit"), call(OWN), running=alone)
    (made,) = found.section["services"]
    assert (made["name"], made["selector"]) == ("foo", {"app": "foo"})


def test_two_workloads_behind_one_service_share_its_policy() -> None:
    """A canary is no service of its own."""
    canary = ServingWorkload(
        "Deployment", "foo-canary", {"app": "foo", "v": "2"}, ports={8080: "http"}
    )
    both = RunningNamespace("shop", (FOO, canary), (KubeService("foo", {"app": "foo"}, ("8080",)),))
    calls = [call(OWN), call(OTHER, workload=("deployment", "foo-canary"))]
    found = suggested(config(rung="audit"), *calls, running=both)
    (made,) = found.section["services"]
    assert made["ports"][0]["allow"] == [{"serviceAccounts": ["bar", "web/cart"]}]
