"""Which objects are ours to declare, and which of them nobody declared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.mesh.drift import owned
from bot.mesh.drift.inventory import Item
from bot.mesh.drift.owned import missing, undeclared, wanted
from components.names import Operators
from tests.unit.drift_samples import declared, inventory, item, kind_of

WEB = ("Deployment.apps", "linkerd/web")
CRD = "CustomResourceDefinition.apiextensions.k8s.io"


def found(*items: Item, **more: object) -> list[str]:
    state = declared(WEB, (CRD, "servers.policy.linkerd.io"))
    label = more.get("label")
    assert label is None or isinstance(label, str)
    return [each.item.place for each in undeclared(state, inventory(*items), label)]


def test_an_object_that_nobody_declared_is_found() -> None:
    """Made by hand in the middle of the night, it outlives everyone who knew why."""
    assert found(item(*WEB), item("Secret", "linkerd/extra")) == ["linkerd/extra"]


def test_what_controllers_make_from_declared_objects_is_not() -> None:
    """A ReplicaSet is in no state."""
    web = item(*WEB)
    replicas = item("ReplicaSet.apps", "linkerd/web-1", owner=web.uid)
    pod = item("Pod", "linkerd/web-1-a", owner=replicas.uid)
    assert found(pod, replicas, web) == []


def test_what_controllers_make_out_of_nothing_is_not() -> None:
    """tests/unit/test_drift_known.py has them all."""
    assert found(item("ConfigMap", "linkerd/kube-root-ca.crt")) == []


def test_what_controllers_make_from_undeclared_objects_is_told_with_them() -> None:
    """Three lines for one Deployment by hand would hide the next object."""
    hand = item("Deployment.apps", "linkerd/hand")
    replicas = item("ReplicaSet.apps", "linkerd/hand-1", owner=hand.uid)
    pods = [item("Pod", f"linkerd/hand-1-{n}", owner=replicas.uid) for n in "ab"]
    [one] = undeclared(declared(WEB), inventory(*pods, replicas, hand))
    assert one.item is hand
    assert one.children == {"ReplicaSet.apps": 1, "Pod": 2}


def test_an_owner_that_is_not_there_accounts_for_nothing() -> None:
    """Anybody can write a reference to something that does not exist."""
    assert found(item("Pod", "linkerd/pod", owner="uid-gone")) == ["linkerd/pod"]


def test_owners_in_a_ring_end() -> None:
    """The API server takes such references, and a report must not hang on them."""
    one = item("ReplicaSet.apps", "linkerd/one", uid="1", owner="2")
    two = item("Deployment.apps", "linkerd/two", uid="2", owner="1")
    assert found(one, two) == ["linkerd/two"]


def test_the_bundle_of_another_tenant_does_not_account_for_its_config_map() -> None:
    """It is not ours to report, and what it puts into our namespace is."""
    theirs = item("Bundle.trust.cert-manager.io", "company")
    copy = item("ConfigMap", "linkerd/company", owner=theirs.uid)
    assert found(theirs, copy) == ["linkerd/company"]


def test_workload_namespaces_are_not_ours() -> None:
    """What runs there is for those who run it, unless it says that it is ours."""
    stray = item("Secret", "shop/stray", labels={"owner": "us"})
    assert found(stray, item("Secret", "shop/theirs")) == []
    assert found(stray, item("Secret", "shop/theirs"), label="owner=us") == ["shop/stray"]


@pytest.mark.parametrize(
    ("title", "name", "operator"),
    [
        ("Namespace", "cert-manager", "cert-manager"),
        (
            "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
            "cert-manager-webhook",
            "cert-manager",
        ),
        ("ClusterRole.rbac.authorization.k8s.io", "trust-manager", "trust-manager"),
        (
            "ClusterRole.rbac.authorization.k8s.io",
            "external-secrets-controller",
            "external-secrets",
        ),
    ],
)
def test_what_an_operator_of_somebody_else_has_is_theirs(
    title: str, name: str, operator: str
) -> None:
    """Each night a critical line for the webhook of a cert-manager that was there before us."""
    state, one = declared(WEB), item(title, name)
    assert [each.item for each in undeclared(state, inventory(one))] == [one]
    for theirs in ({operator}, {"cert-manager", "trust-manager", "external-secrets"}):
        kept = replace(state, operators=Operators(theirs=frozenset(theirs)))
        assert undeclared(kept, inventory(one)) == ()


@pytest.mark.parametrize(
    ("title", "name", "ours"),
    [
        ("ClusterRole.rbac.authorization.k8s.io", "linkerd-admin", True),
        ("ClusterRole.rbac.authorization.k8s.io", "linkerdish", False),
        ("ClusterRole.rbac.authorization.k8s.io", "view", False),
        ("MutatingWebhookConfiguration.admissionregistration.k8s.io", "linkerd-x-hook", True),
        ("MutatingWebhookConfiguration.admissionregistration.k8s.io", "istio", False),
        (CRD, "extra.policy.linkerd.io", True),
        (CRD, "things.example.com", False),
        ("Namespace", "linkerd-jaeger", True),
        ("Namespace", "shop", False),
        ("ClusterIssuer.cert-manager.io", "letsencrypt", False),
        ("ClusterIssuer.cert-manager.io", "linkerd-trust-anchor-old", True),
        ("APIService.apiregistration.k8s.io", "v1alpha1.tap.linkerd.io", True),
        ("APIService.apiregistration.k8s.io", "v1beta1.metrics.k8s.io", False),
    ],
)
def test_without_a_namespace_only_what_bears_our_name_is_ours(
    title: str, name: str, ours: bool
) -> None:
    """A cluster has other tenants, and they have webhooks and issuers too."""
    assert (found(item(title, name)) == [name]) == ours
    assert wanted(kind_of(title))


def test_a_label_of_linkerd_is_as_good_as_a_name() -> None:
    """The charts label what they name otherwise."""
    role = item(
        "ClusterRole.rbac.authorization.k8s.io",
        "tap-reader",
        labels={"linkerd.io/extension": "viz"},
    )
    assert found(role) == ["tap-reader"]


def test_records_are_not_asked_for() -> None:
    """The events of a busy namespace are more than everything else together."""
    assert not wanted(kind_of("Event"))
    assert not wanted(kind_of("Lease.coordination.k8s.io"))
    assert wanted(kind_of("Secret"))


def test_every_namespaced_kind_is_asked_for() -> None:
    """Also those that nobody here has ever heard of."""
    assert wanted(kind_of("Widget.example.com"))


def release(*keys: tuple[str, str, str | None, str]) -> object:
    return declared(inside=dict.fromkeys(keys, "urn::crds"))


SERVERS = ("apiextensions.k8s.io", "CustomResourceDefinition", None, "servers.policy.linkerd.io")
AGENT = ("", "ServiceAccount", "linkerd", "agent")
NOWHERE = ("", "ServiceAccount", None, "agent")
SCOPES = {SERVERS[:2]: False, AGENT[:2]: True}


def test_an_object_of_a_release_that_is_gone_is_found() -> None:
    """The engine asks Helm, which remembers what it made and looks at none of it."""
    state = release(SERVERS, AGENT, NOWHERE)
    assert isinstance(state, owned.Declared)
    assert [key for key, _ in missing(state, inventory(scopes=SCOPES))] == [AGENT, SERVERS]
    there = [item(CRD, SERVERS[3]), item("ServiceAccount", "linkerd/agent")]
    assert missing(state, inventory(*there, scopes=SCOPES)) == ()


def test_what_was_not_looked_at_is_not_said_to_be_gone() -> None:
    """A Role in kube-system is in no list of ours."""
    elsewhere = ("rbac.authorization.k8s.io", "Role", "kube-system", "reader")
    state = release(elsewhere, ("", "Node", None, "n"))
    assert isinstance(state, owned.Declared)
    assert missing(state, inventory(scopes={elsewhere[:2]: True})) == ()
