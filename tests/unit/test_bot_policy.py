"""The policies over the real stacks: none broken as they stand, each broken by its own fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.changes.model import Change, ChangeSet, Op, Violation
from bot.exit_codes import REFUSED, RefusedError
from bot.plan import policy
from bot.plan.mock.monitor import Resource
from bot.plan.model import Plan
from policies.catalog import POLICIES
from policies.model import OWNER_LABEL, UNKNOWN
from tests.unit.policy_samples import budget, deployment, private_key, thing
from tests.unit.stack_files import STACKS
from tests.unit.whole_program import evaluated

Mutate = Callable[[Resource], Resource]


def plan(stack: str, *, change: tuple[str, Mutate] | None = None, add: Any = ()) -> Plan:
    """The plan of a real stack without its charts' objects; one resource changed, some added."""
    evaluation = evaluated(stack, True).evaluation
    resources = list(evaluation.resources)
    if change:
        name, mutate = change
        (index,) = [i for i, each in enumerate(resources) if each.name == name]
        resources[index] = mutate(resources[index])
    made = next(r for r in resources if r.type.startswith("vault:"))
    for subject in add:
        inputs = {**subject.props, "metadata": {**subject.metadata, "labels": {OWNER_LABEL: stack}}}
        resources.append(replace(made, type=subject.type, name=subject.name, inputs=inputs))
    return Plan(replace(evaluation, resources=tuple(resources)), (), (), ())


def broken(made: Plan) -> list[str]:
    """The policies that a plan breaks."""
    return [violation.policy for violation in policy.of_plan(made)]


@pytest.mark.parametrize("stack", STACKS)
def test_no_stack_breaks_a_policy(stack: str) -> None:
    """A plan that is refused as it stands would stop everybody."""
    assert policy.lines(policy.of_plan(plan(stack))) == []


def with_inputs(**inputs: Any) -> Mutate:
    """The resource with other inputs."""
    return lambda resource: replace(resource, inputs={**resource.inputs, **inputs})


ROOT = "trust-anchor-anchor-2026-root"
BUNDLE = "trust-bundle-linkerd-identity-trust-roots"
CHANGED: Mapping[str, tuple[str, str, Mutate]] = {
    "no-private-key": ("trust", ROOT, with_inputs(type="exported")),
    "anchors-protected": ("trust", ROOT, lambda each: replace(each, protect=False)),
    "crds-protected": (
        "production",
        "linkerd-linkerd-crds",
        lambda each: replace(each, retain_on_delete=False),
    ),
    "explicit-provider": ("trust", ROOT, lambda each: replace(each, provider=None)),
    "owner-label": (
        "staging",
        BUNDLE,
        lambda each: replace(
            each, inputs={**each.inputs, "metadata": {**each.inputs["metadata"], "labels": {}}}
        ),
    ),
}
ADDED: Mapping[str, list[Any]] = {
    "no-private-key": [thing("ConfigMap", data={"x": private_key()})],
    "image-pinned": [thing("Pod", spec={"containers": [{"image": "a:latest"}]})],
    "ha-replicas": [deployment(replicas=2), budget()],
    "ha-anti-affinity": [
        deployment(template={"metadata": deployment().props["spec"]["template"]["metadata"]}),
        budget(),
    ],
    "ha-disruption-budget": [deployment()],
    "webhook-failure-policy": [
        thing(
            "ValidatingWebhookConfiguration",
            "linkerd-sp-validator-webhook-config",
            webhooks=[{"failurePolicy": "Ignore"}],
        )
    ],
    "not-ours-to-write": [thing("Secret", "linkerd-identity-issuer")],
    "sole-owner": [thing("Certificate", "x", spec={"secretName": "linkerd-identity-issuer"})],
}


@pytest.mark.parametrize("name", CHANGED)
def test_one_fault_in_a_real_stack_breaks_one_policy(name: str) -> None:
    """Each policy bites, and no other one with it."""
    stack, resource, mutate = CHANGED[name]
    assert broken(plan(stack, change=(resource, mutate))) == [name]


@pytest.mark.parametrize("name", ADDED)
def test_one_object_too_many_breaks_one_policy(name: str) -> None:
    """Beside all that the real stack has."""
    assert broken(plan("production", add=ADDED[name])) == [name]


def test_every_policy_is_broken_above() -> None:
    """A policy that nothing breaks may be one that nothing can."""
    assert {*CHANGED, *ADDED} == {each.id for each in POLICIES}


def change(subject: Any, op: Op = Op.CREATE, **given: Any) -> Change:
    """A change of one object."""
    side = {"before" if op is Op.DELETE else "after": subject.props}
    return Change(
        urn=subject.urn, type=subject.type, name=subject.name, component="c", op=op, **side, **given
    )


def judged(*changes: Change) -> ChangeSet:
    """A change set of production, with its violations."""
    config = evaluated("production", True).evaluation.config
    return policy.of_changes(
        ChangeSet(stack="production", source="preview", changes=changes), config
    )


def in_namespace(given: Any, namespace: str | None) -> Any:
    """The object with its owner's label, in another namespace, one not known yet, or none."""
    metadata = {**given.metadata, "labels": {OWNER_LABEL: "production"}, "namespace": namespace}
    return replace(given, props={**given.props, "metadata": metadata})


