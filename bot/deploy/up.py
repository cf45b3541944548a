"""`python -m bot up`: bring a stack to what its file says, and prove that it is healthy."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bot import engine
from bot.changes.model import ChangeSet
from bot.cli import options, parsers
from bot.cli.dispatch import Subparsers
from bot.clients.target import Target
from bot.deploy import (
    adopt,
    approval,
    bytecode,
    check,
    gate,
    lock,
    operation,
    outcome,
    preview,
    signing,
    tree,
    verify,
    waves,
)
from bot.deploy.approval import Approval
from bot.deploy.operation import Operation
from bot.deploy.protected import Action
from bot.deploy.tree import Tree
from bot.engine import Engine, EngineResult
from bot.engine import checkpoint as engine_checkpoint
from bot.engine import recover as engine_recover
from bot.engine import report as engine_report
from bot.engine import target as engine_target
from bot.engine.progress import Progress, remember
from bot.exit_codes import DONE, FAILED, BadInputError
from bot.mesh import existing
from bot.mesh.trust import fleet as trust_fleet

# How long a backend that shows its locks only to who tries is left alone between two tries.
_RETRY_SECONDS = 15.0


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "up",
        run,
        "Apply a stack file: preview, ask for confirmation, update the cluster and Vault, then "
        "verify the mesh. Needs the engine, access to the state, write access to the stack's "
        "cluster and Vault, and an approval where the stack requires one.",
        "up --stack staging",
        "up --stack production --approved approval.json",
        "up --wave canary --yes",
    )
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--stack", metavar="NAME")
    chosen.add_argument("--wave", metavar="NAME", help="every stack of a wave of fleet.yaml")
    waves.add(parser)
    parser.add_argument(
        "--refresh", action="store_true", help="refresh the state from the cluster first"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument(
        "--approved", type=Path, metavar="FILE", help="apply exactly what this approval covers"
    )
    add_allow(parser)
    parser.add_argument(
        "--skip-waves",
        action="store_true",
        help="apply although stacks of earlier waves do not have this commit; needs --reason",
    )
    parser.add_argument("--reason", metavar="TEXT", help="reason, recorded in the history")
    parser.add_argument(
        "--no-verify",
        action="store_true",
        help="do not verify the mesh afterwards; recorded in the history",
    )
    add_wait(parser)
    options.add_timeout(parser)


def add_allow(parser: argparse.ArgumentParser, allowed: Sequence[Action] = tuple(Action)) -> None:
    """Add the option for protected actions, of which only `allowed` can be meant."""

    def named(text: str) -> Action:
        if text not in allowed:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(allowed)}")
        return Action(text)

    parser.add_argument(
        "--allow",
        action="append",
        type=named,
        default=[],
        metavar="|".join(allowed),
        help="confirm a protected action (repeatable)",
    )


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add the option for a stack that somebody else works on."""
    parser.add_argument(
        "--wait",
        type=options.seconds_or_none,
        default=0.0,
        metavar="SECONDS",
        help="wait this long for another run on the stack to end (default 0)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises BadInputError where nobody can be asked and `--yes` is not given."""
    waves.refuse_options(arguments)
    if arguments.wave:
        return waves.run(arguments)
    skipped = gate.skipped(arguments.skip_waves, arguments.reason)
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    trust_fleet.guard(target)
    given = approved(target, arguments.approved)
    wanted = Operation(
        tree=tree.read(target.project_dir),
        approval=given,
        allowed=tuple(arguments.allow),
        skipped=skipped,
        verify=not arguments.no_verify,
    )
    rule = gate.requirement_of(target.stack, target.project_dir)
    gate.check(rule, target, wanted.tree, approved=given is not None)
    if given is None:
        if not arguments.yes:
            needs_terminal("up")
    else:
        signing.refuse_unsigned(target, given)
    if wanted.verify:
        verify.refuse_unable(target)
    existing.refuse(target)
    found = search.engine()
    if not skipped:
        gate.earlier_waves(found, target, rule, wanted.tree)
    return deliver(found, target, wanted, arguments)


def approved(target: Target, file: Path | None) -> Approval | None:
    """The approval of a stack in a file, if one is given; raises RefusedError for an unusable one.

    Whether it is signed is asked of Vault later.
    """
    if file is None:
        return None
    given = approval.read(file)
    approval.refuse_unusable(given, target.stack)
    return given


def deliver(
    found: Engine,
    target: Target,
    wanted: Operation,
    arguments: argparse.Namespace,
    refuse: Callable[[ChangeSet], None] = lambda _changes: None,
    checked_out: Callable[[], Tree] | None = None,
) -> int:
    """Check, ask and apply, until the lock is ours or the time to wait for it is over.

    Each try checks and asks anew: whoever had the lock has changed what would be applied. All that
    a preview was made of is read again directly before the update, and is what the history tells.
    refuse: raises RefusedError for changes that the caller's own rules forbid. checked_out: reads
    the tree; by default the project's own.
    """
    look = checked_out or (lambda: tree.read(target.project_dir))
    with closing(Progress("up", target)) as progress:
        wait = lock.Wait(arguments.wait, progress.waiting, progress.note)
        while True:
            if not wait.until_free(target):
                locks = [each.lock for each in lock.held(target)]
                say(engine_report.locked(target.stack, locks))
                return FAILED
            wanted = replace(wanted, tree=look())
            planned = check.checked(
                found,
                target,
                wanted,
                refresh=arguments.refresh,
                timeout=arguments.timeout,
                note=progress.note,
            )
            if not planned.result.ok:
                say(preview.lines(planned.result))
                return preview.exit_code(planned.result, expect_no_changes=False)
            say([*check.verdict(planned.changes), *preview.lines(planned.result)])
            refuse(planned.changes)
            if not (arguments.yes or wanted.approval or planned.result.unchanged):
                needs_terminal("up")
                if not asked(f"apply this to stack {target.stack}?"):
                    say(["nothing was changed"])
                    return DONE
            say(trust_fleet.same_anchors(target))
            wanted = replace(wanted, tree=look(), snapshot=planned.snapshot)
            check.refuse_moved(found, target, wanted, planned.snapshot)
            if wanted.approval is not None:
                bytecode.refuse_foreign(target.project_dir)
            started = time.monotonic()
            adopt.hand_over_crds(target)
            with operation.marked(found, target, wanted) as mark:
                result = up(
                    found,
                    target,
                    refresh=arguments.refresh,
                    timeout=arguments.timeout,
                    message=wanted.message(target.stack),
                )
                # Then it has not begun, and another run's mark may be the one that counts.
                mark.keep = not result.locks
            if not result.locks or wait.over:
                break
            wait.pause("; ".join(map(str, result.locks)), _RETRY_SECONDS)
    say(lines(result, time.monotonic() - started))
    return outcome.concluded(found, target, wanted, result)


def up(
    found: Engine,
    target: Target,
    *,
    refresh: bool = False,
    timeout: float = engine.TIMEOUT_SECONDS,
    message: str = "",
) -> EngineResult:
    """Run the update with progress on stderr.

    refresh: what is there is read first, so that what somebody else changed is set right.
    message: goes into the history; without one the engine takes the commit's first line.
    """
    with closing(Progress("up", target)) as progress:

        def once() -> EngineResult:
            return engine.run(
                found,
                target,
                "up",
                refresh=refresh,
                message=message,
                listen=progress.show,
                timeout=timeout,
            )

        result = once()
        if engine_checkpoint.mend(target, result):
            progress.note("a killed run left the state file incomplete: the previous one is used")
            result = once()
        if not result.ok and result.pending and result.ending.ended == "finished":
            progress.note("an earlier run was killed: importing the resources that it created")
            engine_recover.recover(found, target)
            result = once()
    if result.ok:
        remember(target, result.record)
    return result


def lines(result: EngineResult, seconds: float) -> list[str]:
    """The result in words."""
    if not result.ok:
        return engine_report.failure(result)
    return [
        *engine_report.table(result.record),
        *engine_report.changed_resources(result.record),
        engine_report.closing(result, seconds),
    ]


def say(told: list[str]) -> None:
    """Print lines at once, also into a pipe."""
    sys.stdout.write("".join(f"{line}\n" for line in told))
    sys.stdout.flush()


def needs_terminal(command: str) -> None:
    """Raise BadInputError where there is nobody to answer a question."""
    if not sys.stdin.isatty():
        raise BadInputError(f"bot {command}: needs --yes where there is no terminal to ask")


def asked(question: str) -> bool:
    """Ask a question that only `y` or `yes` answers."""
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
