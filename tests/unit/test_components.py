"""What holds for every component; one that breaks it is found by its file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
from pydantic import ValidationError

from components.base import Args, Component
from tests.recorder import record
from tests.unit.crd_schemas import faults, is_custom
from tests.unit.every_component import COMPONENTS, STEMS, file_of
from tests.unit.samples import arguments, made, make
from tests.unit.stack_files import REPO

AREAS = {"certificates", "cluster", "crds", "extensions", "mesh", "policy", "secrets", "trust"}
AREAS |= {"observability", "traffic"}


@pytest.fixture(params=STEMS)
def component(request: pytest.FixtureRequest) -> type[Component]:
    """Each component in turn."""
    return COMPONENTS[request.param]


@pytest.mark.parametrize("stem", STEMS)
def test_a_component_has_its_name_three_times(stem: str) -> None:
    """Code, test and page are found from one another."""
    feature = file_of(stem).split("/")[1].removesuffix(".py")
    assert stem == feature or feature in ("policy", "ingress", "egress_gateway")
    assert (REPO / "tests" / "unit" / f"test_{stem}.py").is_file()
    assert (REPO / "docs" / "components" / f"{stem}.md").is_file()


def test_its_type_token_names_project_area_and_class(component: type[Component]) -> None:
    """A token is in every URN: another one would replace everything below it."""
    project, area, name = component.type_token.split(":")
    assert (project, name) == ("linkerd-platform", component.__name__)
    assert area in AREAS
    (own,) = [r for r in made(component).resources if r.type == component.type_token]
    assert own.name == "x"


def test_its_arguments_are_closed_frozen_and_strict(component: type[Component]) -> None:
    """A misspelt argument would be left out in silence."""
    args = arguments()[component]
    assert isinstance(args, Args)
    plain = {name: getattr(args, name) for name in type(args).model_fields}
    assert type(args)(**plain) == args
    with pytest.raises(ValidationError, match="extra_forbidden"):
        type(args)(**plain, unheard_of=1)
    first = next(iter(plain))
    with pytest.raises(ValidationError, match="frozen_instance"):
        setattr(args, first, plain[first])
    with pytest.raises(ValidationError):
        type(args)(**{**plain, first: object()})


def test_its_outputs_are_registered(component: type[Component]) -> None:
    """Without it the engine never closes the component, and a bot sees nothing of it."""
    recording = made(component)
    own = recording.named("x")
    assert own.outputs_registered
    assert recording.outputs[own.urn]


@pytest.mark.parametrize("preview", [True, False])
def test_its_children_are_below_it_and_named_after_it(
    component: type[Component], preview: bool
) -> None:
    """Two of a kind in one stack would collide otherwise."""
    recording = made(component, preview)
    own = recording.named("x")
    children = [r for r in recording.resources if r is not own]
    assert children
    for child in children:
        assert child.parent == own.urn
        assert child.name.startswith("x-"), child.name


def test_its_children_wait_for_what_the_component_waits_for(component: type[Component]) -> None:
    """The engine keeps a component's own order on create alone: a destroy goes by the children."""

    def body() -> None:
        first = pulumi.ComponentResource("test:index:First", "first")
        below = pulumi.ResourceOptions(parent=first)
        pulumi.CustomResource("test:index:Leaf", "leaf", {}, below)
        first.register_outputs({})
        make(component, opts=pulumi.ResourceOptions(depends_on=[first]))

    recording = record(body)
    leaf = recording.named("leaf")
    own = recording.named("x")
    for child in recording.resources:
        if child.parent == own.urn:
            assert recording.comes_after(child, leaf), child.name


def test_its_custom_resources_are_what_their_crds_allow(component: type[Component]) -> None:
    """The API server drops an unknown field in silence."""
    for resource in made(component).resources:
        if "apiVersion" in resource.inputs and is_custom(resource.inputs):
            assert faults(resource.inputs) == [], resource.name


def test_the_check_against_crds_can_fail() -> None:
    """A schema that takes everything proves nothing."""
    manifest: dict[str, Any] = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "a"},
        "spec": {"secretName": "a", "issuerRef": {"name": "a"}},
    }
    assert faults(manifest) == []
    misspelt = {**manifest, "spec": {**manifest["spec"], "renewBfore": "1h"}}
    assert "'renewBfore' was unexpected" in faults(misspelt)[0]
    nested = {**manifest, "spec": {**manifest["spec"], "privateKey": {"sze": 1}}}
    assert "'sze' was unexpected" in faults(nested)[0]
    wrong = {**manifest, "spec": {**manifest["spec"], "isCA": "yes"}}
    assert "is not of type 'boolean'" in faults(wrong)[0]
    usage = {**manifest, "spec": {**manifest["spec"], "usages": ["cert signing"]}}
    assert "is not one of" in faults(usage)[0]
    missing = {**manifest, "spec": {"secretName": "a"}}
    assert "'issuerRef' is a required property" in faults(missing)[0]
    assert faults({**manifest, "apiVersion": "cert-manager.io/v2"}) == [
        "no CRD defines Certificate of cert-manager.io/v2"
    ]


def test_every_component_is_sampled() -> None:
    """One that is not would pass all of the above."""
    assert set(COMPONENTS.values()) == set(arguments())
    assert Path(__file__).stem == "test_components"
