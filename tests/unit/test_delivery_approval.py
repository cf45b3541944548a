"""The approval's file: closed, whole, for one stack, and with an end."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.changes.model import Op
from bot.deploy import approval
from bot.deploy.protected import Action
from bot.exit_codes import BadInputError, RefusedError
from tests.unit.delivery_samples import approved, change, change_set, fields

_SET = change_set(change(Op.REPLACE), change(name="b", fields=fields("spec.x")))


def _file(folder: Path, **more: Any) -> Path:
    document = json.loads(approved(_SET, Action.ANCHOR).model_dump_json())
    file = folder / "approval.json"
    file.write_text(json.dumps({**document, **more}))
    return file


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The baseline: one job writes it, another reads it."""
    found = approval.read(_file(tmp_path))
    assert found.allowed == (Action.ANCHOR,)
    assert [each.urn for each in found.changes] == sorted(c.urn for c in _SET.changes)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"also": 1}, "also"),
        ({"allowed": ["everything"]}, "allowed.0"),
        ({"id": "x"}, "id"),
        ({"expires_at": "2026-11-21T10:00:00"}, "expires_at"),
        ({"format": 1}, "has another format"),
        ({"format": 3}, "has another format"),
        ({"signature": "by hand"}, "signature"),
        ({"by": ""}, "by"),
        ({"by": "ada\x1b[2K\nroot"}, "by"),
        ({"expires_at": "2099-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"changes": []}, "changes"),
        ({"snapshot": None}, "snapshot"),
    ],
)
def test_faulty_record_is_bad_input_that_names_the_key(
    tmp_path: Path, more: dict[str, Any], key: str
) -> None:
    """An approval that is half understood must not approve half of something."""
    with pytest.raises(BadInputError) as error:
        approval.read(_file(tmp_path, **more))
    assert "approval.json" in str(error.value)
    assert key in str(error.value)
    assert "python -m bot approve" in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"[]", b"{"])
def test_no_record_at_all_is_bad_input(tmp_path: Path, content: bytes | None) -> None:
    """Whatever lies there instead, there is one line and no traceback."""
    file = tmp_path / "a.json"
    if content is not None:
        file.write_bytes(content)
    for read in (approval.read, approval.read_changes):
        with pytest.raises(BadInputError, match=r"a\.json"):
            read(file)


def test_record_holds_for_one_stack_and_has_an_end() -> None:
    """Yesterday's approval of another stack is the one that is still lying around."""
    record = approved(_SET)
    approval.refuse_unusable(record, "trust")
    with pytest.raises(RefusedError, match="for stack trust, not for production"):
        approval.refuse_unusable(record, "production")
    last = record.expires_at
    approval.refuse_unusable(record, "trust", last - timedelta(seconds=1))
    with pytest.raises(RefusedError, match="ended 5 min ago"):
        approval.refuse_unusable(record, "trust", last + timedelta(minutes=5))


def test_refusal_names_each_stale_part_and_is_cut() -> None:
    """Twenty archives that moved together are one story, not twenty lines."""
    record = approved(_SET)
    approval.refuse_stale(record, [])
    with pytest.raises(RefusedError) as error:
        approval.refuse_stale(record, [f"file {n}: was a, is b" for n in range(20)])
    told = str(error.value).splitlines()
    assert "stale: file 0: was a, is b" in told
    assert "and 12 more" in told
    assert "ada" in told[0]


def test_approval_of_tomorrow_is_refused() -> None:
    """Its end would be moved by moving its beginning."""
    given = approved(_SET)
    with pytest.raises(RefusedError, match="is in the future"):
        approval.refuse_unusable(given, given.stack, given.approved_at - timedelta(hours=1))
