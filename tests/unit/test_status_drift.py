"""Drift in a status: what the engine found, in one line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.changes.model import Change, ChangeSet, Op
from bot.changes.rules import Level
from bot.mesh.drift.report import StackDrift, Undeclared
from tests.unit.status_samples import good, lines, reader


def found(level: Level) -> Undeclared:
    """An object that nobody declared."""
    return Undeclared(
        subject="Secret linkerd/found", api_version="v1", kind="Secret", namespace="linkerd",
        name="found", level=level, reason="r", created="t", managers=("kubectl",),
    )  # fmt: skip


CHANGE = Change(urn="u", type="kubernetes:core/v1:Secret", name="n", component="c", op=Op.UPDATE)
NONE = ChangeSet(stack="test", source="drift", unchanged=220)


@pytest.mark.parametrize(
    ("drift", "state", "said"),
    [
        ({"tracked": NONE}, "ok", "none, 220 resources"),
        ({"tracked": NONE.model_copy(update={"changes": (CHANGE,)})}, "warn", "1 tracked"),
        ({"tracked": NONE, "undeclared": (found(Level.HIGH),)}, "warn", "1 undeclared"),
        ({"tracked": NONE, "undeclared": (found(Level.CRITICAL),)}, "fail", "1 undeclared"),
        ({"tracked": NONE, "errors": ("no state",)}, "unknown", "no state"),
        ({"tracked": NONE, "unlisted": {"Secret": "forbidden"}}, "unknown", "Secret: forbidden"),
    ],
)
def test_drift_is_one_line_by_what_it_may_mean(
    monkeypatch: pytest.MonkeyPatch, drift: dict[str, Any], state: str, said: str
) -> None:
    """A key that somebody made is no matter for tomorrow; what nobody could look at, no `none`."""
    facts = reader(monkeypatch)(good())
    looked = StackDrift(stack="test", **drift)
    facts = replace(facts, sources={**facts.sources, "drift": looked})
    (line,) = lines(facts, "drift/state")
    assert (line.result.state, said in line.result.seen) == (state, True), line
