"""In production the control plane survives the loss of a node, and a drain."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model import CheckedResource
from policies.values import UNKNOWN
from tests.unit.policy_samples import (
    COMPONENT,
    PRODUCTION,
    STAGING,
    budget,
    deployment,
    texts,
    thing,
)

REPLICAS, AFFINITY, BUDGET = "ha-replicas", "ha-anti-affinity", "ha-disruption-budget"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def spread(**term: Any) -> CheckedResource:
    """A Deployment with this one term of anti-affinity."""
    labels = {COMPONENT: "identity"}
    affinity = {"podAntiAffinity": {REQUIRED: [term]}}
    return deployment(template={"metadata": {"labels": labels}, "spec": {"affinity": affinity}})


def test_three_of_each_spread_and_with_a_budget_are_enough() -> None:
    """What the HA values of the chart give."""
    for policy in (REPLICAS, AFFINITY, BUDGET):
        assert texts(policy, deployment(), budget()) == []


@pytest.mark.parametrize(("replicas", "shown"), [(2, "2"), (None, "1"), (0, "0")])
def test_fewer_replicas_are_too_few_in_production_alone(replicas: int | None, shown: str) -> None:
    """Without a number Kubernetes runs one."""
    (text,) = texts(REPLICAS, deployment(replicas=replicas))
    assert text.startswith(f"spec.replicas is {shown},")
    assert texts(REPLICAS, deployment(replicas=replicas), context=STAGING) == []


def test_a_number_that_is_not_known_yet_is_a_breach() -> None:
    """A policy that waves through what it cannot see is none."""
    (text,) = texts(REPLICAS, deployment(replicas=UNKNOWN))
    assert text.startswith("cannot be checked: spec.replicas is secret or known only after")
    (text,) = texts(BUDGET, deployment(replicas=UNKNOWN), budget())
    assert text.startswith("cannot be checked: spec.replicas ")


def test_what_is_not_the_control_plane_is_not_held_to_it() -> None:
    """The dashboard may be away for a minute."""
    for other in (
        thing("Deployment", namespace="linkerd-viz", spec={"replicas": 1}),
        thing("Deployment", spec={"replicas": 1, "template": {"metadata": {"labels": {}}}}),
        thing("StatefulSet", spec={"replicas": 1}),
    ):
        for policy in (REPLICAS, AFFINITY, BUDGET):
            assert texts(policy, other) == []


@pytest.mark.parametrize(
    "term",
    [
        {"topologyKey": "topology.kubernetes.io/zone", "labelSelector": {}},
        {"topologyKey": "kubernetes.io/hostname"},
        {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": {COMPONENT: "destination"}},
        },
    ],
)
def test_an_anti_affinity_that_does_not_keep_them_apart_is_none(term: dict[str, Any]) -> None:
    """A zone is many nodes; a selector of other pods separates nothing."""
    (text,) = texts(AFFINITY, spread(**term))
    assert "may share a node" in text
    assert texts(AFFINITY, spread(**term), context=STAGING) == []


def test_the_charts_expression_keeps_them_apart() -> None:
    """The chart of Linkerd selects by an expression."""
    expression = {"key": COMPONENT, "operator": "In", "values": ["identity"]}
    selector = {"matchExpressions": [expression]}
    assert not texts(AFFINITY, spread(topologyKey="kubernetes.io/hostname", labelSelector=selector))


@pytest.mark.parametrize(
    ("operator", "values", "selected"),
    [
        ("In", ["identity"], True),
        ("In", ["other"], False),
        ("NotIn", ["other"], True),
        ("NotIn", ["identity"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Near", ["identity"], False),
    ],
)
def test_expressions_select_as_the_api_server_does(
    operator: str, values: list[str], selected: bool
) -> None:
    """A budget that selects other pods protects none of ours."""
    expression = {"key": COMPONENT, "operator": operator, "values": values}
    other = budget(selector={"matchExpressions": [expression]}, maxUnavailable=1)
    assert (texts(BUDGET, deployment(), other) == []) is selected


def test_a_deployment_without_a_budget_is_named() -> None:
    """A drain would take all its pods at once."""
    subjects = (deployment(), deployment("destination"), budget())
    assert texts(BUDGET, *subjects) == ["no PodDisruptionBudget selects its pods"]
    assert texts(BUDGET, deployment(), context=STAGING) == []


def test_a_budget_of_another_namespace_protects_nothing() -> None:
    """Budgets select pods of their own namespace."""
    spec = {"selector": {}, "maxUnavailable": 1}
    elsewhere = thing("PodDisruptionBudget", namespace="linkerd-viz", spec=spec)
    assert texts(BUDGET, deployment(), elsewhere)


@pytest.mark.parametrize(
    ("spec", "enough"),
    [
        ({"maxUnavailable": 1}, True),
        ({"maxUnavailable": 2}, True),
        ({"maxUnavailable": 3}, False),
        ({"maxUnavailable": "100%"}, False),
        ({"maxUnavailable": "50%"}, True),
        ({"maxUnavailable": "70%"}, False),
        ({"minAvailable": 1}, True),
        ({"minAvailable": 0}, False),
        ({"minAvailable": "0%"}, False),
        ({"minAvailable": "10%"}, True),
        ({}, False),
    ],
)
def test_a_budget_leaves_at_least_one(spec: dict[str, Any], enough: bool) -> None:
    """70 % of three is rounded up to all three."""
    labels = {"matchLabels": {COMPONENT: "identity"}}
    given = budget(selector=labels, **spec)
    assert (texts(BUDGET, deployment(), given, context=PRODUCTION) == []) is enough
