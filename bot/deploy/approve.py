"""`python -m bot approve`: say that a preview may be applied, and bind that to what it was of."""

from __future__ import annotations

import argparse
import math
import sys
from datetime import timedelta
from pathlib import Path

from bot import engine
from bot.changes import risk
from bot.changes.model import ChangeSet
from bot.changes.snapshot import ELSEWHERE, Snapshot, differences, shortened
from bot.cli import parsers
from bot.cli.dispatch import Subparsers
from bot.deploy import approval, check, digests, protected, signing, snapshot, tree
from bot.deploy.approval import Approval
from bot.deploy.protected import Need
from bot.deploy.snapshot import NOT_KNOWN
from bot.engine import target as engine_target
from bot.exit_codes import DONE, BadInputError, RefusedError
from bot.mesh.trust import fleet as trust_fleet
from bot.text import documents

VALID_HOURS = 24.0
_LONGEST_HOURS = approval.LONGEST.total_seconds() / 3600


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    # Here, because `up` is built on this package.
    from bot.deploy.up import add_allow

    parser = parsers.command(
        subparsers,
        "approve",
        run,
        "Approve the changes of one preview: write an approval with which `up`, `rollback` or "
        "`destroy` applies these changes and no others. Changes nothing in the cluster. Needs the "
        "files that were previewed, and Vault to sign the approval.",
        "approve --stack production --changes changes.json --by ada --out approval.json",
        "approve --stack production --changes changes.json --by ada --allow deny --valid 4 "
        "--out approval.json",
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument(
        "--changes",
        required=True,
        type=Path,
        metavar="FILE",
        help="file that `preview --out` wrote",
    )
    parser.add_argument("--by", required=True, metavar="NAME", help="who approves")
    add_allow(parser)
    parser.add_argument(
        "--reason", default="", metavar="TEXT", help="reason, recorded in the history"
    )
    parser.add_argument(
        "--valid",
        type=_hours,
        default=VALID_HOURS,
        metavar="HOURS",
        help="the approval expires after this long (default 24, at most 168)",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="file to write the approval to"
    )


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours <= _LONGEST_HOURS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be a number of hours above 0 and up to 168"
        )
    return hours


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises RefusedError for changes that nobody may approve."""
    by = " ".join(arguments.by.split())
    if not 0 < len(by) <= approval.LONGEST_NAME:
        raise BadInputError("--by: give the approver's name, in at most 100 characters")
    changes = approval.read_changes(arguments.changes)
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    trust_fleet.guard(target)
    checked_out = tree.read(target.project_dir)
    bound = refuse(changes, target.stack, checked_out)
    if bound.kind == "rollback":
        raise BadInputError(
            f"--changes {arguments.changes}: belongs to a rollback, whose files are not checked "
            "out: "
            f"`python -m bot rollback --stack {target.stack} --to REV --approve-by NAME --out FILE`"
        )
    allowed = tuple(dict.fromkeys(arguments.allow))
    protected.refuse(needs(changes), allowed, "approve again")
    now = snapshot.read(search.engine(), target, checked_out, bound.kind, options=bound.options)
    refuse_stale(bound, now, target.stack)
    record = signing.signed(
        target,
        approval.of(
            changes,
            bound,
            by=by,
            verdict=str(risk.verdict(risk.assess(changes)) or "none"),
            allowed=allowed,
            reason=" ".join(arguments.reason.split()),
            valid=timedelta(hours=arguments.valid),
        ),
    )
    write(arguments.out, record)
    said = [*check.verdict(changes), *lines(record), f"written to {arguments.out}"]
    sys.stdout.write("".join(f"{line}\n" for line in said))
    return DONE


def needs(changes: ChangeSet) -> tuple[Need, ...]:
    """What has to be allowed: of a destruction that it is one, of anything else each part."""
    if changes.snapshot is not None and changes.snapshot.kind == "destroy":
        return (protected.destruction(changes.stack),)
    return protected.needs(changes)


def refuse_stale(bound: Snapshot, now: Snapshot, stack: str) -> None:
    """Raise RefusedError where what is here is not what was previewed.

    What only the machine of the update can tell is compared there.
    """
    without = ELSEWHERE
    if NOT_KNOWN not in (*bound.servers.values(), *now.servers.values()):
        without -= {"servers"}
    approval.refuse_differing(
        f"the preview {bound.short} does not match the working tree and the stack",
        differences(bound, now, without),
        f"next: {approval.next_preview(bound, stack)}, then approve",
    )


def refuse(changes: ChangeSet, stack: str, checked_out: tree.Tree) -> Snapshot:
    """What the changes are bound to.

    Raises RefusedError for changes of another stack, source or commit, of files that were not
    committed when they were previewed, or that are doubtful.
    """
    if changes.stack != stack:
        raise RefusedError(f"the changes belong to stack {changes.stack}, not to {stack}")
    bound = changes.snapshot
    if changes.source != "preview" or bound is None:
        raise RefusedError(
            f"the changes come from a {changes.source}{'' if bound else ' without a snapshot'}; "
            f"only a preview of the engine can be approved: `python -m bot preview --stack {stack} "
            "--out FILE`"
        )
    if not checked_out.clean:
        raise RefusedError(
            f"the working tree is {checked_out}: only a commit without other changes can be "
            "approved"
        )
    if changes.commit != checked_out.commit:
        raise RefusedError(
            f"the changes are of commit {shortened(changes.commit)}, but "
            f"{shortened(checked_out.commit)} is checked out: preview again"
        )
    if not bound.clean:
        raise RefusedError(
            f"stale: tree: was {bound.tree}, is clean: the preview was made of uncommitted files; "
            "preview again"
        )
    own = digests.of_changes(digests.signatures(changes))
    if own != bound.changes:
        raise RefusedError(
            f"stale: changes: was {shortened(bound.changes)}, is {shortened(own)}: the file was "
            "edited; preview again"
        )
    check.refuse_doubtful(changes)
    return bound


def lines(record: Approval) -> list[str]:
    """The approval in words."""
    also = f", with {', '.join(record.allowed)} allowed" if record.allowed else ""
    return [
        (
            f"approval {record.id} by {record.by}: {len(record.changes)} changes of stack "
            f"{record.stack} at commit {shortened(record.snapshot.commit)}{also}"
        ),
        (
            f"snapshot {record.snapshot.short}, {record.snapshot.kind}, "
            f"{'signed by Vault' if record.signature else 'not signed'}"
        ),
        f"ends {record.expires_at:%Y-%m-%d %H:%M} UTC",
    ]


def write(file: Path, record: Approval) -> None:
    """Write the record as JSON, whole or not at all; raises BadInputError."""
    documents.write(file, f"{record.model_dump_json(indent=2)}\n")
