"""A patch of somebody else's namespace comes and goes without the namespace."""

from __future__ import annotations

import pytest

from bot.changes import label_changes
from bot.changes.impact import impact
from bot.changes.model import Change, ChangeSet, Op
from bot.changes.risk import assess
from bot.deploy import protected
from components.rollout.component import MeshedNamespace, namespace_patch
from tests.unit.changes_samples import resource, whole

TYPE = "kubernetes:core/v1:NamespacePatch"


def patch(before: str | None, after: str | None) -> Change:
    """A patch whose state changes; None where it is not there."""
    sides = [
        namespace_patch(MeshedNamespace(name="shop", state=state)) if state else None
        for state in (before, after)
    ]
    return resource(TYPE, "rollout-shop", *sides)


def changes(change: Change) -> ChangeSet:
    """It alone."""
    return whole(change)


@pytest.mark.parametrize(
    ("before", "after"), [(None, "on"), ("on", None), ("on", "opt-out"), ("opt-in", "on")]
)
def test_what_enters_or_leaves_the_mesh_is_told(before: str | None, after: str | None) -> None:
    """A wave that goes back changes as much as one that comes."""
    change = patch(before, after)
    assert change.kind == "NamespacePatch"
    assert label_changes.namespace_labels_read(change) == "linkerd.io/inject"
    found = impact(changes(change))
    assert "pods in namespace shop: linkerd.io/inject is read at a pod's start" in str(found)


def test_a_patch_that_goes_is_no_namespace_that_goes() -> None:
    """Going back a wave must not ask for the leave to delete everything in it."""
    gone = patch("on", None)
    assert gone.op is Op.DELETE
    assert protected.needs(changes(gone)) == ()
    rules = {each.rule for each in assess(changes(gone))}
    assert "namespace-goes" not in rules
    assert "namespace-marks" in rules
    real = resource("kubernetes:core/v1:Namespace", "shop", gone.before, None)
    assert protected.needs(changes(real)) != ()
