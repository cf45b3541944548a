"""Which stacks there are: the stack files of the project."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from bot.exit_codes import BadInputError

PROJECT_DIR = Path(__file__).resolve().parent.parent

# As the engine has them (pulumi sdk/go/common/tokens/names.go), but for what would be a hidden
# file or an option.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def checked(stack: str, where: str = "") -> str:
    """The name of a stack, which may stand in a file's name, a marker or a terminal.

    where: what it is from, for the error. Raises BadInputError for what no stack can be called.
    """
    if not _NAME.fullmatch(stack):
        told = f"{where}: " if where else ""
        raise BadInputError(
            f"{told}stack {stack[:80]!r}: a stack's name is letters, digits, `_`, `.` and `-`"
        )
    return stack


def names(project_dir: Path | None = None) -> list[str]:
    """Names of all stacks that have a file, in alphabetical order."""
    return sorted(name_of(file) for file in (project_dir or PROJECT_DIR).glob("Pulumi.*.yaml"))


def name_of(file: Path) -> str:
    """The stack of a stack file."""
    return file.name.removeprefix("Pulumi.").removesuffix(".yaml")


def file_of(stack: str, project_dir: Path | None = None) -> Path:
    """The file of a stack; raises BadInputError that lists the known stacks and the nearest one."""
    checked(stack)
    folder = project_dir or PROJECT_DIR
    known = names(folder)
    if stack in known:
        return folder / f"Pulumi.{stack}.yaml"
    near = difflib.get_close_matches(stack, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise BadInputError(
        f"stack {stack!r}: no file Pulumi.{stack}.yaml; {hint}known: {', '.join(known) or 'none'}"
    )
