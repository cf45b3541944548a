"""What leaves the cluster: routes by name, packets by address, and the order of both."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.cluster import ClusterSection
from components.egress.arguments import arguments
from components.egress.component import (
    Egress,
    EgressArgs,
    EgressScope,
    PacketScope,
    egress_network,
    route,
    route_name,
    tcp_route,
    way_there,
)
from components.egress.packets import cilium_network_policy, network_policy, packet_policy
from components.egress.section import EgressHost, KubernetesApiEgress, PolicyKind
from components.names import LINKERD_EGRESS
from tests.recorder import Recording, record
from tests.unit.crd_schemas import faults
from tests.unit.stack_files import load, spoilt

INSIDE = ("10.0.0.0/8", "fd00::/8")
API = KubernetesApiEgress()
KINDS: tuple[PolicyKind, ...] = ("NetworkPolicy", "CiliumNetworkPolicy")
# What the keys below do is only seen where something is denied.
EFFECTS: dict[str, Any] = {
    "egress.networkPolicyKind": "CiliumNetworkPolicy",
    "egress.kubernetesApi.networks": ["203.0.113.9/32"],
}
ELSEWHERE = {"egress.kubernetesApi.ports": "test_egress.py"}
TLS = EgressHost(host="api.stripe.com", port=443, protocol="tls")
BELOW = EgressHost(host="*.example.com", port=443, protocol="tls")
HTTP = EgressHost(host="plain.example.org", port=80, protocol="http")


def reached(
    policy: Mapping[str, Any], address: str, port: int, transport: str = "TCP", entity: str = ""
) -> bool:
    """Whether a network plugin lets a packet through; pods are outside of this.

    entity: what the address is to Cilium, which then looks at no block of addresses.
    """
    ip = ipaddress.ip_address(address)
    cilium = policy["kind"] == "CiliumNetworkPolicy"
    for rule in policy["spec"]["egress"]:
        if cilium:
            listed = [each for ports in rule.get("toPorts", []) for each in ports["ports"]]
            wanted: dict[str, Any] = {"port": str(port), "protocol": transport}
            blocks = [] if entity else rule.get("toCIDRSet", [])
            if entity in rule.get("toEntities", []) and (not listed or wanted in listed):
                return True
        else:
            listed = rule.get("ports", [])
            wanted = {"protocol": transport, "port": port}
            blocks = [each["ipBlock"] for each in rule["to"] if "ipBlock" in each]
        if listed and wanted not in listed:
            continue
        for block in blocks:
            less = [ipaddress.ip_network(each) for each in block.get("except", [])]
            if ip in ipaddress.ip_network(block["cidr"]) and not any(ip in each for each in less):
                return True
    return False


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("203.0.113.7", 443, True),
        ("203.0.113.7", 80, True),
        ("203.0.113.7", 8443, False),
        ("203.0.113.7", 53, False),
        ("2001:db8::1", 443, True),
        ("10.1.2.3", 8080, True),
        ("fd00::1", 8080, True),
        ("169.254.20.10", 53, True),
    ],
)
def test_packets_go_to_the_cluster_and_to_the_ports_of_the_hosts(
    host: str, port: int, allowed: bool
) -> None:
    """The DNS of a stranger at port 53 would be a way out for data."""
    policy = network_policy("shop", [TLS, HTTP], INSIDE, API)
    assert reached(policy, host, port) is allowed


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1"])
def test_the_metadata_of_the_cloud_is_no_host_outside(address: str) -> None:
    """The node's credentials are there, at port 80."""
    assert not reached(network_policy("shop", [TLS, HTTP], INSIDE, API), address, 80)


def test_a_host_with_networks_opens_these_alone() -> None:
    known = TLS.model_copy(update={"networks": ("203.0.113.0/24",)})
    policy = network_policy("shop", [known, HTTP], INSIDE, API)
    assert reached(policy, "203.0.113.7", 443)
    assert not reached(policy, "198.51.100.1", 443)
    assert reached(policy, "198.51.100.1", 80)
    # Another host at the port, of unknown address, opens it again.
    assert reached(network_policy("shop", [known, BELOW], INSIDE, API), "198.51.100.1", 443)


def test_without_hosts_nothing_outside_is_reached() -> None:
    policy = network_policy("shop", [], INSIDE, API)
    assert not any(reached(policy, "203.0.113.7", port) for port in (53, 80, 443, 8080))
    assert policy["spec"]["policyTypes"] == ["Egress"]
    assert policy["spec"]["podSelector"] == {}
    selected = [each for rule in policy["spec"]["egress"] for each in rule["to"]]
    assert {"namespaceSelector": {}} in selected


