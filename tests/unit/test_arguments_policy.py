"""What the section `policy` becomes: components, and the annotation of the namespace."""

from __future__ import annotations

from components.policy import arguments as arguments_policy
from components.rollout import arguments as arguments_mesh
from stack.config import StackConfig
from tests.unit.authorization_samples import Sections, config, service, stack
from tests.unit.stack_files import write
from tests.unit.whole_program import Evaluated, evaluated_file, project

BAR = {"serviceAccounts": ["bar"]}
ANNOTATION = "config.linkerd.io/default-inbound-policy"


def annotation(made: StackConfig) -> str | None:
    """The inbound in the one patch of the namespace shop."""
    (shop,) = [n for n in arguments_mesh.arguments(made).namespaces if n.name == "shop"]
    return shop.annotations.get(ANNOTATION)


def inbound_policies(made: StackConfig) -> tuple[str, list[str]]:
    """The default policy of the namespace, and of its services."""
    (namespace,) = arguments_policy.namespaces(made)
    return namespace.default_inbound_policy, [
        each.default_inbound_policy for each in arguments_policy.services(made, "shop")
    ]


def test_a_default_policy_is_of_the_cluster_else_of_the_namespace_else_of_the_workload() -> None:
    """The nearest one holds, and the others are not asked."""
    assert inbound_policies(config(service(allow=[BAR]))) == (
        "all-unauthenticated",
        ["all-unauthenticated"],
    )
    assert inbound_policies(config(service(allow=[BAR]), defaultInboundPolicy="audit")) == (
        "audit",
        ["audit"],
    )
    own = {**service(allow=[BAR]), "defaultInboundPolicy": "deny"}
    assert inbound_policies(config(own, defaultInboundPolicy="audit")) == ("audit", ["deny"])


def test_the_clusters_default_policy_needs_no_annotation() -> None:
    """One that says the same would have to be changed twice."""
    assert annotation(config(service(allow=[BAR]))) is None
    assert annotation(config(service(allow=[BAR]), defaultInboundPolicy="deny")) == "deny"


def test_strict_mtls_is_a_default_policy_where_none_is_written() -> None:
    """Nobody without an identity, whatever the cluster lets in."""
    assert inbound_policies(config(service(allow=[BAR]), strictMtls=True))[0] == "all-authenticated"
    assert annotation(config(service(allow=[BAR]), strictMtls=True)) == "all-authenticated"
    assert (
        inbound_policies(
            config(service(allow=[BAR]), strictMtls=True, defaultInboundPolicy="deny")
        )[0]
        == "deny"
    )


def test_the_networks_of_an_unmeshed_prometheus_reach_both_components() -> None:
    """With one of them alone, either the proxies or the services would be dark."""
    networks = [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}]
    made = config(service(allow=[BAR]), whole={"prometheus": {"networks": networks}})
    (namespace,) = arguments_policy.namespaces(made)
    (foo,) = arguments_policy.services(made, "shop")
    for args in (namespace, foo):
        (network,) = args.prometheus_networks
        assert (network.cidr, network.exceptions) == ("10.0.0.0/8", ("10.1.0.0/16",))


def test_the_api_servers_networks_are_there_only_where_a_webhook_is() -> None:
    """An unused authentication of everybody is one that somebody uses by mistake."""
    (plain,) = arguments_policy.namespaces(config(service(allow=[BAR])))
    (webhook,) = arguments_policy.namespaces(config(service(apiServer=True)))
    assert plain.api_server_networks == ()
    assert [n.cidr for n in webhook.api_server_networks] == ["0.0.0.0/0", "::/0"]


def program(made: Sections) -> Evaluated:
    """The whole program of a stack file."""
    return evaluated_file(write(project(), made), preview=False)


def test_policies_come_after_linkerd_and_services_after_their_namespace() -> None:
    """Linkerd's validator sees each of them, and a rule refers to the kubelet of its namespace."""
    made = program(stack(service(allow=[BAR], probes=["/healthz"]), defaultInboundPolicy="deny"))
    control_plane = made.named("linkerd-linkerd-control-plane")
    kubelet = made.object("NetworkAuthentication", "kubelet")
    for child in (*made.below(made.component("ServicePolicy")), kubelet):
        assert made.comes_after(child, control_plane), child.name
    assert made.comes_after(made.object("Server", "foo-8080"), kubelet)


def test_the_default_policy_of_a_namespace_comes_after_what_it_allows() -> None:
    """Pods that are made between the two would deny their own probes."""
    made = program(stack(service(allow=[BAR]), defaultInboundPolicy="deny"))
    patch = made.named("rollout-shop")
    for kind in ("NamespacePolicy", "ServicePolicy"):
        for child in made.below(made.component(kind)):
            assert made.comes_after(patch, child), child.name
    others = made.named("rollout-web")
    assert not made.comes_after(others, made.object("Server", "foo-8080"))


def test_services_whose_names_read_alike_are_two_components() -> None:
    """Policies of b-c in a, and of c in a-b, would have one name with a hyphen between."""
    made = stack(service(allow=[BAR]))
    made["rollout"]["waves"][0]["namespaces"] = ["a", "a-b"]
    one, two = ({**service(allow=[{"identities": ["*"]}]), "name": n} for n in ("b-c", "c"))
    made["policy"]["namespaces"] = {"a": {"services": [one]}, "a-b": {"services": [two]}}
    names = {r.name for r in program(made).resources if r.type.endswith(":ServicePolicy")}
    assert names == {"policy-a/b-c", "policy-a-b/c"}
