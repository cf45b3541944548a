"""A command with commands of its own, such as `bot trust status`: its help shows all of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

from bot.cli.dispatch import Subparsers

Parser = argparse.ArgumentParser


def group(
    subparsers: Subparsers, name: str, makers: Iterable[Callable[[Subparsers], Parser]]
) -> None:
    """Add the command `name`; each of `makers` adds one of its commands."""
    parser = subparsers.add_parser(name, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="what")
    made = [make(commands) for make in makers]
    parser.epilog = "".join(each.format_usage() for each in made)


def command(
    commands: Subparsers, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> Parser:
    """Add one of the group's commands; its parser."""
    parser: Parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser
