"""A change set as a file that one job writes and another reads."""

from __future__ import annotations

from pathlib import Path

from bot.changes.model import ChangeSet
from bot.text import documents

_NOT_BEGUN = "no preview was made"
_UNFINISHED = "the run did not finish: the changes are unknown"


def begin(file: Path, stack: str) -> None:
    """Write a set that says that nothing is known yet.

    A run that is killed must not leave the set of an earlier one behind. Raises BadInputError
    where the file cannot be written, before anything else is done.
    """
    write(file, ChangeSet(stack=stack, source="preview", doubts=(_UNFINISHED,)))


def fail(file: Path, stack: str, reason: str) -> None:
    """Write a set that says why nothing could be previewed; raises BadInputError."""
    # Imported here for the reason given in bot/deploy/preview.py.
    from schema.masking import masked

    errors = tuple(masked(line) for line in reason.splitlines() if line.strip())
    write(
        file,
        ChangeSet(stack=stack, source="preview", errors=errors, doubts=(_NOT_BEGUN,)),
    )


def write(file: Path, changes: ChangeSet) -> None:
    """Write the set as JSON, whole or not at all; raises BadInputError."""
    documents.write(file, f"{changes.model_dump_json(indent=1)}\n")
