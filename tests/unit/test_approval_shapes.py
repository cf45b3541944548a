"""Approvals of any shape: what they name is told as it is, and no control character gets in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.deploy import approval, digests
from bot.exit_codes import BadInputError
from tests.unit.delivery_samples import change, change_set, snapshot


@pytest.mark.parametrize("urn", ["x", "", "urn:pulumi:a", "a::b::c", "::", "a\x1b[2J\u202eb"])
def test_an_approved_resource_of_any_name_is_told(urn: str) -> None:
    """`urn: "x"` was an IndexError, in the very line that says what is not as it was approved."""
    now = digests.signatures(change_set(change()))
    was = [now[0].model_copy(update={"urn": urn})]
    named = change_set(change().model_copy(update={"urn": urn}))
    for told in (digests.unlike(was, now), digests.beyond(now, named)):
        assert told
        assert all(line.isprintable() for line in told)


@pytest.mark.parametrize(("by", "reason"), [("a\x1b[2Jb", ""), ("a\u202eb", ""), ("a", "b\x07")])
def test_a_name_with_control_characters_is_no_name(by: str, reason: str) -> None:
    """It goes to terminals, logs and the history, and was a traceback of pydantic's."""
    changes = change_set(change())
    with pytest.raises(BadInputError, match=r"^--(by|reason): holds control characters"):
        approval.of(
            changes, snapshot(changes), by=by, verdict="low", allowed=(), reason=reason,
            valid=timedelta(hours=1),
        )  # fmt: skip
