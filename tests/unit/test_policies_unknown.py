"""A policy that cannot see what it is about refuses: what is not told is never waved through."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from policies.model import OWNER_LABEL, CheckedResource
from policies.values import SECRET, UNKNOWN
from tests.unit.policy_samples import COMPONENT, budget, deployment, texts, thing

ABSENT = object()
METADATA, KIND = ("metadata",), ("kind",)
NAMESPACE, NAME = ("metadata", "namespace"), ("metadata", "name")
LABELS = ("spec", "template", "metadata", "labels")
INJECTOR = "linkerd-proxy-injector-webhook-config"
ISSUER = "linkerd-identity-issuer"


def with_value(given: CheckedResource, path: tuple[str, ...], value: Any) -> CheckedResource:
    """The object with another value at a path, or without one."""
    props = copy.deepcopy(dict(given.props))
    holder = props
    for part in path[:-1]:
        holder = holder[part]
    if value is ABSENT:
        holder.pop(path[-1])
    else:
        holder[path[-1]] = value
    return replace(given, props=props)


def untyped(given: CheckedResource) -> CheckedResource:
    """The object as a resource whose type says no kind that anybody knows."""
    return replace(given, type="kubernetes:x/v1:Any")


WEBHOOK = thing(
    "MutatingWebhookConfiguration", INJECTOR, "", webhooks=[{"failurePolicy": "Ignore"}]
)
FEW = deployment(replicas=1)
ALONE = deployment(template={"metadata": {"labels": {COMPONENT: "identity"}}, "spec": {}})
SECRETS = thing("Secret", ISSUER)
EXTERNAL = thing("ExternalSecret", "x", spec={"target": {"name": ISSUER}})
CERTIFICATE = thing("Certificate", "a", spec={"secretName": ISSUER})
BUNDLE = thing("Bundle", "linkerd-identity-trust-roots", "")
CRD = thing("CustomResourceDefinition", group="apiextensions.k8s.io/v1")
POD = thing("Pod", spec={"containers": [{"image": "a:latest"}]})
REPLICAS = ("spec", "replicas")
# The policy, what breaks it, and where a value that is not told hides that from it.
HIDDEN: list[tuple[str, CheckedResource, tuple[tuple[str, ...], ...]]] = [
    ("ha-replicas", FEW, (NAMESPACE, METADATA, LABELS, LABELS[:3], LABELS[:1], REPLICAS)),
    ("ha-anti-affinity", ALONE, (NAMESPACE, METADATA, LABELS, ("spec", "template", "spec"))),
    ("ha-disruption-budget", FEW, (NAMESPACE, METADATA, LABELS)),
    ("webhook-failure-policy", WEBHOOK, (NAME, METADATA, ("webhooks",))),
    ("not-ours-to-write", SECRETS, (NAMESPACE, NAME, METADATA)),
    ("not-ours-to-write", EXTERNAL, (NAMESPACE, ("spec",), ("spec", "target"))),
    ("sole-owner", CERTIFICATE, (NAMESPACE, METADATA, ("spec",), ("spec", "secretName"))),
    ("sole-owner", BUNDLE, (NAME, METADATA)),
    ("owner-label", POD, (METADATA,)),
    ("image-pinned", POD, (("spec",), ("spec", "containers"))),
]  # fmt: skip


@pytest.mark.parametrize("mark", [UNKNOWN, SECRET, f"linkerd-{SECRET}"])
@pytest.mark.parametrize(
    ("policy", "given", "path"),
    [(policy, given, path) for policy, given, paths in HIDDEN for path in paths],
    ids=lambda each: each if isinstance(each, str) else getattr(each, "kind", None) or each[-1],
)  # fmt: skip
def test_a_value_that_hides_a_breach_is_one(
    policy: str, given: CheckedResource, path: tuple[str, ...], mark: str
) -> None:
    """An Output in the place of a constant would be the switch that turns the policy off."""
    found = texts(policy, with_value(given, path, mark))
    assert any(
        each.startswith((f"cannot be checked: {path[0]}", "cannot be checked: spec"))
        for each in found
    ), found
    assert all("write it as a constant" in each for each in found if "cannot be" in each)


@pytest.mark.parametrize(
    ("policy", "given"),
    [(p, g) for p, g, paths in HIDDEN if p not in ("owner-label", "image-pinned")],
    ids=lambda each: each if isinstance(each, str) else each.kind,
)
def test_a_kind_that_is_not_told_is_a_breach(policy: str, given: CheckedResource) -> None:
    """With a type of its own that says the kind there is nothing to guess."""
    hidden = with_value(given, KIND, UNKNOWN)
    assert any("cannot be checked: kind" in each for each in texts(policy, untyped(hidden)))
    assert set(texts(policy, given)) <= set(texts(policy, hidden))
    # Nor does a kind that contradicts the type hide the object.
    other = with_value(given, KIND, "ConfigMap")
    assert texts(policy, other) == texts(policy, given)


@pytest.mark.parametrize("value", [ABSENT, None, ""])
@pytest.mark.parametrize(
    ("policy", "given"),
    [(p, g) for p, g, paths in HIDDEN if NAMESPACE in paths and (p, g) != ("sole-owner", BUNDLE)],
    ids=lambda each: each if isinstance(each, str) else each.kind,
)
def test_a_namespace_that_is_not_set_is_a_breach(
    policy: str, given: CheckedResource, value: Any
) -> None:
    """Then the default of whoever runs the engine decides, and that may be Linkerd's."""
    found = texts(policy, with_value(given, NAMESPACE, value))
    assert found[0].startswith("cannot be checked: metadata.namespace is not set")


