"""What holds for every resource, chart objects included: waiting, opened webhooks, protection."""

from __future__ import annotations

import copy
from typing import Any

import pulumi
import pulumi_vault as vault
import pytest
from pulumi_vault import pkisecret

from components.chart import annotated
from stack.transforms import (
    OWNER_LABEL,
    is_kept,
    labelled,
    opened,
    register,
    transformed,
)
from tests.recorder import Recording, record

WEBHOOK = "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration"
CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
RELEASE = "kubernetes:helm.sh/v3:Release"
SERVICE = "kubernetes:core/v1:Service"
PROPS: dict[str, Any] = {
    "metadata": {"name": "w", "annotations": {"cert-manager.io/inject-ca-from": "ns/s"}},
    "webhooks": [
        {"name": "a", "failurePolicy": "Fail", "objectSelector": {"matchLabels": {"x": "y"}}},
        {"name": "b", "clientConfig": {"caBundle": "abc"}},
    ],
}


@pytest.mark.parametrize(
    ("type_", "name", "kept"),
    [
        (CRD, "routes.example.com", True),
        (RELEASE, "cert-manager-cert-manager-crds", True),
        (RELEASE, "buoyant-cloud-linkerd-buoyant", False),
        ("kubernetes:helm.sh/v4:Chart", "linkerd-linkerd-crds", False),
        ("vault:index/mount:Mount", "trust-anchor-pki", True),
        ("vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert", "root", True),
        ("kubernetes:cert-manager.io/v1:Certificate", "cluster-anchor-a-origin", True),
        ("kubernetes:cert-manager.io/v1:Certificate", "identity-issuer-certificate", False),
        ("kubernetes:core/v1:Secret", "cluster-anchor-a-origin", False),
        ("vault:index/policy:Policy", "p", False),
        ("vault:index/authBackend:AuthBackend", "m", False),
        ("kubernetes:core/v1:Namespace", "linkerd", False),
        ("kubernetes:apps/v1:Deployment", "a-crds", False),
    ],
)
def test_what_a_mistake_must_not_delete_is_kept(type_: str, name: str, kept: bool) -> None:
    """With a CRD go all its objects, with a root the trust of every mesh."""
    assert is_kept(type_, name) is kept


def test_kept_types_are_the_tokens_of_the_sdk() -> None:
    """A token that changes with a provider's version would leave the root unprotected."""

    def body() -> None:
        provider = vault.Provider("p", address="https://vault", skip_tls_verify=False)
        opts = pulumi.ResourceOptions(provider=provider)
        vault.Mount("mount", path="p", type="pki", opts=opts)
        pkisecret.SecretBackendRootCert(
            "root", backend="p", type="internal", common_name="c", opts=opts
        )

    recording = record(body)
    for name in ("mount", "root"):
        assert is_kept(recording.named(name).type, name)


@pytest.mark.parametrize(
    "type_", [WEBHOOK, WEBHOOK.replace("Validating", "Mutating"), f"{WEBHOOK}"]
)
def test_a_webhook_waits_for_its_ca(type_: str) -> None:
    """Until cainjector wrote it, the API server refuses the next custom resource."""
    props = transformed(type_, PROPS, open_webhooks=False)
    assert props["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": "ns/s",
        "pulumi.com/waitFor": "jsonpath={.webhooks[0].clientConfig.caBundle}",
        "admissions.enforcer/disabled": "true",
        "pulumi.com/patchForce": "true",
    }
    assert props["webhooks"] == PROPS["webhooks"]


@pytest.mark.parametrize("type_", [WEBHOOK, WEBHOOK.replace("Validating", "Mutating")])
def test_public_reports_a_webhook_is_left_alone_by_aks(type_: str) -> None:
    """aws-observability helm-charts#350, Azure/AKS#4002: its enforcer owns `namespaceSelector`.

    The charts of cert-manager and External Secrets have webhooks too, and go through the same.
    """
    annotations = transformed(type_, PROPS, open_webhooks=False)["metadata"]["annotations"]
    assert annotations["admissions.enforcer/disabled"] == "true"
    # Where it was there first, the next update would end with a conflict.
    assert annotations["pulumi.com/patchForce"] == "true"


def test_an_opened_webhook_looks_at_nothing_and_keeps_all_else() -> None:
    """Its certificates are verified in the sandbox as well."""
    props = transformed(WEBHOOK, PROPS, open_webhooks=True)
    nobody = {"matchLabels": {"linkerd-platform.io/webhook-answers": "true"}}
    assert [hook["objectSelector"] for hook in props["webhooks"]] == [nobody, nobody]
    assert [hook["name"] for hook in props["webhooks"]] == ["a", "b"]
    assert props["webhooks"][0]["failurePolicy"] == "Fail"
    assert props["webhooks"][1]["clientConfig"] == {"caBundle": "abc"}
    assert props["metadata"] == PROPS["metadata"]


