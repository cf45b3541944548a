"""`python -m bot rollback`: an older revision of the program, previewed and applied as by `up`.

The bot is today's, with today's rules; the program, its pins, its charts and the stack file are the
revision's. A forward fix is often better: see docs/runbooks/roll-back.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from bot import engine, stacks
from bot.changes import file
from bot.changes.model import ChangeSet
from bot.changes.snapshot import Kind, Snapshot
from bot.cli import options, parsers
from bot.cli.dispatch import Subparsers
from bot.clients.target import Target
from bot.deploy import (
    approval,
    approve,
    backend,
    check,
    environment,
    gate,
    preview,
    protected,
    rollback_rules,
    rollback_tree,
    signing,
    snapshot,
    tree,
    up,
    verify,
)
from bot.deploy.backend import Entry
from bot.deploy.operation import Operation
from bot.deploy.protected import Action
from bot.deploy.tree import Tree
from bot.engine import Engine
from bot.engine import target as engine_target
from bot.exit_codes import DONE, BadInputError, MissingToolError, RefusedError
from bot.mesh.trust import fleet as trust_fleet
from bot.text import git
from schema.faults import ConfigError
from stack.arguments import chart_refs
from stack.charts import ChartError, Charts

_ALLOWED = [action for action in Action if action not in (*rollback_rules.NEVER, Action.STACK)]


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "rollback",
        run,
        "Apply an older revision of the program and of the stack file. Trust anchors and CRDs are "
        "never deleted by it. Needs what `up` needs, and a git history that contains the revision.",
        "rollback --stack staging --to HEAD~1 --preview",
        "rollback --stack staging --to HEAD~1 --yes",
        "rollback --stack production --to HEAD~1 --approve-by ada --out approval.json",
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument(
        "--to", required=True, metavar="REV", help="a commit in the history of the checked-out one"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--preview", action="store_true", help="show what would change, and change nothing"
    )
    what.add_argument(
        "--approve-by",
        metavar="NAME",
        help="write an approval of the rollback to --out, and change nothing",
    )
    what.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    what.add_argument(
        "--approved", type=Path, metavar="FILE", help="apply exactly what this approval covers"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="file to write the previewed changes or the approval to",
    )
    # A rollback never deletes anchors and CRDs.
    up.add_allow(parser, _ALLOWED)
    parser.add_argument(
        "--skip-waves",
        action="store_true",
        help="apply although no stack up to this wave has had the revision; needs --reason",
    )
    parser.add_argument("--reason", metavar="TEXT", help="reason, recorded in the history")
    parser.add_argument(
        "--refresh", action="store_true", help="refresh the state from the cluster first"
    )
    parser.add_argument(
        "--no-verify",
        action="store_true",
        help="do not verify the mesh afterwards; recorded in the history",
    )
    up.add_wait(parser)
    options.add_timeout(parser)


@dataclass(frozen=True)
class Rollback(Operation):
    """An operation that goes back, and says so in the history."""

    kind: Kind = "rollback"

    def message(self, stack: str) -> str:
        """What the engine is given as `--message`; without what only another rule refuses."""
        allowed = tuple(each for each in self.allowed if each not in rollback_rules.NEVER)
        return Operation.message(replace(self, allowed=allowed), stack)


def run(arguments: argparse.Namespace, project_dir: Path | None = None) -> int:
    """Run the command; raises BotError."""
    project_dir = project_dir or stacks.PROJECT_DIR
    _refuse_options(arguments)
    skipped = gate.skipped(arguments.skip_waves, arguments.reason)
    if arguments.preview and arguments.out:
        # A run that is refused must not leave the set of an earlier one behind.
        file.begin(arguments.out, arguments.stack)
    search = engine.FoundMeanwhile()
    today = engine_target.of(arguments.stack, project_dir)
    commit = git.resolve(arguments.to, project_dir)
    short = commit[: git.SHORT]
    if git.merge_base(commit, "HEAD", project_dir) != commit:
        raise RefusedError(
            f"commit {short} is not in the history of the checked-out one: a rollback only goes "
            "back; for another branch check it out, and run `python -m bot up`"
        )
    looks = arguments.preview or arguments.approve_by is not None
    given = up.approved(today, arguments.approved)

    def checked_out() -> Tree:
        # The revision's own files are no other's; fleet.yaml and the other stacks' are today's.
        return replace(tree.read(project_dir), commit=commit)

    wanted = Rollback(
        tree=checked_out(),
        approval=given,
        # Let through to our own rule, which refuses them for good.
        allowed=(*arguments.allow, *rollback_rules.NEVER),
        skipped=skipped,
        verify=not arguments.no_verify,
    )
    rule = gate.requirement_of(today.stack, project_dir)
    if not looks:
        gate.check(rule, today, wanted.tree, approved=given is not None)
        if given is not None:
            signing.refuse_unsigned(today, given)
        elif not arguments.yes:
            up.needs_terminal("rollback")
    with prepared(commit, today, _say) as target:
        gate.refuse_shared(rule, target)
        if not looks and wanted.verify:
            verify.refuse_unable(target)
        found = search.engine()
        refuse_unsafe(found, today, target, short)
        _say(f"rollback of {today.stack} to commit {short}, with the current state")
        if looks:
            return _look(found, target, wanted, arguments, short)
        if not skipped and not was_applied(backend.history(found, today), commit):
            gate.earlier_waves(found, today, rule, wanted.tree)
        code = up.deliver(
            found,
            target,
            wanted,
            arguments,
            lambda changes: rollback_rules.refuse(rollback_rules.changes(changes), short),
            checked_out,
        )
    if code == DONE:
        _say(
            f"the next `python -m bot up` moves stack {today.stack} forward again: first revert "
            "the fault in git"
        )
    return code


def _refuse_options(arguments: argparse.Namespace) -> None:
    """Raise BadInputError for `--out` that nothing goes to, or that is missing."""
    if arguments.approve_by is not None and arguments.out is None:
        raise BadInputError("bot rollback: --approve-by needs --out FILE for the approval")
    if arguments.out is not None and not (arguments.preview or arguments.approve_by is not None):
        raise BadInputError("bot rollback: --out needs --preview or --approve-by NAME")
    if arguments.approve_by is not None and not arguments.approve_by.strip():
        raise BadInputError("--approve-by: give the approver's name")


@contextmanager
def prepared(commit: str, today: Target, note: environment.Note) -> Iterator[Target]:
    """The stack at a revision, ready for the engine: tree, stack file, charts, environment.

    Raises RefusedError where the revision cannot be used, MissingToolError where a chart of it is
    not in the cache.
    """
    short = commit[: git.SHORT]
    with rollback_tree.exported(commit, today.stack, today.project_dir) as folder:
        try:
            target = engine_target.of(today.stack, folder)
            charts = Charts(folder)
        except (ConfigError, ChartError) as error:
            raise RefusedError(
                f"commit {short}: the current bot cannot read its files:\n{error}"
            ) from None
        try:
            charts.link(*chart_refs(target.config, charts).values())
        except ChartError as error:
            # Its own advice is `make charts` here, which would download today's.
            what = str(error).partition(". Run ")[0]
            raise MissingToolError(
                f"commit {short}: {what}. Get them at that revision: `git worktree add ../rollback "
                f"{short}`, then `make -C ../rollback charts`; they go into the same cache"
            ) from None
        environment.provide(folder, today.project_dir, note)
        yield target


def refuse_unsafe(found: Engine, today: Target, target: Target, short: str) -> None:
    """Raise RefusedError for what is known before any preview; asks state, Vault and clusters."""
    reasons = list(rollback_rules.trust(target.config, today.config))
    reasons += rollback_rules.signer(target.config, today)
    deployed = rollback_rules.deployed_crds(found, today)
    reasons += rollback_rules.crds(deployed, Charts(target.project_dir))
    try:
        trust_fleet.guard(target)
    except BadInputError as error:
        reasons += str(error).splitlines()
    rollback_rules.refuse(reasons, short)


def was_applied(entries: Sequence[Entry], commit: str) -> bool:
    """True when the stack itself once had the commit: then it was through the waves before it."""
    return any(
        each.kind == "update" and each.commit == commit and each.clean
        for each in entries
        if each.result == "succeeded"
    )


def _look(
    found: Engine,
    target: Target,
    wanted: Operation,
    arguments: argparse.Namespace,
    short: str,
) -> int:
    """Preview; with `--approve-by`, bind an approval to it. Nothing is applied."""
    snapshot.refuse_other_cluster(target)
    made = snapshot.read(found, target, wanted.tree, wanted.kind)
    result = preview.preview(found, target, refresh=arguments.refresh, timeout=arguments.timeout)
    changes = preview.bound(preview.judged(result), made, target)
    changes = changes.model_copy(update={"base": git.head(stacks.PROJECT_DIR)})
    reasons = rollback_rules.changes(changes)
    if arguments.preview and arguments.out:
        # Whoever reads the file must not take for possible what is refused.
        file.write(
            arguments.out, changes.model_copy(update={"errors": (*changes.errors, *reasons)})
        )
    up.say([*check.verdict(changes), *preview.lines(result), *preview.snapshot_lines(changes)])
    code = preview.exit_code(result, expect_no_changes=False)
    if code:
        return code
    rollback_rules.refuse(reasons, short)
    if arguments.approve_by is not None:
        _approve(target, made, changes, arguments)
    return DONE


def _approve(
    target: Target, made: Snapshot, changes: ChangeSet, arguments: argparse.Namespace
) -> None:
    from bot.changes import risk

    if not made.clean:
        raise RefusedError(
            f"the working tree is {made.tree}: only commits can be approved, including the files "
            "of the other stacks"
        )

    check.refuse_doubtful(changes)
    command = f"run `python -m bot rollback --stack {target.stack}` again"
    protected.refuse(protected.needs(changes), arguments.allow, command)
    record = approval.of(
        changes,
        snapshot.with_changes(made, changes),
        by=" ".join(arguments.approve_by.split()),
        verdict=str(risk.verdict(risk.assess(changes)) or "none"),
        allowed=tuple(dict.fromkeys(arguments.allow)),
        reason=" ".join((arguments.reason or "").split()),
        valid=timedelta(hours=approve.VALID_HOURS),
    )
    record = signing.signed(target, record)
    approve.write(arguments.out, record)
    up.say([*approve.lines(record), f"written to {arguments.out}"])


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