@pytest.mark.parametrize("host", [TLS, BELOW, HTTP], ids=lambda each: each.host)
def test_a_route_names_its_host_and_port_and_leads_outside(host: EgressHost) -> None:
    """Linkerd refuses a route on an EgressNetwork without a port."""
    made = route("shop", host)
    assert faults(made) == []
    (parent,) = made["spec"]["parentRefs"]
    (rule,) = made["spec"]["rules"]
    assert made["spec"]["hostnames"] == [host.host]
    assert (parent["kind"], parent["port"]) == ("EgressNetwork", host.port)
    assert rule["backendRefs"] == [parent]
    assert "matches" not in rule


def test_routes_have_names_of_their_own() -> None:
    """`*.example.com` and a host any.example.com would be one object."""
    hosts = [
        TLS,
        BELOW,
        HTTP,
        EgressHost(host="example.com", port=443, protocol="tls"),
        EgressHost(host="any.example.com", port=443, protocol="tls"),
        EgressHost(host="example.com", port=8443, protocol="tls"),
        EgressHost(host="example.com", port=80, protocol="http"),
    ]
    assert len({route_name(each) for each in hosts}) == len(hosts)


def test_the_longest_host_has_a_route_that_the_api_server_takes() -> None:
    """A name of an object is as long as a host may be, and protocol and port stand before it."""
    first, second = (
        EgressHost(host=f"{'a.' * 124}{end}.com", port=443, protocol="tls") for end in "bc"
    )
    assert len(first.host) == 253
    names = {route_name(first), route_name(second)}
    assert len(names) == 2
    for name in names:
        assert len(name) <= 253
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name)


def test_an_egress_network_takes_what_linkerd_takes_for_outside() -> None:
    """Networks of our own would drift from `clusterNetworks`."""
    made = egress_network("shop", deny=True)
    assert faults(made) == []
    assert made["spec"] == {"trafficPolicy": "Deny"}
    assert egress_network("shop", deny=False)["spec"] == {"trafficPolicy": "Allow"}


def whole() -> Recording:
    """A default and a namespace, both denying."""
    args = EgressArgs(
        cluster_networks=INSIDE,
        scopes=(
            EgressScope(namespace=LINKERD_EGRESS, deny=True, hosts=(TLS,)),
            EgressScope(namespace="shop", deny=True, hosts=(BELOW, HTTP)),
        ),
        packets=(
            PacketScope(namespace="pay", hosts=(TLS,)),
            PacketScope(namespace="shop", hosts=(BELOW, HTTP)),
        ),
    )
    return record(lambda: Egress("x", args))


def test_a_denial_comes_after_what_it_must_let_through() -> None:
    """The other way round, each host would be shut until its route is there."""
    made = whole()
    shop = made.named("x-shop/egress")
    for host in (BELOW, HTTP):
        assert made.comes_after(shop, made.named(f"x-shop/{route_name(host)}"))
    assert made.comes_after(made.named("x-shop/linkerd-platform-egress"), shop)
    default = made.named(f"x-{LINKERD_EGRESS}/egress")
    assert made.comes_after(default, made.named(f"x-{LINKERD_EGRESS}"))
    assert made.comes_after(made.named("x-pay/linkerd-platform-egress"), default)
    assert not made.comes_after(made.named("x-pay/linkerd-platform-egress"), shop)


def test_no_scope_waits_for_another() -> None:
    """500 namespaces are applied side by side."""
    made = whole()
    shop = made.needed_by(made.named("x-shop/egress"))
    assert not any(LINKERD_EGRESS in urn for urn in shop)


def test_a_way_to_a_partner_is_there_between_the_partner_and_the_denial() -> None:
    """Before, it would lead to nothing; after, a namespace that gets an EgressNetwork of its own
    would be shut out for a moment, as it leaves the global one.
    """

    def program() -> None:
        scope = EgressScope(namespace="shop", deny=True, partners=(("bank", "a.example.com"),))
        ready = Egress("bank", EgressArgs(scopes=(EgressScope(namespace="b", deny=True),)))
        made = ready._childResources
        Egress("x", EgressArgs(scopes=(scope,)), partners={"bank": next(iter(made))})

    recording = record(program)
    way = recording.named("x-shop/partner-bank")
    assert recording.comes_after(way, recording.named("bank-b/egress"))
    assert recording.comes_after(recording.named("x-shop/egress"), way)


