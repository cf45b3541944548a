"""The policies over what Helm renders: the real charts break none, and each fault in one does."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot import stacks
from bot.plan import policy
from bot.plan.model import Object, Plan, plans
from bot.plan.render import Manifest
from bot.text.hidden_values import SECRET
from tests.charts import helm
from tests.charts.program import PROJECT, STACKS

Change = Callable[[dict[str, Any]], object]
NEEDED = ("linkerd-control-plane", "linkerd-viz", "cert-manager")


@functools.cache
def plan(stack: str) -> Plan:
    """The whole plan of a stack; skips the test where its charts cannot be rendered."""
    helm.helm()
    (made,) = plans([stacks.file_of(stack)], PROJECT)
    absent = [c.name for c in made.charts if c.name in NEEDED and not c.rendered]
    if absent:
        pytest.skip(f"chart archives missing: {', '.join(absent)} (make charts)")
    return made


def changed(stack: str, kind: str, name: str, change: Change | None) -> Plan:
    """The plan with one chart object changed, or without it."""
    made, seen = plan(stack), []

    def altered(item: Object) -> Object | None:
        if (item.kind, item.name) != (kind, name):
            return item
        seen.append(item)
        if change is None:
            return None
        content = copy.deepcopy(dict(item.manifest.content))
        change(content)
        return replace(item, manifest=Manifest(content, ""))

    charts = tuple(
        replace(chart, objects=tuple(o for item in chart.objects if (o := altered(item))))
        for chart in made.charts
    )
    assert len(seen) == 1
    return replace(made, charts=charts)


@pytest.mark.parametrize("stack", STACKS)
def test_no_object_of_a_chart_breaks_a_policy(stack: str) -> None:
    """A hundred and fifty objects that nobody here wrote."""
    made = plan(stack)
    assert sum(len(chart.objects) for chart in made.charts) > 150
    assert policy.lines(policy.of_plan(made)) == []


def _container(content: dict[str, Any], **values: Any) -> None:
    content["spec"]["template"]["spec"]["containers"][0].update(values)


DEPLOYMENT = ("Deployment", "linkerd-identity")
INJECTOR = ("MutatingWebhookConfiguration", "linkerd-proxy-injector-webhook-config")
FAULTS: Mapping[str, tuple[str, str, Change | None]] = {
    "image-pinned": (*DEPLOYMENT, lambda c: _container(c, image="cr.l5d.io/linkerd/controller")),
    "ha-replicas": (*DEPLOYMENT, lambda c: c["spec"].update(replicas=2)),
    "ha-anti-affinity": (*DEPLOYMENT, lambda c: c["spec"]["template"]["spec"].pop("affinity")),
    "ha-disruption-budget": ("PodDisruptionBudget", "linkerd-identity", None),
    "webhook-failure-policy": (
        *INJECTOR,
        lambda c: c["webhooks"][0].update(failurePolicy="Ignore"),
    ),
    "owner-label": ("ConfigMap", "linkerd-config", lambda c: c["metadata"].pop("labels")),
    "no-private-key": ("ConfigMap", "linkerd-config", lambda c: c["data"].update(key=SECRET)),
    "not-ours-to-write": (
        "ConfigMap",
        "linkerd-config",
        lambda c: c["metadata"].update(name="linkerd-identity-trust-roots"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_an_object_of_a_chart_breaks_its_policy(name: str) -> None:
    """In production, beside all that is right; and the text names the object."""
    kind, object_name, change = FAULTS[name]
    found = policy.of_plan(changed("production", kind, object_name, change))
    assert {violation.policy for violation in found} == {name}


@pytest.mark.parametrize("name", ["ha-replicas", "ha-anti-affinity", "ha-disruption-budget"])
def test_staging_may_be_smaller(name: str) -> None:
    """It is there to be broken."""
    assert policy.of_plan(changed("staging", *FAULTS[name])) == ()
