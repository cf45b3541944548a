"""Parsers of commands, and of groups such as `bot trust`: each has a description and examples."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterable

from bot.cli.dispatch import Subparsers

Parser = argparse.ArgumentParser


def command(
    commands: Subparsers,
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    *examples: str,
) -> Parser:
    """Add a command, and return its parser.

    text: what the command does, what it changes and what it needs. examples: command lines without
    `python -m bot`; tests/unit/test_help.py parses them.
    """
    parser: Parser = commands.add_parser(
        name,
        help=text.partition(". ")[0].removesuffix("."),
        description=_wrapped(text),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    start = parser.prog.removesuffix(name)
    parser.epilog = examples_text([f"{start}{each}" for each in examples])
    parser.set_defaults(run=run)
    return parser


def group(
    subparsers: Subparsers, name: str, text: str, makers: Iterable[Callable[[Subparsers], Parser]]
) -> None:
    """Add the command `name`; each of `makers` adds one of its commands.

    Its help shows the usage and the first example of each of them.
    """
    parser = subparsers.add_parser(
        name,
        description=_wrapped(text),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="what")
    made = [make(commands) for make in makers]
    usages = "".join(each.format_usage() for each in made)
    first = [line for each in made for line in (each.epilog or "").splitlines()[1:2]]
    parser.epilog = f"{usages}\n{examples_text(line.strip() for line in first)}"


def examples_text(lines: Iterable[str]) -> str:
    """The end of a help: command lines that can be copied as they are."""
    return "".join(("examples:\n", *(f"  {line}\n" for line in lines))).rstrip()


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 80, break_on_hyphens=False)
