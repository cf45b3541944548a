"""Charts: rendered by the engine, or as a Helm release for CRDs and what looks things up."""

from __future__ import annotations

import pulumi

from components.base import Component
from components.chart import CRD_RELEASE_NAMESPACE, crd_release, helm_chart, helm_release
from tests.unit.samples import Recording, chart, record


class Sample(Component, area="mesh"):
    """One of each."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        crds = crd_release(self, chart("a-crds"), values={"keep": True})
        helm_chart(self, chart("a"), "ns", {"k": 1}, crds)
        helm_release(self, chart("b"), "ns", {})
        self.done(ready=True)


def recording() -> Recording:
    """What the sample registers."""
    return record(lambda: Sample("x"))


def test_a_chart_has_explicit_names_and_plan_time_values() -> None:
    """The prefix is in the URN of every object: by default it would be the component's name."""
    made = recording().named("x-a")
    assert made.type == "kubernetes:helm.sh/v4:Chart"
    assert made.remote
    assert made.inputs == {
        "chart": "./.local/a-1.2.3.tgz",
        "namespace": "ns",
        "name": "a",
        "resourcePrefix": "a",
        "values": {"k": 1},
    }


def test_a_chart_comes_after_its_crds() -> None:
    """The provider waits for kinds it does not know, but not for long."""
    made = recording()
    assert made.comes_after(made.named("x-a"), made.named("x-a-crds"))


def test_crds_are_a_release_that_outlives_the_destroy_of_a_namespace() -> None:
    """A release whose record went with its namespace can never be uninstalled or taken over."""
    made = recording().named("x-a-crds")
    assert made.type == "kubernetes:helm.sh/v3:Release"
    assert made.inputs["namespace"] == CRD_RELEASE_NAMESPACE == "kube-system"
    assert made.inputs["skipAwait"] is True
    assert made.inputs["values"] == {"keep": True}


def test_a_release_has_a_fixed_name_and_is_awaited() -> None:
    """Without a name Helm's release gets a random one, and so another at each replacement."""
    made = recording().named("x-b").inputs
    assert (made["name"], made["version"], made["skipAwait"]) == ("b", "1.2.3", False)
