"""Exit codes of `python -m bot`, and the errors that lead to them."""

from __future__ import annotations

from typing import ClassVar

DONE = 0
FAILED = 1
BAD_INPUT = 2
MISSING_TOOL = 3
REFUSED = 4
CHANGES_PENDING = 5
INTERRUPTED = 130


class BotError(Exception):
    """An expected end of a command; `str()` is what the operator reads, one line per fault."""

    exit_code: ClassVar[int] = FAILED


class BadInputError(BotError):
    """An argument or the config cannot be used."""

    exit_code = BAD_INPUT


class MissingToolError(BotError):
    """A program or server is missing; says which and how to get it."""

    exit_code = MISSING_TOOL


class RefusedError(BotError):
    """A safety rule forbids it; says which rule."""

    exit_code = REFUSED
