"""`python -m bot plan`: what a stack is made of, without engine, cluster, Vault or secret."""

from __future__ import annotations

import argparse

from bot import stacks
from bot.cli import Subparsers


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("plan", help="what a stack is made of, without credentials")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--stack", action="append", metavar="NAME", help="may be repeated")
    which.add_argument("--all", action="store_true", help="every stack that has a file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    for name in stacks.names() if arguments.all else arguments.stack:
        stacks.file_of(name)
    return 0
