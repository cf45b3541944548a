"""Who would be denied: each call that was seen against the policies of the stack file."""

from __future__ import annotations

from typing import Any

import pytest

from bot.mesh.authorization.judge import account_of, judge
from bot.mesh.authorization.model import Call, RunningNamespace
from stack.config import StackConfig
from tests.unit.authorization_samples import FOO, SHOP, call, config, identity, service

BAR = {"serviceAccounts": ["bar"]}
NODES = {"networks": [{"cidr": "10.0.0.0/8"}]}
OWN, OTHER = identity("shop", "bar"), identity("web", "cart")


def outcome(made: StackConfig, seen: Call, running: RunningNamespace = SHOP, **more: Any) -> str:
    """The one verdict."""
    (verdict,) = judge(made, running, [seen], **more)
    return verdict.outcome


def deny(*services: dict[str, Any], **namespace: Any) -> StackConfig:
    """The shop at the strictest default policy."""
    return config(*services, defaultInboundPolicy="deny", **namespace)


@pytest.mark.parametrize(
    ("inbound", "meshed", "unmeshed"),
    [
        ("all-unauthenticated", "allowed", "allowed"),
        ("audit", "allowed", "allowed"),
        ("cluster-authenticated", "allowed", "denied"),
        ("all-authenticated", "allowed", "denied"),
        ("deny", "denied", "denied"),
    ],
)
def test_each_default_policy_lets_in_fewer(inbound: str, meshed: str, unmeshed: str) -> None:
    """A client that no rule names is what a default policy is about."""
    made = config(service(allow=[BAR]), defaultInboundPolicy=inbound)
    assert outcome(made, call(OTHER)) == meshed
    assert outcome(made, call("")) == unmeshed


@pytest.mark.parametrize(
    "entry",
    [
        {"serviceAccounts": ["web/cart"]},
        {"namespaces": ["web"]},
        {"identities": [OTHER]},
        {"identities": ["*.web.serviceaccount.identity.linkerd.cluster.local"]},
        {"identities": ["*"]},
    ],
)
def test_a_rule_lets_its_client_in_and_no_other(entry: dict[str, Any]) -> None:
    """In each form that a stack file can name a client."""
    made = deny(service(allow=[entry]))
    assert outcome(made, call(OTHER)) == "allowed"
    if entry != {"identities": ["*"]}:
        assert outcome(made, call(identity("shop", "cart"))) == "denied"


def test_an_account_without_a_namespace_is_one_of_the_same() -> None:
    """`bar` of another namespace is somebody else."""
    made = deny(service(allow=[BAR]))
    assert outcome(made, call(OWN)) == "allowed"
    assert outcome(made, call(identity("web", "bar"))) == "denied"


def test_a_port_that_no_policy_has_is_closed_at_deny() -> None:
    """The default policy of the pod decides there."""
    made = deny(service(allow=[BAR]))
    assert outcome(made, call(OWN, port=9990)) == "denied"
    assert outcome(made, call("", port=9990, authorization="default/probe")) == "allowed"


def test_a_port_by_name_is_the_containers() -> None:
    """Metrics have numbers, stack files may have names."""
    foo = service(allow=[BAR])
    foo["ports"][0]["port"] = "http"
    assert outcome(deny(foo), call(OWN)) == "allowed"


def test_segmentation_holds_for_a_port_without_clients_of_its_own() -> None:
    """And not for one that names some, which is narrower."""
    assert outcome(deny(service(), allowFrom=["web"]), call(OTHER)) == "allowed"
    assert outcome(deny(service(), allowFrom=["web"]), call(OWN)) == "allowed"
    assert outcome(deny(service(), allowFrom=["web"]), call(identity("x", "y"))) == "denied"
    assert outcome(deny(service(allow=[BAR]), allowFrom=["web"]), call(OTHER)) == "denied"


def test_a_client_without_identity_is_denied_unless_a_network_may_hold_it() -> None:
    """The metrics have no address, so with networks nobody can tell."""
    assert outcome(deny(service(allow=[BAR])), call("")) == "denied"
    assert outcome(deny(service(allow=[NODES])), call("")) == "unknown"
    assert outcome(deny(service(allow=[{**BAR, **NODES}])), call("")) == "denied"
    assert outcome(deny(service(apiServer=True)), call("")) == "allowed"


