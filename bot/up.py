"""`python -m bot up`: bring a stack to what its file says."""

from __future__ import annotations

import argparse
import sys
import time

from bot import (
    engine,
    engine_checkpoint,
    engine_recover,
    engine_report,
    engine_target,
    preview,
    trust_fleet,
)
from bot.cli import Subparsers
from bot.engine import Engine, Result
from bot.engine_target import Target
from bot.exit_codes import DONE, BadInputError
from bot.progress import Progress, remember


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("up", help="bring a stack to what its file says")
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument("--refresh", action="store_true", help="read what is there first")
    parser.add_argument("--yes", action="store_true", help="do not preview and ask first")
    preview.add_timeout(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises BadInputError where nobody can be asked and `--yes` is not given."""
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    trust_fleet.guard(target)
    found = search.engine()
    if not arguments.yes:
        needs_terminal("up")
        planned = preview.preview(
            found, target, refresh=arguments.refresh, timeout=arguments.timeout
        )
        say(preview.lines(planned))
        if not planned.ok or planned.unchanged:
            return preview.exit_code(planned, expect_no_changes=False)
        if not asked(f"apply this to stack {target.stack}?"):
            say(["nothing was changed"])
            return DONE
    say(trust_fleet.same_anchors(target))
    started = time.monotonic()
    result = up(found, target, refresh=arguments.refresh, timeout=arguments.timeout)
    say(lines(result, time.monotonic() - started))
    return preview.exit_code(result, expect_no_changes=False)


def up(
    found: Engine,
    target: Target,
    *,
    refresh: bool = False,
    timeout: float = engine.TIMEOUT_SECONDS,
) -> Result:
    """Run the update with progress on stderr.

    refresh: what is there is read first, so that what somebody else changed is set right.
    """
    progress = Progress("up", target)
    flags = ["--refresh"] if refresh else []
    try:
        result = engine.run(found, target, "up", *flags, listen=progress.show, timeout=timeout)
        if engine_checkpoint.mend(target, result):
            progress.note("a killed run had torn the state file: the one before it is used")
            result = engine.run(found, target, "up", *flags, listen=progress.show, timeout=timeout)
        if not result.ok and result.pending and result.ending.ended == "finished":
            progress.note("a run before this one was killed: taking over what it had made")
            engine_recover.recover(found, target)
            result = engine.run(found, target, "up", *flags, listen=progress.show, timeout=timeout)
    finally:
        progress.close()
    if result.ok:
        remember(target, result.ledger)
    return result


def lines(result: Result, seconds: float) -> list[str]:
    """The result in words."""
    if not result.ok:
        return engine_report.failure(result)
    return [
        *engine_report.table(result.ledger),
        *engine_report.listed(result.ledger),
        engine_report.closing(result, seconds),
    ]


def say(told: list[str]) -> None:
    """Print lines at once, also into a pipe."""
    sys.stdout.write("".join(f"{line}\n" for line in told))
    sys.stdout.flush()


def needs_terminal(command: str) -> None:
    """Raise BadInputError where there is nobody to answer a question."""
    if not sys.stdin.isatty():
        raise BadInputError(f"bot {command}: --yes is needed where there is no terminal to ask")


def asked(question: str) -> bool:
    """Ask a question that only `y` or `yes` answers."""
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
