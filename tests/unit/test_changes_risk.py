"""The risk of a whole set: fails closed, worst first, and rows about the set itself."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bot.changes import risk, verdict
from bot.changes.model import ChangeSet, ChartMove, Op, PinMove, Violation
from bot.changes.rules import Level, RiskFinding
from bot.changes.set_rules import WHOLE, is_older
from tests.unit.changes_samples import thing, whole

_NEW = thing("ConfigMap", "web/new", None, {})
_GONE = thing("ServiceAccount", "web/gone", {}, None)
_UPDATED = thing("ConfigMap", "web/c", {"data": {"a": "1"}}, {"data": {"a": "2"}})


def _move(chart: str, before: str | None, after: str | None) -> ChangeSet:
    return whole(moves=(ChartMove(chart=chart, before=before, after=after),))


def _violation(level: Any) -> ChangeSet:
    return whole(violations=(Violation(policy="p", level=level, urn="a::b", message="m"),))


def _going(number: int, unchanged: int) -> ChangeSet:
    gone = (thing("ServiceAccount", f"web/{n}", {}, None) for n in range(number))
    return whole(*gone, unchanged=unchanged)


def _pin(name: str, before: str, after: str, what: Any = "version") -> ChangeSet:
    files = ("requirements.txt",)
    kind: Any = "package"
    return whole(
        pins=(PinMove(files=files, name=name, kind=kind, what=what, before=before, after=after),)
    )


def _renamed(before: str, after: str) -> ChangeSet:
    old = thing("ServiceAccount", before, {}, None)
    new = thing("ServiceAccount", after, None, {}).model_copy(update={"urn": f"{old.urn}-2"})
    return whole(old, new)


# Row about the set -> a set that it is for, and one that it is not for.
CASES: dict[str, tuple[ChangeSet, ChangeSet]] = {
    "incomplete": (whole(doubts=("half-way",)), whole(errors=("failed",))),
    "failed": (whole(errors=("failed",)), whole(doubts=("half-way",))),
    "policy-violated": (_violation("mandatory"), _violation("advisory")),
    "half-goes": (_going(10, 10), _going(10, 11)),
    "chart-goes-back": (
        _move("linkerd-control-plane", "2026.6.3", "2025.12.3"),
        _move("cert-manager", "v1.21.1", "v1.9.0"),
    ),
    "gateway-api-one-way": (
        _move("gateway-api-crds", "1.2.1", "1.5.1"),
        _move("gateway-api-crds", "1.2.1", "1.4.1"),
    ),
    "chart-older": (
        _move("cert-manager", "v1.21.1", "v1.9.0"),
        _move("cert-manager", "v1.9.0", "v1.21.1"),
    ),
    "chart-removed": (
        _move("linkerd-viz", "2026.6.3", None),
        _move("linkerd-viz", None, "2026.6.3"),
    ),
    "policy-advice": (_violation("advisory"), _violation("mandatory")),
    "renamed-without-alias": (_renamed("web/a", "web/a"), _renamed("web/a", "web/b")),
    "chart-major": (
        _move("cert-manager", "v1.21.1", "v2.0.0"),
        _move("linkerd-viz", "2026.6.3", "2027.1.1"),
    ),
    "chart-skips": (
        _move("linkerd-crds", "2025.4.4", "2026.6.3"),
        _move("linkerd-crds", "2025.10.7", "2026.6.3"),
    ),
    "chart-far": (
        _move("cert-manager", "v1.19.0", "v1.21.1"),
        _move("cert-manager", "v1.20.0", "v1.21.1"),
    ),
    "chart-added": (
        _move("linkerd-viz", None, "2026.6.3"),
        _move("linkerd-viz", "2026.6.3", None),
    ),
    "pin-major": (_pin("pulumi-vault", "7.14.0", "8.0.0"), _pin("pydantic", "2.14.3", "3.0.0")),
    "pin-minor": (_pin("pulumi", "3.272.0", "3.273.0"), _pin("pulumi", "3.272.0", "3.272.1")),
    "pin-patch": (_pin("pulumi", "3.272.0", "3.272.1"), _pin("pytest", "9.2.0", "9.2.1")),
    "pin-library": (_pin("pydantic", "2.14.3", "3.0.0"), _pin("pytest", "9.2.0", "10.0.0")),
    "pin-other": (_pin("ruff", "0.17.5", "1.0.0"), _pin("pulumi", "3.272.0", "3.273.0")),
    "pin-content": (_pin("a", "sha256:1", "sha256:2", "content"), _pin("a", "1.0.0", "1.0.1")),
    "pin-source": (_pin("a", "one", "two", "source"), _pin("a", "1.0.0", "1.0.1")),
    "pin-unchecked": (_pin("a", "1.0.0", "any", "unchecked"), _pin("a", "any", "1.0.0")),
    "adopts": (whole(_NEW, adopted=1), whole(_NEW)),
    "chart-newer": (
        _move("linkerd-viz", "2026.6.3", "2026.10.1"),
        _move("linkerd-viz", None, "2026.10.1"),
    ),
}


@pytest.mark.parametrize("name", [rule.name for rule in WHOLE])
def test_row_about_the_set_is_for_what_it_says(name: str) -> None:
    """As for the rows about a resource."""
    firing, other = CASES[name]
    level = next(rule.level for rule in WHOLE if rule.name == name)
    assert [f.level for f in risk.assess(firing) if f.rule == name] == [level]
    assert name not in {f.rule for f in risk.assess(other)}


def test_no_change_has_no_level() -> None:
    """`low` would say that somebody has to look."""
    assert risk.verdict(risk.assess(whole())) is None
    assert verdict.lines(whole()) == ["verdict: no changes"]


def test_worst_comes_first_and_is_the_verdict() -> None:
    """Whoever reads one line must read the one that matters."""
    found = risk.assess(whole(_NEW, _UPDATED, _GONE, doubts=("half-way",)))
    levels = [finding.level for finding in found]
    assert levels == [Level.CRITICAL, Level.HIGH, Level.MEDIUM, Level.LOW]
    assert risk.verdict(found) is Level.CRITICAL


def test_levels_are_ordered_by_risk() -> None:
    """Compared as texts `critical` would be the least of all."""
    for one, two in itertools.combinations(Level, 2):
        assert one < two
        assert two > one
        assert one <= two
        assert two >= one
        assert max(one, two) is two


@pytest.mark.parametrize("op", list(Op))
@pytest.mark.parametrize("kind", ["Deployment", "Secret", "ConfigMap", "Role", "Server", "Unheard"])
@pytest.mark.parametrize("sides", list(itertools.product((None, {}, {"spec": None}), repeat=2)))
def test_any_change_has_a_level(op: Op, kind: str, sides: tuple[Any, Any]) -> None:
    """An operator must never meet a change that no rule has an opinion on, or a traceback."""
    change = thing(kind, "web/x", *sides, op)
    found = risk.findings(change)
    worst = risk.verdict(found)
    assert worst is not None
    least = {Op.DELETE: Level.HIGH, Op.REPLACE: Level.HIGH, Op.IMPORT: Level.MEDIUM}
    assert worst >= least.get(op, Level.LOW)
    assert worst is Level.CRITICAL or op is not Op.UNKNOWN
    assert op is not Op.UPDATE or worst >= Level.MEDIUM or change.fields


@pytest.mark.parametrize("broken", [1, "text", [], ["x"], {"a": None}, [None], {"rules": [{}]}])
@pytest.mark.parametrize("key", ["spec", "webhooks", "rules", "data", "metadata.labels"])
def test_odd_objects_are_judged_too(key: str, broken: Any) -> None:
    """Custom resources have any form; a rule that stumbles would hide all the others."""
    content = {"metadata": {"labels": broken}} if key == "metadata.labels" else {key: broken}
    for kind in ("Deployment", "MutatingWebhookConfiguration", "ClusterRole", "Bundle", "Server",
                 "Certificate", "ConfigMap", "CustomResourceDefinition", "EgressNetwork",
                 "PodDisruptionBudget", "RoleBinding", "ExternalSecret", "Namespace"):  # fmt: skip
        for sides in ((content, {}), ({}, content), (content, None), (None, content)):
            for place in ("linkerd/linkerd-config", "linkerd-identity-trust-roots"):
                assert risk.findings(thing(kind, place, *sides))


@pytest.mark.parametrize(
    ("before", "after", "older"),
    [
        ("2026.6.3", "2026.10.1", False),
        ("2026.10.1", "2026.6.3", True),
        ("v1.21.1", "v1.21.1-alpha.1", True),
        ("v1.21.1-alpha.1", "v1.21.1", False),
        ("1.2.3", "1.2.3+build", False),
        ("1.2.3", "main", True),
        ("1.2.3", None, False),
    ],
)
def test_versions_are_compared_as_numbers(before: str, after: str | None, older: bool) -> None:
    """By the letter 2026.10 is older than 2026.6; what cannot be compared counts as older."""
    assert is_older(ChartMove(chart="c", before=before, after=after)) is older


@pytest.mark.parametrize(
    ("chart", "before", "after", "rule", "level"),
    [
        # Linkerd's charts are called after year and month: 2.18 is 2025.4.4, 2.19 is 2025.10.7.
        ("linkerd-control-plane", "2026.6.3", "2026.6.4", "chart-newer", Level.MEDIUM),
        ("linkerd-control-plane", "2025.10.7", "2026.1.2", "chart-newer", Level.MEDIUM),
        ("linkerd-control-plane", "2025.10.7", "2026.6.3", "chart-major", Level.HIGH),
        ("linkerd-control-plane", "2026.1.2", "2026.6.3", "chart-major", Level.HIGH),
        ("linkerd-crds", "2025.4.4", "2026.6.3", "chart-skips", Level.CRITICAL),
        ("linkerd2-cni", "2024.11.8", "2025.10.7", "chart-skips", Level.CRITICAL),
        ("linkerd-control-plane", "2026.6.3", "2025.4.4", "chart-goes-back", Level.CRITICAL),
        ("cert-manager", "v1.21.1", "v1.21.2", "chart-newer", Level.MEDIUM),
        ("cert-manager", "v1.20.3", "v1.21.1", "chart-newer", Level.MEDIUM),
        ("cert-manager", "v1.18.0", "v1.21.1", "chart-far", Level.HIGH),
        ("external-secrets", "1.9.0", "2.9.0", "chart-major", Level.HIGH),
        ("external-secrets", "0.9.0", "2.9.0", "chart-skips", Level.CRITICAL),
        ("trust-manager", "v0.20.0", "v0.24.0", "chart-major", Level.HIGH),
    ],
)
def test_public_reports_46_the_distance_of_an_upgrade_is_judged(
    chart: str, before: str, after: str, rule: str, level: Level
) -> None:
    """Upstreams test the step from one release to the next, and migrate data in that step alone."""
    found = [
        (each.rule, each.level)
        for each in risk.assess(_move(chart, before, after))
        if each.rule.startswith("chart-")
    ]
    assert found == [(rule, level)]


def test_verdict_names_what_makes_it_so() -> None:
    """In a terminal: one line for each reason, not for each resource."""
    accounts = [thing("ServiceAccount", f"web/a{n}", {}, None) for n in range(6)]
    told = verdict.lines(whole(*accounts, _NEW))
    assert told == [
        "verdict: high risk, 7 changes",
        (
            "  high      deleted: 6 x ServiceAccount, such as ServiceAccount web/a0, "
            "ServiceAccount web/a1"
        ),
    ]


def test_finding_says_what_moves() -> None:
    """The reason is for somebody who has not read the object."""
    found: list[RiskFinding] = risk.findings(
        thing("Deployment", "linkerd/web", {"spec": {"replicas": 3}}, {"spec": {"replicas": 1}})
    )
    assert [(f.rule, f.reason, f.subject) for f in found] == [
        (
            "fewer-replicas",
            "fewer replicas: too few to lose one during a rollout: 3 to 1",
            "Deployment linkerd/web",
        )
    ]
