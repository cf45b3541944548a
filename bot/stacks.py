"""Which stacks there are, the stack files of the project, and the program that they share."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bot.exit_codes import BadInputError

PROJECT_DIR = Path(__file__).resolve().parent.parent

# As the engine has them (pulumi sdk/go/common/tokens/names.go), but for what would be a hidden
# file or an option.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
# A label's value, which the name is on every object (stack/transforms.py).
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
# An organization of Pulumi Cloud that is not the default one of who is logged in.
ORGANIZATION = "PULUMI_ORGANIZATION"
_PROJECT = "linkerd-platform"


def checked(stack: str, where: str = "") -> str:
    """The name of a stack, which may stand in a file's name, a marker or a terminal.

    where: what it is from, for the error. Raises BadInputError for what no stack can be called.
    """
    if not _NAME.fullmatch(stack):
        told = f"{where}: " if where else ""
        raise BadInputError(
            f"{told}stack {stack[:80]!r}: a stack's name has only letters, digits, `_`, `.` and `-`"
        )
    return stack


def deployable(stack: str) -> str:
    """The name of a stack that can be deployed; raises BadInputError for one that is no label."""
    if _LABEL.fullmatch(checked(stack)):
        return stack
    raise BadInputError(
        f"Pulumi.{stack}.yaml: stack {stack!r}: its name is a label of every object, so it has at "
        "most 63 characters, and begins and ends with a letter or digit: rename the file, and the "
        "stack with `pulumi stack rename`"
    )


def current() -> str:
    """The stack that the engine runs the program for; raises BadInputError as above."""
    import pulumi

    return deployable(pulumi.get_stack())


def chosen(text: str) -> str:
    """The stack of `staging`, `acme/staging` or `acme/linkerd-platform/staging`.

    The organization is kept for the engine, by the variable that commands below this one see too.
    Raises BadInputError.
    """
    *before, name = text.split("/")
    if not before:
        return text
    organization, *project = before
    if len(before) > 2 or not _NAME.fullmatch(organization):
        raise BadInputError(f"--stack {text[:160]!r}: write STACK or ORGANIZATION/STACK")
    if project and project != [_PROJECT]:
        raise BadInputError(
            f"--stack {text[:160]!r}: the project is {_PROJECT!r}: write {organization}/{name}"
        )
    known = os.environ.get(ORGANIZATION)
    if known and known != organization:
        raise BadInputError(
            f"--stack {text[:160]!r}: {ORGANIZATION} is {known[:80]!r}: unset it, or write "
            f"{known[:80]}/{name}"
        )
    os.environ[ORGANIZATION] = organization
    return checked(name)


def qualified(stack: str) -> str:
    """The name as the engine gets it: with its organization, where one is said."""
    organization = os.environ.get(ORGANIZATION)
    if not organization:
        return stack
    if not _NAME.fullmatch(organization):
        raise BadInputError(f"{ORGANIZATION}: {organization[:80]!r} is no organization's name")
    return f"{organization}/{stack}"


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


def has_program(project_dir: Path) -> bool:
    """Whether the project's __main__.py defines `program`, which can be called; runs nothing."""
    try:
        module = ast.parse((project_dir / "__main__.py").read_bytes())
    except (FileNotFoundError, SyntaxError, ValueError):
        return False
    return any(isinstance(n, ast.AsyncFunctionDef) and n.name == "program" for n in module.body)


def program_of(project_dir: Path) -> Callable[[Any, Any], Awaitable[None]] | None:
    """`program(config, charts)` of the project's __main__.py, which `pulumi up` runs as well.

    None where the file has none: it is another program's, or of a revision before there was one.
    Raises what the file raises when it is loaded.
    """
    spec = importlib.util.spec_from_file_location(
        "linkerd_platform_main", project_dir / "__main__.py"
    )
    if not has_program(project_dir) or spec is None or spec.loader is None:
        return None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    found: Callable[[Any, Any], Awaitable[None]] = loaded.program
    return found