def test_a_way_to_a_partner_is_by_name_and_port() -> None:
    """Without a port the parent is compared by name alone, and a Service of that name is meant."""
    spec = way_there("shop", "bank", "a.example.com")["spec"]
    (parent,) = spec["parentRefs"]
    assert (parent["kind"], parent["name"], parent["port"]) == ("EgressNetwork", "egress", 80)
    assert spec["hostnames"] == ["a.example.com"]
    (to,) = spec["rules"][0]["backendRefs"]
    where = ("linkerd-egress-gateway", "egress-gateway", 80)
    assert (to["namespace"], to["name"], to["port"]) == where


def configured(folder: Path, changes: dict[str, Any]) -> EgressArgs:
    """The arguments of a stack with three namespaces in its plan."""
    names = ["shop", "pay", {"name": "out", "optOut": True}]
    waves = [
        {"name": "w", "state": "on", "namespaces": names},
        {"name": "later", "namespaces": ["later"]},
    ]
    config = load(folder, spoilt({("rollout",): {"waves": waves}, ("egress",): changes}))
    assert isinstance(config.cluster, ClusterSection)
    return arguments(config, config.cluster)


def test_a_stack_that_says_nothing_makes_nothing(tmp_path: Path) -> None:
    assert configured(tmp_path, {}).scopes == configured(tmp_path, {}).packets == ()


def test_a_denial_by_default_holds_the_packets_of_every_meshed_namespace(tmp_path: Path) -> None:
    """A NetworkPolicy has no global form; where no proxy is, there is nothing to go round."""
    hosts = [{"host": "api.stripe.com"}]
    own = {"shop": {"mode": "deny", "hosts": [{"host": "*.example.com"}]}}
    made = configured(tmp_path, {"default": "deny", "hosts": hosts, "namespaces": own})
    assert {each.namespace: each.hosts for each in made.packets} == {
        "pay": (TLS,),
        "shop": (BELOW,),
    }
    assert [each.namespace for each in made.scopes] == [LINKERD_EGRESS, "shop"]


def test_allowing_makes_no_network_policy(tmp_path: Path) -> None:
    made = configured(
        tmp_path, {"default": "allow", "namespaces": {"shop": {"hosts": [{"host": "a.b"}]}}}
    )
    assert made.packets == ()
    assert [each.deny for each in made.scopes] == [False, False]


def test_another_tool_may_make_the_network_policy(tmp_path: Path) -> None:
    deny = {"mode": "deny", "networkPolicy": False}
    assert configured(tmp_path, {"namespaces": {"shop": deny}}).packets == ()
    assert configured(tmp_path, {"default": "deny", "networkPolicy": False}).packets == ()
    assert configured(tmp_path, {"namespaces": {"shop": deny | {"networkPolicy": True}}}).packets


DATABASE = {
    "host": "db.c0ffee.eu-west-1.rds.amazonaws.com",
    "port": 5432,
    "protocol": "tcp",
    "networks": ["203.0.113.0/24"],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "host",
    [
        DATABASE,
        DATABASE | {"host": "mysql.example.com", "port": 3306},
        DATABASE | {"host": "smtp.example.com", "port": 587},
        {"host": "*.kafka.example.com", "port": 9092, "protocol": "tcp",
         "networks": ["203.0.113.0/25"]},
        {"host": "sftp.example.com", "port": 22, "protocol": "tcp", "networks": ["203.0.113.7/32"]},
        # Nobody gave it a name.
        {"host": "203.0.113.7", "port": 1521, "protocol": "tcp"},
        {"host": "ntp.example.com", "port": 123, "protocol": "udp", "networks": ["203.0.113.7/32"]},
    ],
    ids=lambda each: f"{each['protocol']}-{each['port']}" if isinstance(each, dict) else each,
)  # fmt: skip
def test_public_reports_what_is_neither_tls_nor_http_is_opened_by_its_networks(
    tmp_path: Path, host: dict[str, Any], kind: PolicyKind
) -> None:
    """linkerd2#13475, #8273, #10354: under `deny` no setting opened a database outside."""
    shop = {"mode": "deny", "hosts": [host, {"host": "api.stripe.com"}]}
    args = configured(tmp_path, {"networkPolicyKind": kind, "namespaces": {"shop": shop}})
    made = record(lambda: Egress("x", args))
    port, transport = host["port"], "UDP" if host["protocol"] == "udp" else "TCP"
    policy = made.named("x-shop/linkerd-platform-egress").inputs
    assert reached(policy, "203.0.113.7", port, transport)
    assert not reached(policy, "198.51.100.1", port, transport)
    assert not reached(policy, "203.0.113.7", port, "TCP" if transport == "UDP" else "UDP")
    routes = [each.inputs for each in made.resources if each.type.endswith(":TCPRoute")]
    if transport == "UDP":
        assert routes == []
        return
    (only,) = routes
    assert faults(only) == []
    assert "hostnames" not in only["spec"]
    (parent,) = only["spec"]["parentRefs"]
    assert (parent["kind"], parent["name"], parent["port"]) == ("EgressNetwork", "egress", port)
    assert only["spec"]["rules"] == [{"backendRefs": [parent]}]
    assert made.comes_after(made.named("x-shop/egress"), made.named(f"x-shop/tcp-{port}"))


