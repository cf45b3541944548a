"""NamespacePolicy: what a denial must not break, and who the allowances are for."""

from __future__ import annotations

import pytest

from components.policy.namespace_policy import (
    NamespacePolicy,
    admin_rules,
    authentications,
    default_policy,
)
from components.policy.objects import NetworkArgs
from tests.unit.samples import arguments, made

ARGS = arguments()[NamespacePolicy]
NODES = NetworkArgs(cidr="10.1.0.0/16")


def rules(**changes: object) -> dict[str, list[dict[str, str]]]:
    """Who may call each route of the proxies' admin port, by the policy's name."""
    objects = admin_rules(ARGS.model_copy(update=changes))  # type: ignore[arg-type]
    return {
        each["metadata"]["name"]: each["spec"]["requiredAuthenticationRefs"]
        for each in objects
        if each["kind"] == "AuthorizationPolicy"
    }


def test_prometheus_reads_the_proxies_metrics_and_nobody_else_does() -> None:
    """A default policy of `deny` closes port 4191 too, and dashboards go dark."""
    account = {"kind": "ServiceAccount", "namespace": "linkerd-viz", "name": "prometheus"}
    assert rules()["proxy-metrics"] == [account]


def test_an_unmeshed_prometheus_is_known_by_its_network() -> None:
    """It has no identity that a policy could name."""
    found = rules(prometheus_networks=(NODES,))["proxy-metrics"]
    assert found == [
        {"group": "policy.linkerd.io", "kind": "NetworkAuthentication", "name": "prometheus"}
    ]
    changed = ARGS.model_copy(update={"prometheus_networks": (NODES,)})
    assert "prometheus" in {m["metadata"]["name"] for m in authentications(changed)}  # type: ignore[arg-type]
    assert "prometheus" not in {m["metadata"]["name"] for m in authentications(ARGS)}  # type: ignore[arg-type]


def test_the_kubelet_and_the_pod_itself_probe_a_proxy() -> None:
    """Routes take the automatic allowance away, and linkerd-await asks from within."""
    names = {name: refs[0]["name"] for name, refs in rules().items()}
    assert names["proxy-probes"] == "kubelet"
    assert names["proxy-probes-same-pod"] == "same-pod"
    assert names["proxy-shutdown"] == "same-pod"
    paths = {
        match["path"]["value"]: match.get("method")
        for each in admin_rules(ARGS)  # type: ignore[arg-type]
        if each["kind"] == "HTTPRoute"
        for match in each["spec"]["rules"][0]["matches"]
    }
    assert paths == {"/metrics": "GET", "/live": "GET", "/ready": "GET", "/shutdown": "POST"}


def test_networks_are_those_of_the_arguments() -> None:
    """The kubelet's networks may be narrowed to the nodes."""
    objects = {m["metadata"]["name"]: m["spec"] for m in authentications(ARGS)}  # type: ignore[arg-type]
    assert objects["kubelet"] == {"networks": [{"cidr": "10.1.0.0/16"}]}
    assert objects["same-pod"] == {"networks": [{"cidr": "127.0.0.1/32"}, {"cidr": "::1/128"}]}
    assert objects["callers"] == {
        "identityRefs": [
            {"kind": "Namespace", "name": "shop"},
            {"kind": "Namespace", "name": "web"},
        ]
    }


@pytest.mark.parametrize("preview", [True, False])
def test_its_server_comes_after_everything_that_it_lets_in(preview: bool) -> None:
    """A Server denies from its first second on whatever is not allowed by then."""
    recording = made(NamespacePolicy, preview)
    (server,) = recording.of_kind(":Server")
    others = [r for r in recording.resources if r.parent == server.parent and r is not server]
    assert len(others) == 11
    for each in others:
        assert recording.comes_after(server, each), each.name


def test_its_servers_policy_is_the_namespaces() -> None:
    """At `audit` a Prometheus that nobody named goes on reading, and is seen."""
    recording = made(NamespacePolicy, default_inbound_policy="audit")
    (server,) = recording.of_kind(":Server")
    assert server.inputs["spec"]["accessPolicy"] == "audit"
    assert server.inputs["spec"]["port"] == "linkerd-admin"


def test_a_default_policy_is_an_annotation_and_none_is_no_annotation() -> None:
    """An empty annotation would be a default policy that Linkerd cannot read."""
    assert default_policy("deny") == {"config.linkerd.io/default-inbound-policy": "deny"}
    assert default_policy(None) == {}
