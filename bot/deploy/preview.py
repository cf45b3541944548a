"""`python -m bot preview`: what `up` would change, from the engine."""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from bot import engine, stacks
from bot.changes import file
from bot.changes.model import ChangeSet
from bot.changes.snapshot import SHORT, Snapshot
from bot.cli import options, parsers
from bot.cli.dispatch import Subparsers
from bot.clients.target import Target
from bot.engine import Engine, EngineResult
from bot.engine import report as engine_report
from bot.engine import target as engine_target
from bot.engine.progress import Progress, remember
from bot.exit_codes import CHANGES_PENDING, DONE, FAILED, INTERRUPTED, BotError
from bot.mesh import existing
from bot.mesh.trust import fleet as trust_fleet
from schema.errors import InputError
from stack.charts import unchecked


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "preview",
        run,
        "Show what `up` would change in a stack, and how risky it is, as computed by the Pulumi "
        "engine from the stack's state. Changes nothing. Needs the engine, access to the state, "
        "and read access to the stack's cluster and Vault.",
        "preview --stack staging",
        "preview --stack staging --refresh --expect-no-changes",
        "preview --stack production --out production.changes.json",
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument(
        "--expect-no-changes", action="store_true", help="exit code 5 when something would change"
    )
    parser.add_argument(
        "--refresh", action="store_true", help="refresh the state from the cluster first"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="also write the changes, for `bot comment` and `bot approve`; written on failure too",
    )
    options.add_timeout(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises RefusedError where a mandatory policy is broken.

    With `--out` the file is there whatever happens: it says why when nothing could be previewed.
    """
    if arguments.out is not None:
        file.begin(arguments.out, stacks.checked(arguments.stack))
    try:
        result, made = _previewed(arguments)
    except (BotError, InputError) as error:
        if arguments.out is not None:
            file.fail(arguments.out, arguments.stack, str(error))
        raise
    changes = judged(result)
    changes = bound(changes, made, result.target)
    if arguments.out is not None:
        file.write(arguments.out, changes)
    if arguments.json:
        sys.stdout.write(f"{json.dumps(document(result, changes), indent=2)}\n")
    else:
        # Of what was not begun there is nothing to judge: the reason alone.
        seen = result.ok or changes.changes
        told = [*(verdict(changes) if seen else ()), *lines(result), *snapshot_lines(changes)]
        sys.stdout.write("".join(f"{line}\n" for line in told))
    # The owner has no charts; in the comment it would come again with every push.
    if result.target.config.role != "owner" and (note := unchecked(result.target.project_dir)):
        sys.stderr.write(f"note: {note}\n")
    code = exit_code(result, expect_no_changes=arguments.expect_no_changes)
    if code in (DONE, CHANGES_PENDING):
        from bot.plan import policy

        policy.refuse(result.target.stack, changes.violations)
    return code


def _previewed(arguments: argparse.Namespace) -> tuple[EngineResult, Snapshot | str]:
    """The preview, and where it goes into a file what it is made of, or why that is not known.

    That is read while the engine works: the update previews again and compares, so it does not
    matter which is first. Raises RefusedError where the kubeconfig leads to another cluster.
    """
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    trust_fleet.guard(target)
    existing.refuse(target)

    def engines() -> EngineResult:
        found = search.engine()
        return preview(found, target, refresh=arguments.refresh, timeout=arguments.timeout)

    if arguments.out is None:
        return engines(), ""
    from bot.deploy import snapshot, tree

    snapshot.refuse_other_cluster(target)

    def read() -> Snapshot | str:
        try:
            return snapshot.read(search.engine(), target, tree.read(target.project_dir), "up")
        except (BotError, InputError) as error:
            return str(error)

    with ThreadPoolExecutor(max_workers=1) as pool:
        reading = pool.submit(read)
        return engines(), reading.result()


def bound(changes: ChangeSet, made: Snapshot | str, target: Target) -> ChangeSet:
    """The changes with what the preview of them was made of, or why nobody can approve them."""
    from bot.deploy import snapshot, tree

    if isinstance(made, Snapshot):
        whole = snapshot.with_changes(made, changes)
        read = {"commit": made.commit, "dirty": not made.clean, "snapshot": whole}
        return changes.model_copy(update=read)
    told = [f"no snapshot, so this cannot be approved: {made}"] if made else []
    checked_out = tree.read(target.project_dir)
    return changes.model_copy(
        update={
            "commit": checked_out.commit,
            "dirty": not checked_out.clean,
            "warnings": (*changes.warnings, *told),
        }
    )


def verdict(changes: ChangeSet) -> list[str]:
    """How risky it is, and what makes it so, in a few lines."""
    from bot.changes.verdict import lines as told

    return told(changes)


def judged(result: EngineResult) -> ChangeSet:
    """What would change, with the policies that it breaks, and what its servers have to say.

    That is: namespaces that are not there, audiences of tokens, too few nodes, and what others
    have in Vault.
    """
    # Imported here: what reads plans and policies takes longer to load than the parser may wait.
    from bot.deploy import adopt, audience, others_in_vault, room
    from bot.engine.as_changes import changes_of
    from bot.mesh.rollout import absent
    from bot.plan import policy

    target = result.target
    found = changes_of(result, target.config)
    found = policy.of_changes(found, target.config, target.project_dir)
    found = others_in_vault.judged(target, found, pending=result.pending)
    found = room.judged(target, audience.judged(target, found))
    found = absent.judged(target, found)
    return adopt.judged(target, found)


def snapshot_lines(changes: ChangeSet) -> list[str]:
    """What the preview was made of, by the digest that comment, approval and history show."""
    made = changes.snapshot
    if made is None:
        return [text for text in changes.warnings if text.startswith("no snapshot")]
    commit = f"commit {made.commit[:SHORT]}" if made.commit else "no commit"
    return [f"snapshot {made.short}: {made.kind} of {commit}, {made.tree}"]


def document(result: EngineResult, changes: ChangeSet) -> dict[str, object]:
    """The result as one JSON document, with its risk."""
    from bot.changes.risk import assess

    found = assess(changes)
    return {
        **engine_report.document(result),
        "snapshot": changes.snapshot.short if changes.snapshot else None,
        "doubts": list(changes.doubts),
        "risk": found[0].level if found else None,
        "findings": [vars(finding) for finding in found],
    }


def preview(
    found: Engine,
    target: Target,
    *,
    refresh: bool = False,
    timeout: float = engine.TIMEOUT_SECONDS,
) -> EngineResult:
    """Run the preview with progress on stderr."""
    with closing(Progress("preview", target)) as progress:
        result = engine.run(
            found, target, "preview", refresh=refresh, listen=progress.show, timeout=timeout
        )
    if result.ok:
        remember(target, result.record)
    return result


def lines(result: EngineResult) -> list[str]:
    """The result in words."""
    if not result.ok:
        return engine_report.failure(result)
    told = [*engine_report.table(result.record, preview=True)]
    told += engine_report.changed_resources(result.record, preview=True)
    if result.record.incomplete:
        told.append(
            "the preview is incomplete: a chart has a value that is only known during `up`, so "
            "its objects look deleted"
        )
    return told


def exit_code(result: EngineResult, *, expect_no_changes: bool) -> int:
    """The command's exit code for a result."""
    if result.ending.ended == "interrupted":
        return INTERRUPTED
    if not result.ok:
        return FAILED
    if expect_no_changes and not result.unchanged:
        return CHANGES_PENDING
    return DONE
