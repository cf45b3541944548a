"""`python -m bot preview`: what `up` would change, from the engine."""

from __future__ import annotations

import argparse
import json
import sys

from bot import engine, engine_report, engine_target, trust_fleet
from bot.cli import Subparsers
from bot.engine import Engine, Result
from bot.engine_target import Target
from bot.exit_codes import CHANGES_PENDING, DONE, FAILED, INTERRUPTED
from bot.progress import Progress, remember


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("preview", help="what `up` would change, from the engine")
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument(
        "--expect-no-changes", action="store_true", help="exit code 5 when something would change"
    )
    parser.add_argument("--refresh", action="store_true", help="read what is there first")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    add_timeout(parser)
    parser.set_defaults(run=run)


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add the option that every command of the engine has."""
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=engine.TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="interrupt the engine after this long (default 1800)",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    trust_fleet.guard(target)
    result = preview(search.engine(), target, refresh=arguments.refresh, timeout=arguments.timeout)
    if arguments.json:
        sys.stdout.write(f"{json.dumps(engine_report.document(result), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines(result)))
    return exit_code(result, expect_no_changes=arguments.expect_no_changes)


def preview(
    found: Engine,
    target: Target,
    *,
    refresh: bool = False,
    timeout: float = engine.TIMEOUT_SECONDS,
) -> Result:
    """Run the preview with progress on stderr."""
    progress = Progress("preview", target)
    flags = ["--refresh"] if refresh else []
    try:
        result = engine.run(found, target, "preview", *flags, listen=progress.show, timeout=timeout)
    finally:
        progress.close()
    if result.ok:
        remember(target, result.ledger)
    return result


def lines(result: Result) -> list[str]:
    """The result in words."""
    if not result.ok:
        return engine_report.failure(result)
    told = [*engine_report.table(result.ledger, preview=True)]
    told += engine_report.listed(result.ledger, preview=True)
    if result.ledger.incomplete:
        told.append(
            "the preview is incomplete: a chart has a value that only `up` knows, so its objects "
            "look deleted"
        )
    return told


def exit_code(result: Result, *, expect_no_changes: bool) -> int:
    """The command's exit code for a result."""
    if result.ending.ended == "interrupted":
        return INTERRUPTED
    if not result.ok:
        return FAILED
    if expect_no_changes and not result.unchanged:
        return CHANGES_PENDING
    return DONE
