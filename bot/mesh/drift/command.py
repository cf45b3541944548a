"""`python -m bot drift`: what is there and not as declared. It reads, and changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bot import engine
from bot.cli import options, parallel, parsers
from bot.cli.dispatch import Subparsers
from bot.clients.target import Target
from bot.engine import Engine
from bot.engine import target as engine_target
from bot.exit_codes import BadInputError
from bot.mesh.trust import fleet as trust_fleet
from bot.text.output import write_text

if TYPE_CHECKING:
    from bot.mesh.drift.report import DriftReport, StackDrift

REPORT = "drift.json"


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "drift",
        run,
        "Report objects that differ from the state, and objects in the platform's namespaces that "
        "the program does not declare. Changes nothing. Needs the engine, access to the state, and "
        "read access to the clusters. Exit code 5 when there is drift, 1 when a stack could not be "
        "read.",
        "drift --stack staging",
        "drift --all --out .local/drift",
    )
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--stack", metavar="NAME")
    chosen.add_argument("--all", action="store_true", help="every stack of fleet.yaml")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"also write {REPORT}, and for each stack NAME.changes.json for `bot comment`",
    )
    parallel.add(parser)
    options.add_timeout(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises BadInputError for a stack that is none or a folder of no use."""
    search = engine.FoundMeanwhile()
    names = trust_fleet.the_fleet().stacks if arguments.all else (arguments.stack,)
    targets = [engine_target.of(name) for name in names]
    if arguments.out is not None:
        _folder(arguments.out)
    # The models take a while to import, which the other commands need not wait for.
    from bot.mesh.drift import report, text

    stacks = look(search.engine(), targets, arguments.parallel, arguments.timeout)
    made = report.DriftReport(stacks=tuple(stacks))
    if arguments.out is not None:
        _write(made, arguments.out)
    if arguments.json:
        sys.stdout.write(f"{json.dumps(report.document(made), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in text.lines(made)))
    return made.exit_code


def look(
    found: Engine, targets: Sequence[Target], at_a_time: int, timeout: float
) -> list[StackDrift]:
    """The drift of each stack in the order given, `at_a_time` of them at a time."""
    from bot.mesh.drift.check import check

    return parallel.run_all(
        lambda target, stop: check(found, target, stop, timeout),
        targets,
        at_a_time,
        lambda done: f"{done.stack}: {done.outcome}",
    )


def _folder(folder: Path) -> None:
    """Make the folder before anything is looked at; raises BadInputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"--out {folder}: {error.strerror}: name a folder") from None


def _write(made: DriftReport, folder: Path) -> None:
    from bot.mesh.drift import report
    from bot.mesh.drift.as_changes import changes

    texts = {REPORT: json.dumps(report.document(made), indent=2)}
    for each in made.stacks:
        texts[f"{each.stack}.changes.json"] = changes(each).model_dump_json(indent=2)
    try:
        for name, text in texts.items():
            write_text(folder / name, f"{text}\n")
    except OSError as error:
        raise BadInputError(f"--out {folder}: {error.strerror}: name a folder") from None
