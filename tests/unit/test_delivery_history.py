"""Who brought which commit to a stack: by the bot's notes, and by hand."""

from __future__ import annotations

from typing import Any

from bot.deploy import history
from bot.deploy.verified import Proven
from tests.unit.delivery_samples import COMMIT, OTHER, entries, entry


def _rows(*documents: dict[str, Any], proofs: tuple[Proven, ...] = ()) -> list[dict[str, Any]]:
    return history.document(entries(*documents), proofs)


def test_row_has_who_what_and_what_came_of_it() -> None:
    """For an audit each of these is asked for."""
    trailers = {
        "By": "grace",
        "Approval": "ab" * 8,
        "Approved-by": "ada",
        "Allowed": "crd namespace",
        "Skipped-waves": "hot fix",
    }
    (row,) = _rows(entry(trailers=trailers), proofs=(Proven(COMMIT, "0123456789abcdef"),))
    assert (row["by"], row["approvedBy"], row["commit"]) == ("grace", "ada", COMMIT)
    assert (row["outcome"], row["seconds"], row["verified"]) == ("succeeded", 42, "yes")
    assert row["allowed"] == ["crd", "namespace"]
    assert row["changes"] == {"create": 2}
    told = "\n".join(history.lines([row], "trust"))
    for part in ("2026-11-21 10:00", "aaaaaaaaaaaa", "grace", "ada", "42 s", "hot fix"):
        assert part in told


def test_update_by_hand_is_told_as_what_it_is() -> None:
    """Its commit is that of the folder it was run in, and nothing of it is verified."""
    (row,) = _rows(entry(message="quick fix"), proofs=(Proven(OTHER, "0123456789abcdef"),))
    assert (row["operation"], row["by"], row["commit"]) == (None, None, OTHER)
    assert (row["clean"], row["verified"]) == (False, "not known")
    assert "bbbbbbbbbbbb +" in history.lines([row], "trust")[1]


def test_proof_is_of_one_operation() -> None:
    """The same commit, applied again and not proven, is not proven."""
    first, second = (
        entry(),
        entry(minute=1, operation="fedcba9876543210", trailers={"Verify": "no"}),
    )
    rows = _rows(second, first, proofs=(Proven(COMMIT, "0123456789abcdef"),))
    assert [row["verified"] for row in rows] == ["skipped", "yes"]


def test_stack_without_history_says_so() -> None:
    """An empty table looks like a fault of the command."""
    assert history.lines([], "trust") == ["stack trust has no history"]
