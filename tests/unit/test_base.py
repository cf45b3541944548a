"""The base of every component: its children's options and its objects."""

from __future__ import annotations

import sys

import pulumi
import pytest

from components.base import Component, KubernetesObject
from tests.recorder import record

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}


class Sample(Component, area="mesh"):
    """A component of two objects, the second after the first."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        first = self.apply(CONFIG_MAP, wait_for="condition=Ready")
        self.apply(CONFIG_MAP, first, name="second")
        self.done(ready=True)


def test_an_object_waits_only_where_it_is_told_to() -> None:
    """Without a condition the provider's own awaiter is the better one."""
    recording = record(lambda: Sample("x"))
    waits = recording.named("x-m").inputs["metadata"]["annotations"]
    assert waits == {"pulumi.com/waitFor": "condition=Ready"}
    assert "annotations" not in recording.named("x-second").inputs["metadata"]
    assert CONFIG_MAP["metadata"] == {"name": "m"}  # the caller's manifest is not changed


def test_a_child_waits_for_its_own_needs_and_those_of_the_component() -> None:
    """A destroy goes by the children's dependencies alone."""

    def body() -> None:
        before = KubernetesObject("before", CONFIG_MAP)
        Sample("x", pulumi.ResourceOptions(depends_on=before))

    recording = record(body)
    before, first = recording.named("before"), recording.named("x-m")
    assert first.dependencies == (before.urn,)
    second = recording.named("x-second")
    assert second.dependencies == (first.urn,)  # what the sibling waits for is not said twice
    assert recording.comes_after(second, before)


def test_a_resource_tells_the_engine_where_it_is_made_and_no_more() -> None:
    """The whole stack, read for each resource, was a fifth of what one costs."""

    def body() -> None:
        Sample("x")
        KubernetesObject("o", CONFIG_MAP)

    recording = record(body)
    files = {
        name: [file for file, _ in recording.traces[recording.named(name).urn]]
        for name in ("x", "x-m", "o")
    }
    # From within `Sample`, from within `apply`, and from the program itself.
    assert files == {"x": ["test_base.py"], "x-m": ["base.py"], "o": ["test_base.py"]}
    assert not hasattr(sys, "tracebacklimit")


@pytest.mark.parametrize(
    ("api_version", "kind", "token"),
    [
        ("v1", "Secret", "kubernetes:core/v1:Secret"),
        ("apps/v1", "Deployment", "kubernetes:apps/v1:Deployment"),
        ("cert-manager.io/v1", "Issuer", "kubernetes:cert-manager.io/v1:Issuer"),
    ],
)
def test_an_object_has_the_token_of_the_providers_own_class(
    api_version: str, kind: str, token: str
) -> None:
    """Policies look for these tokens, and another one replaces the object."""
    manifest = {**CONFIG_MAP, "apiVersion": api_version, "kind": kind}
    assert record(lambda: KubernetesObject("o", manifest)).named("o").type == token


def test_the_data_of_a_secret_is_secret_in_the_state() -> None:
    """The engine encrypts what is marked, nothing else."""
    manifest = {
        **CONFIG_MAP,
        "kind": "Secret",
        "data": {"a": "Yg=="},
        "stringData": {"c": "d"},
    }
    inputs = record(lambda: KubernetesObject("o", manifest)).named("o").inputs
    assert inputs["data"] == {"a": "[secret]"}
    assert inputs["stringData"] == {"c": "[secret]"}
    assert inputs["metadata"] == {"name": "m"}


def test_the_data_of_a_config_map_is_shown() -> None:
    """A diff of `[secret]` would tell nothing."""
    manifest = {**CONFIG_MAP, "data": {"a": "b"}}
    assert record(lambda: KubernetesObject("o", manifest)).named("o").inputs["data"] == {"a": "b"}
