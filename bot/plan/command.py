"""`python -m bot plan`: what a stack is made of, without engine, cluster, Vault or secret.

Helm and the chart archives add the objects of the charts where they are there. With `--base` it
tells what changes between a revision and the working tree.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bot import stacks
from bot.cli import parsers
from bot.cli.dispatch import Subparsers
from bot.exit_codes import DONE, FAILED, BadInputError, BotError, RefusedError


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "plan",
        run,
        "Show the resources, charts and objects of stacks, computed from the program alone; with "
        "--base what differs from another git revision, and how risky it is. Changes nothing. "
        "Needs no engine, cluster, Vault or secret; renders charts where helm and their archives "
        "are present.",
        "plan --stack staging",
        "plan --all --base main",
        "plan --stack staging --stack production --base main --out .local/plan",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--stack", action="append", metavar="NAME", help="a stack (repeatable)")
    which.add_argument("--all", action="store_true", help="every stack that has a stack file")
    parser.add_argument(
        "--base",
        metavar="REV",
        help="show what changes from this git revision to the working tree",
    )
    parser.add_argument(
        "--fetch-charts",
        action="store_true",
        help="with --base: download chart archives of REV that are not in the cache",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="also write manifests, plan.json and index.html with the graph as a picture, and with "
        "--base a STACK.changes.json per stack for `bot comment`",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; faults of all stack files are told before any plan is made."""
    if arguments.base is not None:
        return _compare(arguments)
    if arguments.fetch_charts:
        raise BadInputError("--fetch-charts: needs --base; `make charts` fetches this tree's")
    # These take 0.4 s to import, which the other commands need not wait for.
    from bot.plan import policy
    from bot.plan.files import as_json, write
    from bot.plan.model import plans
    from bot.plan.text import text

    names = stacks.names() if arguments.all else list(dict.fromkeys(arguments.stack))
    made = plans([stacks.file_of(stacks.deployable(name)) for name in names], stacks.PROJECT_DIR)
    if arguments.out is not None:
        write(made, arguments.out)
    if arguments.json:
        sys.stdout.write(f"{as_json(made)}\n")
    else:
        sys.stdout.write("\n\n".join(map(text, made)) + "\n")
    if arguments.out is not None:
        sys.stderr.write(f"written: {arguments.out / 'index.html'}\n")
    if any(each.charts for each in made):
        _tell_unchecked()
    policy.judge(made)
    return DONE


def _tell_unchecked() -> None:
    """Once for all stacks: it is the project's list."""
    from stack.charts import unchecked

    if told := unchecked(stacks.PROJECT_DIR):
        sys.stderr.write(f"note: {told}\n")


def _compare(arguments: argparse.Namespace) -> int:
    from bot.plan import base as plan_base
    from bot.plan import base_files as plan_base_files
    from bot.plan import base_text as plan_base_text

    names = None if arguments.all else arguments.stack
    if arguments.out is not None:
        plan_base_files.clear(arguments.out)
    try:
        found = plan_base.compare(
            arguments.base, names, out=arguments.out, fetch=arguments.fetch_charts
        )
    except BotError as error:
        if arguments.out is not None:
            # Else the comment of an earlier commit would stay, and look like this one's.
            plan_base_files.fail(names or stacks.names(), arguments.out, str(error))
        raise
    if arguments.out is not None:
        # Before any fault is told: whoever reads the comment is told of it there.
        plan_base_files.write(found.sets, arguments.out)
    if found.faults:
        raise BadInputError("\n".join(found.faults))
    shown = plan_base_text.as_json(found) if arguments.json else plan_base_text.text(found)
    sys.stdout.write(f"{shown}\n")
    _tell_unchecked()
    if found.refused:
        raise RefusedError("\n".join(found.refused))
    return FAILED if found.broken else DONE