def test_public_reports_one_port_has_one_route_for_all_that_have_no_names(tmp_path: Path) -> None:
    """Of two TCPRoutes at a port Linkerd takes the older one, and the metrics would tell of it."""
    brokers = [
        {"host": f"b-{n}.example.com", "port": 9092, "protocol": "tcp",
         "networks": [f"203.0.113.{n}/32"]}
        for n in (1, 2)
    ]  # fmt: skip
    args = configured(tmp_path, {"namespaces": {"shop": {"mode": "deny", "hosts": brokers}}})
    made = record(lambda: Egress("x", args))
    assert [each.name for each in made.resources if each.type.endswith(":TCPRoute")] == [
        "x-shop/tcp-9092"
    ]
    policy = made.named("x-shop/linkerd-platform-egress").inputs
    assert reached(policy, "203.0.113.1", 9092)
    assert reached(policy, "203.0.113.2", 9092)
    assert not reached(policy, "203.0.113.3", 9092)


@pytest.mark.parametrize("entity", ["kube-apiserver", "cluster"])
def test_public_reports_on_cilium_workloads_reach_the_api_server(
    tmp_path: Path, entity: str
) -> None:
    """cilium#46571, #39573: no ipBlock matches a node, and the API server runs on one."""
    changes = {"default": "deny", "networkPolicyKind": "CiliumNetworkPolicy"}
    args = configured(tmp_path, changes)
    made = record(lambda: Egress("x", args))
    policy = made.named("x-shop/linkerd-platform-egress").inputs
    assert (policy["apiVersion"], policy["kind"]) == ("cilium.io/v2", "CiliumNetworkPolicy")
    assert policy["spec"]["endpointSelector"] == {}
    assert reached(policy, "10.0.0.5", 6443, entity=entity)
    assert not reached(policy, "203.0.113.7", 443)
    # A rule with two kinds of peer is refused by Cilium.
    for rule in policy["spec"]["egress"]:
        assert len(rule.keys() - {"toPorts"}) == 1


@pytest.mark.parametrize(
    ("address", "port", "entity", "allowed"),
    [
        ("203.0.113.9", 443, "kube-apiserver", True),
        ("203.0.113.9", 6443, "kube-apiserver", True),
        # etcd beside it is not the API server.
        ("203.0.113.9", 2379, "kube-apiserver", False),
        ("203.0.113.9", 443, "world", False),
        ("169.254.20.10", 53, "", True),
        ("169.254.169.254", 80, "", False),
        ("10.1.2.3", 8080, "", True),
        ("10.1.2.3", 8080, "remote-node", False),
    ],
)
def test_public_reports_the_policy_of_cilium_opens_no_more_than_the_other(
    address: str, port: int, entity: str, *, allowed: bool
) -> None:
    """Nodes are in the entity `cluster`, so none is named by itself."""
    policy = cilium_network_policy("shop", [HTTP], INSIDE, API)
    assert reached(policy, address, port, entity=entity) is allowed


def test_public_reports_an_api_server_outside_is_a_destination_of_its_own(tmp_path: Path) -> None:
    """cert-manager#8285: a provider's API server is outside of every network of the cluster."""
    api = {"networks": ["203.0.113.9/32"], "ports": [443]}
    args = configured(tmp_path, {"default": "deny", "kubernetesApi": api})
    policy = record(lambda: Egress("x", args)).named("x-shop/linkerd-platform-egress").inputs
    assert reached(policy, "203.0.113.9", 443)
    assert not reached(policy, "203.0.113.9", 6443)
    assert not reached(policy, "203.0.113.10", 443)


@pytest.mark.parametrize("kind", KINDS)
def test_public_reports_another_kind_of_policy_has_the_same_name(kind: PolicyKind) -> None:
    """A runbook looks for it by name."""
    made = packet_policy(kind, "shop", [], INSIDE, API)
    assert made["kind"] == kind
    assert made["metadata"] == {"name": "linkerd-platform-egress", "namespace": "shop"}


def test_public_reports_a_tcp_route_is_what_the_crd_takes() -> None:
    assert faults(tcp_route("shop", 5432)) == []
