"""`python -m bot destroy`: remove what a stack made; what is protected stays unless told."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing

from bot import engine, preview, up
from bot.cli import Subparsers
from bot.delivery import bystanders, lock, protected, tree
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
    """Run the command; raises BadInputError where nobody can be asked and `--yes` is not given.

    Raises RefusedError without its `--allow`, and without another where something of others is in
    a namespace that goes.
    """
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    needed = Need(Action.STACK, f"stack {target.stack}", "is destroyed, with all that it made")
    command = f"python -m bot destroy --stack {target.stack}"
    protected.refuse([needed], arguments.allow, f"run `{command}` again")
    if not arguments.yes:
        up.needs_terminal("destroy")
    found = search.engine()
    wanted = Operation(
        tree=tree.read(target.project_dir), allowed=tuple(arguments.allow), kind="destroy"
    )
    with closing(Progress("destroy", target)) as progress:
        wait = lock.Wait(arguments.wait, progress.waiting, progress.note)
        if not wait.until_free(target):
            up.say(engine_report.locked(target.stack, [e.lock for e in lock.held(target)]))
            return FAILED
    if target.config.cluster is not None and Action.NAMESPACE not in arguments.allow:
        planned = previewed(
            found,
            target,
            include_protected=arguments.include_protected,
            timeout=arguments.timeout,
        )
        if not planned.ok:
            up.say(engine_report.failure(planned))
            return preview.exit_code(planned, expect_no_changes=False)
        lost = bystanders.needs(found, target, bystanders.going(planned.ledger))
        protected.refuse(lost, arguments.allow, f"run `{command} --allow stack` again")
    if not arguments.yes:
        # The name, not a `y`: a habit answers `y`.
        sys.stdout.write(f"type {target.stack!r} to destroy the stack: ")
        sys.stdout.flush()
        if sys.stdin.readline().strip() != target.stack:
            up.say(["nothing was changed"])
            return DONE
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
    with closing(Progress("destroy", target)) as progress:
        return engine.run(
            found,
            target,
            "destroy",
            _scope(include_protected),
            message=message,
            listen=progress.show,
            timeout=timeout,
        )


def previewed(
    found: Engine,
    target: Target,
    *,
    include_protected: bool = False,
    timeout: float = engine.TIMEOUT_SECONDS,
) -> Result:
    """What a destruction would delete; only the engine knows what stays for what is protected."""
    with closing(Progress("preview", target)) as progress:
        return engine.run(
            found,
            target,
            "destroy",
            _scope(include_protected),
            preview_only=True,
            listen=progress.show,
            timeout=timeout,
        )


def _scope(include_protected: bool) -> str:
    return "--ignore-protect" if include_protected else "--exclude-protected"


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
