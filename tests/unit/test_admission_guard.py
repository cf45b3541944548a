"""What the API server refuses; tests/e2e/test_admission_guard.py has a real one evaluate it."""

from __future__ import annotations

from typing import Any

import pytest

from components.admission_guard import (
    AdmissionGuard,
    AdmissionGuardArgs,
    opt_out,
    own_service_account,
)
from components.base import Manifest
from components.rollout.component import STATE_LABEL
from tests.recorder import record
from tests.unit.samples import made

# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "guards.optOut": "audit",
    "guards.ownServiceAccount": "enforce",
}

MAKERS = [opt_out, own_service_account]


def selected(binding: Manifest) -> set[str]:
    """The states that a binding selects."""
    (found,) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert found["key"] == STATE_LABEL
    return set(found["values"])


@pytest.mark.parametrize("maker", MAKERS)
def test_audit_tells_and_lets_pass_and_enforce_refuses(maker: type) -> None:
    """A rule is watched before it may stop a deployment."""
    assert maker("audit")[1]["spec"]["validationActions"] == ["Audit", "Warn"]
    assert maker("enforce")[1]["spec"]["validationActions"] == ["Deny", "Audit"]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_binding_names_its_policy(maker: type) -> None:
    """A binding of a policy that is not there refuses nothing, in silence."""
    policy, binding = maker("enforce")
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]


def test_only_namespaces_of_the_rollout_are_looked_at() -> None:
    """kube-system must be able to start without the mesh; what has opted out may go on."""
    assert selected(opt_out("enforce")[1]) == {"on"}
    assert selected(own_service_account("enforce")[1]) == {"on", "opt-in"}


@pytest.mark.parametrize("maker", MAKERS)
def test_what_does_not_change_is_not_refused(maker: type) -> None:
    """The controllers write to what is there: refused, a Deployment could not even scale down."""
    ((condition),) = maker("enforce")[0]["spec"]["matchConditions"]
    assert "dyn(object).spec != dyn(oldObject).spec" in condition["expression"]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_template_that_stays_as_it_was_is_not_refused(maker: type) -> None:
    """What broke the rule before it was there can still be scaled to nothing."""
    policy = maker("enforce")[0]
    variables = {each["name"]: each["expression"] for each in policy["spec"]["variables"]}
    (rule,) = policy["spec"]["validations"]
    assert variables["before"] == variables["template"].replace("object", "oldObject")
    assert rule["expression"].startswith(
        "(request.operation == 'UPDATE' && variables.before == variables.template) || ("
    )


def test_pods_are_looked_at_when_they_are_made_alone() -> None:
    """A kubelet updates the pods that run."""
    rules = opt_out("enforce")[0]["spec"]["matchConstraints"]["resourceRules"]
    (pods,) = [each for each in rules if each["resources"] == ["pods"]]
    assert pods["operations"] == ["CREATE"]


def test_off_makes_nothing() -> None:
    """A policy without a binding would still be compiled, and be looked at in reviews."""
    args = AdmissionGuardArgs(opt_out="off", own_service_account="audit")
    recording = record(lambda: AdmissionGuard("x", args))
    names = {each.name for each in recording.resources}
    assert names == {
        "x",
        "x-linkerd-platform-own-service-account",
        "x-linkerd-platform-own-service-account-binding",
    }
    assert recording.outputs[recording.named("x").urn] == {"rules": {"ownServiceAccount": "audit"}}


def test_a_binding_goes_before_its_policy() -> None:
    """Torn down the other way round the binding names what is not there."""
    recording = made(AdmissionGuard)
    for policy in recording.of_kind(":ValidatingAdmissionPolicy"):
        binding = recording.named(f"{policy.name}-binding")
        assert recording.comes_after(binding, policy)