def test_a_call_that_only_a_route_allows_is_unknown() -> None:
    """The metrics of a Server without routes have no path."""
    route = {"name": "a", "path": "/a", "allow": [{"serviceAccounts": ["web/cart"]}]}
    made = deny(service(allow=[BAR], probes=[], routes=[route]))
    assert outcome(made, call(OTHER)) == "unknown"
    assert outcome(made, call(identity("web", "other"))) == "denied"
    assert outcome(made, call(OWN)) == "allowed"
    assert outcome(made, call(OWN, route="foo-8080-a")) == "unknown"


def test_a_route_called_like_the_rest_is_not_the_rest() -> None:
    """`a-rest` has clients of its own; who the port lets in may be turned away there."""
    route = {"name": "a-rest", "path": "/a", "allow": [{"serviceAccounts": ["web/cart"]}]}
    made = deny(service(allow=[BAR], probes=[], routes=[route]))
    assert outcome(made, call(OWN, route="foo-8080-rest")) == "allowed"
    assert outcome(made, call(OWN, route="foo-8080-a-rest")) == "unknown"


def test_without_a_policy_the_clusters_default_policy_closes_the_proxies_metrics() -> None:
    """The allowances come with the namespace's section; Linkerd's own are for probes alone."""
    made = deny(service(allow=[BAR]))
    linkerd = made.linkerd.model_copy(update={"default_inbound_policy": "deny"})
    bare = made.model_copy(update={"linkerd": linkerd, "policy": type(made.policy)()})
    prometheus = identity("linkerd-viz", "prometheus")
    assert outcome(bare, call(prometheus, port=4191)) == "denied"
    assert outcome(bare, call("", port=4191, authorization="default/probe")) == "allowed"


def test_probes_that_linkerd_allows_are_no_clients() -> None:
    """Their paths are compared with the policy elsewhere."""
    assert outcome(deny(service(allow=[BAR])), call("", authorization="default/probe")) == "allowed"


def test_prometheus_reads_metrics_and_another_reader_does_not() -> None:
    """Of services where `metrics` says so, of proxies always."""
    prometheus = identity("linkerd-viz", "prometheus")
    made = deny(service(allow=[BAR], probes=[], metrics="/metrics"))
    assert outcome(made, call(prometheus)) == "allowed"
    assert outcome(made, call(prometheus, port=4191)) == "allowed"
    assert outcome(made, call(OTHER, port=4191)) == "denied"
    assert outcome(made, call("", port=4191)) == "unknown"
    assert outcome(deny(service(allow=[BAR])), call(prometheus)) == "denied"


def test_a_workload_that_is_gone_is_unknown() -> None:
    """Its labels went with it, and so what would select it."""
    gone = RunningNamespace("shop", (), ())
    assert outcome(deny(service(allow=[BAR])), call(OWN), gone) == "unknown"


def test_a_default_policy_may_be_assumed_before_it_is_written() -> None:
    """`--default-inbound-policy deny` asks what the stack file does not say yet."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="audit")
    assert outcome(made, call(OTHER)) == "allowed"
    assert outcome(made, call(OTHER), assumed="deny") == "denied"


def test_only_who_gets_in_today_breaks() -> None:
    """A client that is turned away already must not hold up the others."""
    made = deny(service(allow=[BAR]))
    today, already = judge(made, SHOP, [call(OTHER), call(OTHER, outcome="deny")])
    assert (today.breaks, already.breaks) == (True, False)
    (fine,) = judge(made, SHOP, [call(OWN)])
    assert not fine.breaks


def test_an_identity_is_an_account_of_this_mesh_or_none() -> None:
    """An account's name may have dots; another trust domain's accounts are not ours."""
    made = deny(service(allow=[BAR]))
    assert account_of(made, identity("web", "a.b")) == ("web", "a.b")
    assert account_of(made, identity("web", "a").replace("cluster.local", "other")) is None
    assert account_of(made, "spiffe://example.com/a") is None
    assert FOO.account == "foo"