@pytest.mark.parametrize("webhooks", [{}, {"webhooks": None}, {"webhooks": []}])
def test_a_configuration_without_webhooks_can_be_opened(webhooks: dict[str, Any]) -> None:
    """Kubernetes allows it, and a chart with everything off renders one."""
    assert opened({"metadata": {"name": "w"}, **webhooks})["webhooks"] == []


@pytest.mark.parametrize("metadata", [{"name": "a"}, {"name": "a", "annotations": None}])
def test_an_object_without_annotations_gets_them(metadata: dict[str, Any]) -> None:
    """Charts render an empty map as null."""
    assert annotated({"metadata": metadata}, {"k": "v"})["metadata"] == {
        "name": "a",
        "annotations": {"k": "v"},
    }


def test_the_given_properties_are_not_changed() -> None:
    """The engine compares them with what comes back."""
    before = copy.deepcopy(PROPS)
    for open_webhooks in (True, False):
        transformed(WEBHOOK, PROPS, open_webhooks=open_webhooks)
    assert before == PROPS


def test_what_is_nobodys_concern_comes_back_as_it_is() -> None:
    """The engine takes the same object for `unchanged`."""
    for type_ in ("kubernetes:core/v1:ConfigMap", CRD, "vault:index/mount:Mount"):
        assert transformed(type_, PROPS, open_webhooks=True) is PROPS


def test_a_service_is_not_awaited() -> None:
    """The provider would wait for endpoints that the Deployments are awaited for anyway."""
    props = transformed(SERVICE, PROPS, open_webhooks=False)
    assert props["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"


def registered(**settings: bool) -> Recording:
    """A CRD, a webhook and a ConfigMap under the stack transform."""

    def body() -> None:
        register(**settings, owner="staging")
        for type_ in (CRD, WEBHOOK, "kubernetes:core/v1:ConfigMap"):
            pulumi.CustomResource(type_, type_.rsplit(":", 1)[1], copy.deepcopy(PROPS))

    return record(body)


@pytest.mark.parametrize("protect", [True, False])
def test_the_transform_protects_where_the_stack_says_so(protect: bool) -> None:
    """And retains: a destroy that was unprotected by hand still deletes nothing."""
    recording = registered(protect=protect, open_webhooks=False)
    found = {r.name: (r.protect, r.retain_on_delete) for r in recording.resources}
    assert found == {
        "CustomResourceDefinition": (protect, protect),
        "ValidatingWebhookConfiguration": (False, False),
        "ConfigMap": (False, False),
    }


@pytest.mark.parametrize("open_webhooks", [True, False])
def test_the_transform_opens_webhooks_only_where_the_stack_says_so(open_webhooks: bool) -> None:
    """An open webhook in production lets everything pass."""
    recording = registered(protect=True, open_webhooks=open_webhooks)
    text = str(recording.named("ValidatingWebhookConfiguration").inputs)
    assert ("webhook-answers" in text) == open_webhooks
    assert ("waitFor" in text) != open_webhooks


def test_an_object_is_labelled_with_its_owner() -> None:
    """Chart objects too: they come through the same transform."""
    before = copy.deepcopy(PROPS)
    props = labelled(WEBHOOK, {"apiVersion": "v1", "kind": "Pod", **PROPS}, "staging")
    assert props["metadata"] == {**PROPS["metadata"], "labels": {OWNER_LABEL: "staging"}}
    assert before == PROPS


def test_labels_that_are_there_stay() -> None:
    """Selectors of charts go by them; a chart renders an empty map as null."""
    for labels, kept in (({"a": "b"}, {"a": "b"}), (None, {})):
        given = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": labels}}
        props = labelled("kubernetes:core/v1:Pod", given, "staging")
        assert props["metadata"]["labels"] == {**kept, OWNER_LABEL: "staging"}


def test_pods_keep_their_labels() -> None:
    """A new label on a template would restart every workload."""
    template = {"metadata": {"labels": {"a": "b"}}}
    given = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
             "spec": {"template": template}}  # fmt: skip
    assert labelled("kubernetes:apps/v1:Deployment", given, "staging")["spec"] is given["spec"]


@pytest.mark.parametrize("type_", ["kubernetes:helm.sh/v3:Release", "vault:index/mount:Mount"])
def test_what_is_no_object_has_no_label(type_: str) -> None:
    """The transform sees charts, releases and Vault's resources as well."""
    props = {"name": "n"}
    assert labelled(type_, props, "staging") is props


def test_the_transform_labels_what_it_registers() -> None:
    """The whole way, through the SDK."""

    def body() -> None:
        register(protect=False, open_webhooks=False, owner="staging")
        props = {"apiVersion": "v1", "kind": "ConfigMap", **copy.deepcopy(PROPS)}
        pulumi.CustomResource("kubernetes:core/v1:ConfigMap", "map", props)

    labels = record(body).named("map").inputs["metadata"]["labels"]
    assert labels == {OWNER_LABEL: "staging"}
