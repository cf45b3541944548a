"""Change sets in a folder, one file per stack, for `bot comment`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot import stacks
from bot.changes.model import ChangeSet
from bot.exit_codes import BadInputError
from bot.text import documents
from schema.masking import masked

SUFFIX = ".changes.json"


def clear(folder: Path) -> None:
    """Remove what an earlier run left, so that nobody takes it for the result of one that fails.

    Raises BadInputError where that is not possible.
    """
    try:
        for old in folder.glob(f"*{SUFFIX}"):
            old.unlink()
    except OSError as error:
        raise BadInputError(f"--out {folder}: {error.strerror}") from None


def write(sets: Sequence[ChangeSet], folder: Path) -> None:
    """Write `<stack>.changes.json` for each.

    Raises BadInputError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for changes in sets:
            file = folder / f"{changes.stack}{SUFFIX}"
            documents.write(file, changes.model_dump_json(indent=2))
    except OSError as error:
        raise BadInputError(f"--out {folder}: {error.strerror}") from None


def fail(names: Sequence[str], folder: Path, reason: str) -> None:
    """Write a set for each stack that says why nothing could be compared; raises BadInputError.

    A name that no stack can have is what the reason is about, and is passed over.
    """
    errors = tuple(masked(line) for line in reason.splitlines() if line.strip())
    known = stacks.names()
    sets = [
        ChangeSet(stack=name, source="plan", errors=errors, doubts=("no comparison was made",))
        for name in dict.fromkeys(names)
        if name in known
    ]
    write(sets, folder)
