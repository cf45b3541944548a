"""Namespaces in the mesh: our keys on them, and nothing else of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from components.rollout import arguments as arguments_mesh
from components.rollout.component import (
    FIELD_MANAGER,
    INJECT,
    MAY_OPT_OUT,
    STATE_LABEL,
    MeshedNamespace,
    Rollout,
    merged,
    namespace_patch,
)
from policies.model import CheckedResource, Context
from policies.ownership import owner_label
from stack.transforms import OWNER_LABEL, labelled
from tests.unit.samples import made
from tests.unit.stack_files import load, spoilt

# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "rollout.never": ["legacy"],
    "rollout.waves.0.state": "off",
    "rollout.waves.0.namespaces.0.name": "pay",
    "rollout.waves.0.namespaces.0.optOut": True,
    "rollout.waves.0.namespaces.0.workloads.optOut": ["sts/other"],
    "workloads.namespaces.shop.accessLog": "apache",
    "workloads.namespaces.shop.opaquePorts": [9000],
    "workloads.namespaces.shop.skipInboundPorts": [9000],
    "workloads.namespaces.shop.skipOutboundPorts": ["9000-9001"],
    "workloads.namespaces.shop.proxyAwait": False,
    "workloads.namespaces.shop.proxyResources.cpuRequest": "20m",
    "workloads.namespaces.shop.proxyResources.cpuLimit": "2",
    "workloads.namespaces.shop.proxyResources.memoryRequest": "20Mi",
    "workloads.namespaces.shop.proxyResources.memoryLimit": "200Mi",
}

PATCH = "kubernetes:core/v1:NamespacePatch"


def patched(state: str, **more: Any) -> dict[str, Any]:
    """The metadata of a patch."""
    metadata = namespace_patch(MeshedNamespace(name="shop", state=state, **more))["metadata"]
    assert isinstance(metadata, dict)
    return metadata


@pytest.mark.parametrize(
    ("state", "inject"), [("on", "enabled"), ("opt-in", None), ("opt-out", "disabled")]
)
def test_a_state_is_what_the_injector_reads(state: str, inject: str | None) -> None:
    """With `opt-in` the pod's own flag decides, which a namespace's `disabled` would not change."""
    metadata = patched(state)
    assert metadata["annotations"].get(INJECT) == inject
    assert metadata["labels"] == {STATE_LABEL: state}


def test_a_namespace_is_patched_and_never_made_or_owned() -> None:
    """A Namespace of ours would go on destroy, with everything of another team in it."""
    recording = made(Rollout)
    types = {each.type for each in recording.resources if each.name != "x"}
    assert types == {PATCH}
    shop = recording.named("x-shop").inputs
    assert set(shop) == {"apiVersion", "kind", "metadata"}
    assert set(shop["metadata"]) == {"name", "labels", "annotations"}
    assert shop["metadata"]["annotations"]["pulumi.com/patchFieldManager"] == FIELD_MANAGER
    assert recording.outputs[recording.named("x").urn] == {"namespaces": ["shop", "pay"]}


def test_the_owner_label_is_not_written_on_what_is_only_patched() -> None:
    """Drift would take the namespace for ours, and tell that nobody declared it."""
    patch = namespace_patch(MeshedNamespace(name="shop", state="on"))
    assert labelled(PATCH, patch, "staging") is patch
    own = labelled("kubernetes:core/v1:Namespace", patch, "staging")
    assert own["metadata"]["labels"][OWNER_LABEL] == "staging"


def test_the_policy_of_owners_asks_for_no_label_on_a_patch() -> None:
    """It would refuse every rollout."""
    context = Context(stack="staging", production=False, expendable=False, failure_policy="Fail")
    patch = namespace_patch(MeshedNamespace(name="shop", state="on"))
    subject = CheckedResource(name="x-shop", type=PATCH, urn="u", props=patch)
    assert list(owner_label(subject, context)) == []
    plain = dataclasses.replace(subject, type="kubernetes:core/v1:Namespace")
    assert len(list(owner_label(plain, context))) == 1


def test_the_plans_exceptions_stand_on_the_namespace_for_the_guard() -> None:
    """The API server has nothing else to read them from."""
    out = ("Deployment/legacy", "StatefulSet/old")
    assert patched("on", may_opt_out=out)["annotations"][MAY_OPT_OUT] == ",".join(out)
    assert MAY_OPT_OUT not in patched("on")["annotations"]


def test_no_part_may_write_what_the_rollout_decides() -> None:
    """Two wishes for one key: the last would win, unseen."""
    with pytest.raises(ValueError, match=r"shop: linkerd\.io/inject: the rollout writes it alone"):
        patched("on", annotations={INJECT: "ingress"})


def test_two_parts_may_not_say_different_things() -> None:
    """There is no order between them that a reader would guess."""
    assert merged({"a": "1"}, {"b": "2"}, {"a": "1"}) == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match="a: one part says '1', another '2'"):
        merged({"a": "1"}, {"a": "2"})


def test_a_plan_becomes_one_patch_per_namespace_of_the_waves_that_are_in(tmp_path: Path) -> None:
    """What is `off` is as if it were not there, so going back is taking the state back."""
    config = load(
        tmp_path,
        spoilt(
            {
                ("rollout", "waves"): [
                    {"name": "a", "state": "on", "namespaces": ["shop", "out"]},
                    {"name": "b", "state": "opt-in", "namespaces": ["pay"]},
                    {"name": "c", "namespaces": ["later"], "labels": {"a": "b"}},
                ],
                ("rollout", "waves", 0, "namespaces", 1): {"name": "out", "optOut": True},
                ("workloads", "namespaces"): {"pay": {"accessLog": "json"}, "later": {}},
            }
        ),
    )
    made = arguments_mesh.arguments(config).namespaces
    assert [(each.name, each.state, dict(each.annotations)) for each in made] == [
        ("out", "opt-out", {}),
        ("pay", "opt-in", {"config.linkerd.io/access-log": "json"}),
        ("shop", "on", {}),
    ]
