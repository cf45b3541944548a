"""`python -m bot destroy`: remove what a stack made; what is protected stays unless told.

It passes the same gate as `up`. A destruction is approved as a change is: `--preview --out FILE`,
`python -m bot approve`, `--approved FILE`.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bot import engine
from bot.changes import file
from bot.changes.model import ChangeSet
from bot.cli import options, parsers
from bot.cli.dispatch import Subparsers
from bot.clients.target import Target
from bot.deploy import (
    bytecode,
    check,
    foreign_objects,
    gate,
    lock,
    operation,
    preview,
    protected,
    signing,
    snapshot,
    tree,
    up,
)
from bot.deploy.operation import Operation
from bot.deploy.protected import Action
from bot.engine import Engine, EngineResult
from bot.engine import report as engine_report
from bot.engine import target as engine_target
from bot.engine.progress import Progress
from bot.exit_codes import DONE, FAILED, BadInputError


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "destroy",
        run,
        "Delete what a stack created. Trust anchors, Vault mounts and CRDs stay unless "
        "--include-protected is given. Needs `--allow stack`, the engine, access to the state, and "
        "write access to the stack's cluster and Vault.",
        "destroy --stack staging --preview",
        "destroy --stack staging --allow stack --yes",
        "destroy --stack production --approved approval.json",
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--preview", action="store_true", help="show what would be deleted, and change nothing"
    )
    what.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    what.add_argument(
        "--approved", type=Path, metavar="FILE", help="apply exactly what this approval covers"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="with --preview: write the changes, for `bot approve`",
    )
    parser.add_argument(
        "--include-protected",
        action="store_true",
        help="also delete protected resources: trust anchors, Vault mounts, CRDs",
    )
    up.add_allow(parser)
    up.add_wait(parser)
    options.add_timeout(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises BadInputError where nobody can be asked and `--yes` is not given.

    Raises RefusedError without its `--allow`, without an approval where the stack needs one, and
    without another `--allow` where something of others is in a namespace that goes.
    """
    if arguments.out is not None and not arguments.preview:
        raise BadInputError("bot destroy: --out needs --preview")
    if arguments.out is not None:
        # A run that is refused must not leave the set of an earlier one behind.
        file.begin(arguments.out, arguments.stack)
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    given = up.approved(target, arguments.approved)
    wanted = Operation(
        tree=tree.read(target.project_dir),
        approval=given,
        allowed=(*arguments.allow, *(given.allowed if given else ())),
        kind="destroy",
        options=(_scope(arguments.include_protected),),
    )
    if arguments.preview:
        return _look(search.engine(), target, wanted, arguments)
    command = f"python -m bot destroy --stack {target.stack}"
    needed = protected.destruction(target.stack)
    protected.refuse([needed], wanted.allowed, f"run `{command}` again")
    rule = gate.requirement_of(target.stack, target.project_dir)
    gate.check(rule, target, wanted.tree, approved=given is not None)
    if given is not None:
        signing.refuse_unsigned(target, given)
    elif not arguments.yes:
        up.needs_terminal("destroy")
    found = search.engine()
    with closing(Progress("destroy", target)) as progress:
        wait = lock.Wait(arguments.wait, progress.waiting, progress.note)
        if not wait.until_free(target):
            up.say(engine_report.locked(target.stack, [e.lock for e in lock.held(target)]))
            return FAILED
        made, resumed = check.bound(found, target, wanted, progress.note)
    looks = target.config.cluster is not None and Action.NAMESPACE not in wanted.allowed
    if looks or given is not None:
        planned = previewed(
            found,
            target,
            include_protected=arguments.include_protected,
            timeout=arguments.timeout,
        )
        if not planned.ok:
            up.say(engine_report.failure(planned))
            return preview.exit_code(planned, expect_no_changes=False)
        check.refuse_unapproved(wanted, changes_of(planned), resumed=resumed)
        if looks:
            lost = foreign_objects.needs(found, target, foreign_objects.going(planned.record))
            protected.refuse(lost, wanted.allowed, f"run `{command} --allow stack` again")
    if not (arguments.yes or given):
        # The name, not a `y`: a habit answers `y`.
        sys.stdout.write(f"type {target.stack!r} to destroy the stack: ")
        sys.stdout.flush()
        if sys.stdin.readline().strip() != target.stack:
            up.say(["nothing was changed"])
            return DONE
    wanted = replace(wanted, tree=tree.read(target.project_dir), snapshot=made)
    check.refuse_moved(found, target, wanted, made)
    if given is not None:
        bytecode.refuse_foreign(target.project_dir)
    started = time.monotonic()
    with operation.marked(found, target, wanted) as mark:
        result = destroy(
            found,
            target,
            include_protected=arguments.include_protected,
            timeout=arguments.timeout,
            message=wanted.message(target.stack),
        )
        mark.keep = not result.locks
    up.say(lines(result, time.monotonic() - started, arguments.include_protected))
    return preview.exit_code(result, expect_no_changes=False)


def _look(found: Engine, target: Target, wanted: Operation, arguments: argparse.Namespace) -> int:
    """Preview; with `--out` into a file that can be approved. Nothing is changed."""
    snapshot.refuse_other_cluster(target)
    made = snapshot.read(found, target, wanted.tree, wanted.kind, options=wanted.options)
    result = previewed(
        found,
        target,
        include_protected=arguments.include_protected,
        timeout=arguments.timeout,
    )
    changes = preview.bound(changes_of(result), made, target)
    if arguments.out is not None:
        file.write(arguments.out, changes)
    if not result.ok:
        up.say(engine_report.failure(result))
        return preview.exit_code(result, expect_no_changes=False)
    told = [*engine_report.table(result.record, preview=True)]
    told += engine_report.changed_resources(result.record, preview=True)
    up.say([*preview.verdict(changes), *told, *preview.snapshot_lines(changes)])
    return DONE


def changes_of(result: EngineResult) -> ChangeSet:
    """What a previewed destruction would remove; no rule says how what goes must be."""
    from bot.engine import as_changes

    return as_changes.changes_of(result, result.target.config)


def destroy(
    found: Engine,
    target: Target,
    *,
    include_protected: bool = False,
    timeout: float = engine.TIMEOUT_SECONDS,
    message: str = "",
) -> EngineResult:
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
) -> EngineResult:
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


def lines(result: EngineResult, seconds: float, include_protected: bool) -> list[str]:
    """The result in words."""
    if not result.ok:
        return engine_report.failure(result)
    told = engine_report.table(result.record)
    if include_protected and result.target.config.protection.protect:
        told.append(
            "protected resources were removed from the state, but still exist: they are retained "
            "on delete, so that no command deletes an anchor or a CRD; delete them manually"
        )
    elif result.target.config.protection.protect:
        told.append("protected resources stay, also in the state")
    return [*told, engine_report.closing(result, seconds)]
