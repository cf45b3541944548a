"""A state file of an earlier release previews as no change."""

from __future__ import annotations

import json

import pytest

from tests.fixtures.record_state import FILES, FOLDER, registered


@pytest.mark.parametrize("stack", FILES)
def test_what_was_registered_before_is_registered_now(stack: str) -> None:
    """A URN that goes is a resource that is deleted, and one that is new is created beside it.

    Recorded before sections, rules and arguments moved to their components, commit 1fb4134.
    """
    before = json.loads((FOLDER / f"{stack}.json").read_text(encoding="utf-8"))
    now = registered(stack)
    assert len(before) >= 10
    assert sorted(before.keys() - now.keys()) == [], "would be deleted"
    assert sorted(now.keys() - before.keys()) == [], "would be created"
    changed = sorted(urn for urn in before if before[urn] != now[urn])
    assert changed == [], "would be updated: record them where that is meant (record_state.py)"