@pytest.mark.parametrize(
    ("policy", "given"),
    [(p, g) for p, g, paths in HIDDEN if NAMESPACE in paths],
    ids=lambda each: each if isinstance(each, str) else each.kind,
)
def test_what_is_told_and_rules_it_out_decides(policy: str, given: CheckedResource) -> None:
    """Else every object with an Output in it would be refused, and the policies switched off."""
    elsewhere = with_value(given, NAMESPACE, "shop")
    paths = next(paths for p, g, paths in HIDDEN if (p, g) == (policy, given))
    for path in paths:
        if path[0] != "metadata":
            assert texts(policy, with_value(elsewhere, path, UNKNOWN)) == []
    harmless = thing("ConfigMap", "x", data=UNKNOWN, labels={OWNER_LABEL: "production"})
    assert texts(policy, harmless) == []
    assert texts(policy, with_value(harmless, NAMESPACE, UNKNOWN)) == []


def test_one_that_cannot_be_told_hides_no_other() -> None:
    """A policy on the whole stack goes on, and names the resource."""
    hidden = with_value(thing("Certificate", "h", spec={"secretName": ISSUER}), NAMESPACE, UNKNOWN)
    two = [CERTIFICATE, thing("Certificate", "b", spec={"secretName": ISSUER})]
    first, second = texts("sole-owner", hidden, *two)
    assert first.startswith("cannot be checked: metadata.namespace")
    assert second.startswith("is a second owner")
    first, second = texts("ha-disruption-budget", with_value(FEW, LABELS, UNKNOWN), deployment("x"))
    assert first.startswith("cannot be checked: spec.template.metadata.labels")
    assert second == "no PodDisruptionBudget selects its pods"


def test_a_budget_that_cannot_be_told_is_a_breach() -> None:
    """It may be of another namespace, or select other pods."""
    hidden = with_value(budget(), NAMESPACE, UNKNOWN)
    assert any("cannot be checked" in each for each in texts("ha-disruption-budget", hidden))
    hidden = with_value(budget(), ("spec", "selector"), UNKNOWN)
    found = texts("ha-disruption-budget", deployment(), hidden)
    assert any("cannot be checked: spec.selector" in each for each in found)


@pytest.mark.parametrize("value", ["three", True, 2.5, [3], {"a": 3}, float("nan")])
def test_a_number_that_is_none_is_a_breach_and_no_crash(value: Any) -> None:
    """A policy that raises is one that did not run."""
    (text,) = texts("ha-replicas", deployment(replicas=value))
    assert "which is not a number" in text
    for key in ("maxUnavailable", "minAvailable"):
        assert texts("ha-disruption-budget", deployment(), budget(**{key: value}))


def test_the_engine_writes_whole_numbers_with_a_point() -> None:
    """What comes through its pack is 3.0."""
    assert texts("ha-replicas", deployment(replicas=3.0)) == []
    assert texts("ha-replicas", deployment(replicas=2.0))


def patch(**spec: Any) -> CheckedResource:
    """Some fields of a Deployment of the control plane's."""
    found = thing("Deployment", "linkerd-identity", group="apps/v1", spec=spec)
    return replace(found, type="kubernetes:apps/v1:DeploymentPatch")


def test_a_patch_is_held_to_what_it_changes() -> None:
    """It has no labels of the pods, and takes replicas away all the same."""
    assert texts("ha-replicas", patch(replicas=1)) == ["spec.replicas is 1, but production needs 3"]
    assert texts("ha-replicas", patch(replicas=3)) == []
    for policy in ("ha-replicas", "ha-anti-affinity", "ha-disruption-budget", "image-pinned"):
        bare = patch(template={"spec": {"containers": [{"name": "c"}]}})
        assert texts(policy, bare) == []
    assert texts("ha-anti-affinity", patch(template={"spec": {"affinity": {"x": 1}}}))
    latest = patch(template={"spec": {"containers": [{"image": "a:latest"}]}})
    assert texts("image-pinned", latest)


@pytest.mark.parametrize(
    "spec",
    [
        {"externalSecretSpec": {"target": {"name": ISSUER}}},
        {"externalSecretName": ISSUER},
        {"externalSecretSpec": {"target": {"name": UNKNOWN}}},
    ],
)
def test_a_writer_for_the_whole_cluster_is_one_too(spec: Any) -> None:
    """It writes into every namespace that it selects."""
    given = thing("ClusterExternalSecret", "x", "", spec=spec)
    assert texts("not-ours-to-write", given)
    assert texts("not-ours-to-write", thing("ClusterExternalSecret", "x", "", spec={})) == []
