"""The list of policies: each is named, explained and run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.text import hidden_values
from policies import values
from policies.catalog import POLICIES, breaches, breaches_of
from policies.model import CheckedResource, Context, Policy
from policies.values import UNKNOWN, value
from tests.unit.policy_samples import PRODUCTION, thing

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.id)
def test_a_policy_says_what_it_is(policy: Policy) -> None:
    """Whoever is stopped by it needs a name, a reason and a page."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", policy.id)
    assert policy.level in ("mandatory", "advisory")
    assert policy.description.endswith(".")
    assert not policy.remedy.endswith(".")
    assert bool(policy.check) is not bool(policy.stack_check)
    page, _, anchor = policy.page.partition("#")
    headings = re.findall(r"^## `(.*)`$", (PROJECT / page).read_text(), re.MULTILINE)
    assert anchor in headings


def test_the_page_has_every_policy_with_its_level_and_no_other() -> None:
    """A policy that is gone from the code must go from the page."""
    text = (PROJECT / "docs/policies.md").read_text()
    sections = dict(re.findall(r"^## `(.*)`\n\n(.*?)$", text, re.MULTILINE))
    assert list(sections) == [policy.id for policy in POLICIES]
    for policy in POLICIES:
        assert sections[policy.id] == f"{policy.level.capitalize()}. {policy.description}"


def test_every_name_is_there_once() -> None:
    """The engine refuses a pack with two policies of one name."""
    names = [policy.id for policy in POLICIES]
    assert len(names) == len(set(names)) >= 12


def test_the_marks_are_those_that_the_bot_writes() -> None:
    """A mark that nobody writes hides nothing."""
    assert (hidden_values.SECRET, hidden_values.UNKNOWN) == (values.SECRET, values.UNKNOWN)


def faulty(subject: CheckedResource, context: Context) -> Iterator[str]:  # noqa: ARG001
    """A policy that finds a fault, and then needs a value."""
    yield "a fault"
    value(subject.props, "data", "x")


def test_a_value_that_is_not_told_is_a_breach_beside_the_others() -> None:
    """What was found before it still counts."""
    policy = replace(POLICIES[0], check=faulty)
    found = list(breaches_of(policy, [thing("ConfigMap", data={"x": UNKNOWN})], PRODUCTION))
    assert [breach.text for breach in found] == [
        "a fault",
        "cannot be checked: data.x is secret or known only after an apply; write it as a constant",
    ]
    assert found[0].message == (
        "ConfigMap linkerd/it: a fault; let Vault or cert-manager create the key where it is used "
        "(docs/policies.md#no-private-key)"
    )


def test_a_policy_on_the_whole_stack_fails_closed_too() -> None:
    """Without the resource that holds it, the stack is named."""

    def check(
        subjects: Sequence[CheckedResource],
        context: Context,  # noqa: ARG001
    ) -> Iterator[tuple[CheckedResource, str]]:
        for each in subjects:
            value(each.props, "data", "x")
            yield each, "a fault"

    policy = replace(POLICIES[0], check=None, stack_check=check)
    subjects = [thing("ConfigMap", "a"), thing("ConfigMap", "b", data={"x": UNKNOWN})]
    first, second = breaches_of(policy, subjects, PRODUCTION)
    assert (first.subject.name, first.text) == ("a", "a fault")
    assert second.subject.place == "Stack production"


def test_part_of_a_stack_is_not_judged_as_the_whole() -> None:
    """A change set without the budgets does not mean that there are none."""
    from tests.unit.policy_samples import deployment

    whole = breaches([deployment()], PRODUCTION, whole=True)
    part = breaches([deployment()], PRODUCTION, whole=False)
    assert {b.policy.id for b in whole} - {b.policy.id for b in part} == {"ha-disruption-budget"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [(("a", "b"), 1), (("a", "x"), None), (("l", 0), 2), (("l", 5), None), (("a", "b", "c"), None)],
)
def test_a_value_is_read_by_its_path(path: tuple[str | int, ...], expected: object) -> None:
    """What is not there is nothing, and no error."""
    assert value({"a": {"b": 1}, "l": [2]}, *path) == expected
