"""Comments as files, for other forges and for the summary page of a job."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from bot.comments.split import size
from bot.exit_codes import BadInputError

# GitHub shows no summary of a step above 1 MiB:
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
_SUMMARY_BYTES = 1024 * 1024 - 1024


def write(folder: Path, stack: str, parts: Sequence[str]) -> list[Path]:
    """Write `<stack>.<n>.md` for each part, from 1; parts of an earlier run that are left over go.

    Raises BadInputError for a folder that cannot be written.
    """
    made = [folder / f"{stack}.{number}.md" for number in range(1, len(parts) + 1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, body in zip(made, parts, strict=True):
            part = file.with_name(f"{file.name}.{os.getpid()}.part")
            part.write_text(body, encoding="utf-8")
            part.replace(file)  # whoever posts it finds it whole
        mine = re.compile(rf"{re.escape(stack)}\.\d+\.md")
        for old in folder.iterdir():
            if mine.fullmatch(old.name) and old not in made:
                old.unlink()
    except OSError as error:
        raise BadInputError(f"--out {folder}: {error.strerror or error}") from None
    return made


def add_to_summary(file: Path, parts: Sequence[str]) -> int:
    """Append the parts to the summary of a step; gives how many of them found room there.

    Raises BadInputError for a file that cannot be written.
    """
    try:
        left = _SUMMARY_BYTES - (file.stat().st_size if file.exists() else 0)
        told = 0
        with file.open("a", encoding="utf-8") as summary:
            for body in parts:
                left -= size(body) + 1
                if left < 0:
                    summary.write(f"\n{len(parts) - told} more parts do not fit on this page.\n")
                    break
                summary.write(f"{body}\n")
                told += 1
    except OSError as error:
        raise BadInputError(f"GITHUB_STEP_SUMMARY {file}: {error.strerror or error}") from None
    return told