@pytest.mark.parametrize("namespace", [UNKNOWN, None])
def test_a_plan_and_a_preview_refuse_what_they_cannot_see(namespace: str | None) -> None:
    """An Output as the namespace switched the rules of production off, in silence."""
    hidden = in_namespace(deployment(replicas=1), namespace)
    found = judged(change(hidden)).violations
    assert [v.policy for v in found if "cannot be checked: metadata.namespace" in v.message] == [
        "ha-replicas",
        "ha-anti-affinity",
    ]
    made = policy.of_plan(plan("production", add=[hidden]))
    assert {v.policy for v in made} >= {"ha-replicas", "ha-disruption-budget"}
    elsewhere = in_namespace(deployment(replicas=1), "shop")
    assert judged(change(elsewhere)).violations == ()


def test_a_change_is_judged_by_what_it_leaves() -> None:
    """What goes cannot break anything by what it was."""
    ours: Mapping[str, Any] = {"labels": {OWNER_LABEL: "production"}}
    bad = thing("Pod", spec={"containers": [{"image": "a"}]}, **ours)
    (violation,) = judged(change(bad)).violations
    assert (violation.policy, violation.level) == ("image-pinned", "mandatory")
    assert violation.urn == bad.urn
    assert "docs/policies.md#image-pinned" in violation.message
    assert judged(change(bad, Op.DELETE)).violations == ()


def test_an_unprotected_root_is_found_in_a_preview() -> None:
    """The engine tells protection; the other providers it refuses itself."""
    root = thing("CustomResourceDefinition", group="apiextensions.k8s.io/v1",
                 labels={OWNER_LABEL: "production"})  # fmt: skip
    assert [v.policy for v in judged(change(root)).violations] == ["crds-protected"] * 2
    assert judged(change(root, protected=True, retained=True)).violations == ()


def test_what_the_engines_pack_found_stays_and_is_not_doubled() -> None:
    """Both may run."""
    bad = change(thing("Pod", spec={"containers": [{"image": "a"}]}))
    once = judged(bad)
    config = evaluated("production", True).evaluation.config
    assert policy.of_changes(once, config) == once
    packs = tuple(v.model_copy(update={"policy": f"pack/{v.policy}"}) for v in once.violations)
    from_pack = once.model_copy(update={"violations": packs})
    assert policy.of_changes(from_pack, config) == from_pack


def test_a_mandatory_violation_is_refused_an_advice_is_not() -> None:
    """Exit code 4: a safety rule; one line for each, the mandatory ones first."""
    advice = Violation(policy="a", level="advisory", urn="u", message="m")
    policy.refuse("s", [advice])
    mandatory = advice.model_copy(update={"level": "mandatory", "policy": "b"})
    with pytest.raises(RefusedError) as caught:
        policy.refuse("s", [advice, mandatory])
    assert caught.value.exit_code == REFUSED
    assert str(caught.value) == "s: mandatory policy b: m"
    assert policy.lines([advice, mandatory])[0].startswith("mandatory")


def test_all_plans_are_judged_before_any_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """One run tells everything there is to mend."""
    policy.judge([plan(stack) for stack in STACKS])
    assert capsys.readouterr().err == ""
    staging = plan("staging", add=ADDED["image-pinned"])
    production = plan("production", add=ADDED["sole-owner"])
    with pytest.raises(RefusedError) as caught:
        policy.judge([staging, production])
    first, second = str(caught.value).splitlines()
    assert first.startswith("staging: mandatory policy image-pinned: Pod linkerd/it: ")
    assert second.startswith("production: mandatory policy sole-owner: Certificate linkerd/x: ")


def test_an_advice_is_told_and_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is for whoever reads the plan."""
    advisory = tuple(replace(each, level="advisory") for each in POLICIES)
    monkeypatch.setattr("policies.catalog.POLICIES", advisory)
    policy.judge([plan("staging", add=ADDED["image-pinned"])])
    assert capsys.readouterr().err.startswith("staging: advisory policy image-pinned: ")


def test_a_key_is_found_in_a_preview_though_it_is_masked_there() -> None:
    """The change set holds no key, and must not hide that there was one."""
    from schema.masking import masked_object

    labels = {OWNER_LABEL: "production"}
    bad = thing("ConfigMap", data={"x": private_key()}, labels=labels)
    hidden = masked_object("ConfigMap", bad.props)
    assert "PRIVATE KEY" not in str(hidden)
    made = change(bad).model_copy(update={"after": hidden})
    assert [v.policy for v in judged(made).violations] == ["no-private-key"]
    secret = thing("Secret", data={"tls.key": "a2V5"}, labels=labels)
    made = change(secret).model_copy(update={"after": masked_object("Secret", secret.props)})
    assert [v.policy for v in judged(made).violations] == ["no-private-key"]


@pytest.mark.parametrize("stack", STACKS)
def test_the_first_preview_of_a_real_stack_breaks_no_policy(stack: str) -> None:
    """Each resource as a change set shows it, masked as that masks."""
    from schema.masking import masked_object

    evaluation = evaluated(stack, True).evaluation
    changes = tuple(
        Change(
            urn=each.urn, type=each.type, name=each.name, component="c", op=Op.CREATE,
            protected=each.protect, retained=each.retain_on_delete,
            after=masked_object(str(each.inputs.get("kind") or ""), each.inputs),
        )
        for each in evaluation.resources
        if each.custom
    )  # fmt: skip
    given = ChangeSet(stack=stack, source="preview", changes=changes)
    assert policy.lines(policy.of_changes(given, evaluation.config).violations) == []
