"""`python -m bot destroy`: remove what a stack made; what is protected stays unless told."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing

from bot import engine, preview, up
from bot.cli import Subparsers
from bot.delivery import lock, protected, tree
from bot.delivery.operation import Operation
from bot.delivery.protected import Action, Need
from bot.engine import Engine, Result
from bot.engine import report as engine_report
from bot.engine import target as engine_target
from bot.engine.target import Target
from bot.exit_codes import DONE, FAILED
from bot.progress import Progress


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("destroy")
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument("--yes", action="store_true", help="do not ask first")
    parser.add_argument(
        "--include-protected",
        action="store_true",
        help="also drop what is protected: trust anchors, Vault's mounts, CRDs",
    )
    up.add_allow(parser)
    up.add_wait(parser)
    preview.add_timeout(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises BadInputError where nobody can be asked and `--yes` is not given."""
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    needed = Need(Action.STACK, f"stack {target.stack}", "is destroyed, with all that it made")
    command = f"run `python -m bot destroy --stack {target.stack}` again"
    protected.refuse([needed], arguments.allow, command)
    if not arguments.yes:
        up.needs_terminal("destroy")
        # The name, not a `y`: a habit answers `y`.
        sys.stdout.write(f"type {target.stack!r} to destroy the stack: ")
        sys.stdout.flush()
        if sys.stdin.readline().strip() != target.stack:
            up.say(["nothing was changed"])
            return DONE
    found = search.engine()
    wanted = Operation(
        tree=tree.read(target.project_dir), allowed=tuple(arguments.allow), kind="destroy"
    )
    with closing(Progress("destroy", target)) as progress:
        wait = lock.Wait(arguments.wait, progress.waiting, progress.note)
        if not wait.until_free(target):
            up.say(engine_report.locked(target.stack, [e.lock for e in lock.held(target)]))
            return FAILED
    started = time.monotonic()
    result = destroy(
        found,
        target,
        include_protected=arguments.include_protected,
        timeout=arguments.timeout,
        message=wanted.message(target.stack),
    )
    up.say(lines(result, time.monotonic() - started, arguments.include_protected))
    return preview.exit_code(result, expect_no_changes=False)


def destroy(
    found: Engine,
    target: Target,
    *,
    include_protected: bool = False,
    timeout: float = engine.TIMEOUT_SECONDS,
    message: str = "",
) -> Result:
    """Run the destruction with progress on stderr. message: goes into the history."""
    flags = ["--ignore-protect" if include_protected else "--exclude-protected"]
    flags += ["--message", message] if message else []
    with closing(Progress("destroy", target)) as progress:
        return engine.run(found, target, "destroy", *flags, listen=progress.show, timeout=timeout)


def lines(result: Result, seconds: float, include_protected: bool) -> list[str]:
    """The result in words."""
    if not result.ok:
        return engine_report.failure(result)
    told = engine_report.table(result.ledger)
    if include_protected and result.target.config.protection.protect:
        told.append(
            "what was protected is out of the state, and still there: it is retained on delete, so "
            "that no anchor and no CRD goes with a command; remove it by hand"
        )
    elif result.target.config.protection.protect:
        told.append("what is protected stays, and stays in the state")
    return [*told, engine_report.closing(result, seconds)]
