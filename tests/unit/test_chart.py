"""Charts: rendered by the engine, or as a Helm release for CRDs and what looks things up."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from pydantic import ValidationError

from components.base import Component
from components.chart import (
    CRD_RELEASE_NAMESPACE,
    ChartRef,
    crd_release,
    helm_chart,
    helm_release,
    published,
)
from stack.charts import Charts
from tests.recorder import Recording, record
from tests.unit.samples import chart
from tests.unit.stack_files import REPO


class Plain(Component, area="mesh"):
    """One that notes the options of its children."""

    def child(
        self, *after: pulumi.Resource, opts: pulumi.ResourceOptions | None = None
    ) -> pulumi.ResourceOptions:
        self.options = super().child(*after, opts=opts)
        return self.options


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


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ({"path": "./.local/a-1.0.0.tgz"}, {"chart": "./.local/a-1.0.0.tgz"}),
        (
            {"repository": "oci://r.example/c/"},
            {"chart": "oci://r.example/c/a", "version": "1.0.0"},
        ),
        (
            {"repository": "https://r.example/c/"},
            {"chart": "a", "version": "1.0.0", "repositoryOpts": {"repo": "https://r.example/c"}},
        ),
        (
            {"repository": "http://r.example"},
            {"chart": "a", "version": "1.0.0", "repositoryOpts": {"repo": "http://r.example"}},
        ),
        ({"repository": "/mirror/"}, {"chart": "/mirror/a-1.0.0.tgz"}),
    ],
    ids=["linked", "registry", "repository", "plain", "folder"],
)
def test_a_chart_comes_from_wherever_it_is_kept(
    place: dict[str, str], source: dict[str, Any]
) -> None:
    """The kinds of place are those of CHARTS_LOCATION."""
    ref = ChartRef(name="a", version="1.0.0", **place)

    def body() -> None:
        component = Plain("x")
        helm_chart(component, ref, "ns", {})
        crd_release(component, ref)

    _, chart_, release = record(body).resources
    for each in (chart_, release):
        assert source.items() <= each.inputs.items()
        assert (each.name, each.inputs["name"]) == ("x-a", "a")


@pytest.mark.parametrize("place", [{}, {"path": "a.tgz", "repository": "https://r.example"}])
def test_a_chart_has_one_place(place: dict[str, str]) -> None:
    """With none or two of them the engine would decide, or fail with an error of its own."""
    with pytest.raises(ValidationError, match="give either `path` or `repository`"):
        ChartRef(name="a", version="1.0.0", **place)


def test_a_published_chart_is_that_of_the_list() -> None:
    """charts.yaml is the one place for a version, for programs of others too."""
    for name, entry in Charts(REPO).entries.items():
        if entry.repository is not None:
            ref = published(name)
            assert (ref.version, ref.repository) == (entry.version, entry.repository)
            assert published(name, "oci://r.example").repository == "oci://r.example"


WEBHOOK = {"metadata": {"name": "w"}, "webhooks": []}
OF_WEBHOOKS = ["pulumi.com/waitFor", "admissions.enforcer/disabled", "pulumi.com/patchForce"]


@pytest.mark.parametrize(
    ("type_", "annotations"),
    [
        ("ValidatingWebhookConfiguration", OF_WEBHOOKS),
        ("MutatingWebhookConfiguration", OF_WEBHOOKS),
        ("Service", ["pulumi.com/skipAwait"]),
        ("Deployment", None),
    ],
)
def test_objects_of_a_chart_are_waited_for_in_every_program(
    type_: str, annotations: list[str] | None
) -> None:
    """The first custom resource is refused as long as cainjector has given a webhook no CA."""
    (transform,) = transforms(ChartRef(name="a", version="1.0.0", repository="/r"))
    group = "core/v1" if type_ == "Service" else "admissionregistration.k8s.io/v1"
    args = pulumi.ResourceTransformArgs(
        custom=True,
        type_=f"kubernetes:{group}:{type_}",
        name="w",
        props=WEBHOOK,
        opts=pulumi.ResourceOptions(),
    )
    result: Any = transform(args)
    assert (result is not None) == (annotations is not None)
    if result is not None:
        assert list(result.props["metadata"]["annotations"]) == annotations


def test_a_stack_of_ours_waits_by_its_own_transforms() -> None:
    """The sandbox opens webhooks there, and must not wait for what it has opened."""
    assert transforms(chart("a")) == []


def transforms(ref: ChartRef) -> list[Any]:
    """Those that a chart is made with."""
    options = pulumi.ResourceOptions()

    def body() -> None:
        nonlocal options
        component = Plain("x")
        helm_chart(component, ref, "ns", {})
        options = component.options

    record(body)
    return list(options.transforms or [])
