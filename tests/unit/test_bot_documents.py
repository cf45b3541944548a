"""Documents in files: one line for what is wrong, and never half a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.changes.model import ChangeSet
from bot.exit_codes import BadInputError
from bot.text import documents

_SET = ChangeSet(stack="staging", source="plan")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    documents.write(file, "before")
    documents.write(file, _SET.model_dump_json())
    assert documents.read(file, ChangeSet, "make it") == _SET
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "document: Invalid JSON"),
        (b"[" * 100_000, "document: Invalid JSON: recursion"),
        (b"\xff\xfe", "document: Invalid JSON"),
        (b'{"stack": "a", "source": "plan", "x\\n\\u001b[31m": 1}', r"'x\\n\\x1b\[31m': Extra"),
        (b'{"stack": "a", "source": "plan", "%s": 1}' % (b"k" * 9000), "'k+': Extra"),
    ],
)
def test_bad_content_is_one_short_line(tmp_path: Path, content: bytes, told: str) -> None:
    """A key of the file's may hold what a terminal obeys."""
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(BadInputError, match=told) as caught:
        documents.read(file, ChangeSet, "make it")
    said = str(caught.value)
    assert said.isprintable()
    assert said.startswith(str(file))
    assert len(said) < len(str(file)) + 400


@pytest.mark.parametrize("name", ["/", ".", ""])
def test_a_file_without_a_name_is_bad_input(name: str) -> None:
    with pytest.raises(BadInputError, match=r"--out .*: name a file"):
        documents.write(Path(name), "text")


def test_nothing_is_left_where_a_file_cannot_be(tmp_path: Path) -> None:
    """`a` is a folder: the text is written beside it first."""
    (tmp_path / "a").mkdir()
    with pytest.raises(BadInputError, match=r"--approval .*a: Is a directory"):
        documents.write(tmp_path / "a", "text", "--approval")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artifact of a fork's job is as large as its author wants."""
    monkeypatch.setattr(documents, "MOST_BYTES", 100)
    file = tmp_path / "a.json"
    file.write_text(_SET.model_dump_json() + " " * 100)
    with pytest.raises(BadInputError, match=r"a\.json: holds over 100 bytes, which is the limit"):
        documents.read(file, ChangeSet, "make it")
