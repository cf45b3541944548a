"""Options that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from bot.exit_codes import BadInputError

T = TypeVar("T")
_MOST_SECONDS = 7 * 86_400.0
TIMEOUT_SECONDS = 1800.0


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add the option that every command of the engine has."""
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="interrupt the engine after this long (default 1800)",
    )


def typed(read: Callable[[str], T]) -> Callable[[str], T]:
    """`read` for argparse, which shows the words of an ArgumentTypeError alone."""

    def checked(words: str) -> T:
        try:
            return read(words)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def given(option: str, read: Callable[[str], T], words: str) -> T:
    """What an option says that is read behind the others; raises BadInputError with its name."""
    try:
        return read(words)
    except ValueError as error:
        raise BadInputError(f"{option} {error}") from None


def seconds(text: str) -> float:
    """A number of seconds above 0, for argparse."""
    found = seconds_or_none(text)
    if found == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a positive number of seconds")
    return found


def seconds_or_none(text: str) -> float:
    """The same where 0 is for not at all."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    # `nan` is neither above nor below; what is longer overflows the clock of a wait.
    if not 0 <= found <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be a number of seconds from 0 to {_MOST_SECONDS:.0f}"
        )
    return found
