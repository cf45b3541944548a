"""`python -m bot approve`: say that a preview may be applied, and bind that to what it was of."""

from __future__ import annotations

import argparse
import math
import sys
from datetime import timedelta
from pathlib import Path

from bot import documents, engine
from bot.changes import risk
from bot.changes.model import ChangeSet
from bot.cli import Subparsers
from bot.delivery import approval, check, digests, protected, tree
from bot.delivery.approval import Approval
from bot.engine import target as engine_target
from bot.exit_codes import DONE, BadInputError, RefusedError
from bot.trust import fleet as trust_fleet

VALID_HOURS = 24.0
_LONGEST_HOURS = approval.LONGEST.total_seconds() / 3600


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    # Here, because `up` is built on this package.
    from bot.up import add_allow

    parser = subparsers.add_parser("approve")
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument(
        "--changes",
        required=True,
        type=Path,
        metavar="FILE",
        help="what `preview --out` wrote",
    )
    parser.add_argument("--by", required=True, metavar="NAME", help="who approves")
    add_allow(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the record")
    parser.add_argument(
        "--valid",
        type=_hours,
        default=VALID_HOURS,
        metavar="HOURS",
        help="ends after this long (default 24, at most 168)",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="where the approval goes"
    )
    parser.set_defaults(run=run)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours <= _LONGEST_HOURS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hours up to 168")
    return hours


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises RefusedError for changes that nobody may approve."""
    by = " ".join(arguments.by.split())
    if not 0 < len(by) <= approval.LONGEST_NAME:
        raise BadInputError("--by: name who approves, in at most 100 characters")
    changes = approval.read_changes(arguments.changes)
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    trust_fleet.guard(target)
    checked_out = tree.read(target.project_dir)
    refuse(changes, target.stack, checked_out)
    allowed = tuple(dict.fromkeys(arguments.allow))
    protected.refuse(protected.needs(changes), allowed, "approve again")
    record = approval.of(
        changes,
        digests.bindings(search.engine(), target, checked_out, changes),
        by=by,
        verdict=str(risk.verdict(risk.assess(changes)) or "none"),
        allowed=allowed,
        reason=" ".join(arguments.reason.split()),
        valid=timedelta(hours=arguments.valid),
    )
    write(arguments.out, record)
    said = [*check.verdict(changes), *lines(record), f"written to {arguments.out}"]
    sys.stdout.write("".join(f"{line}\n" for line in said))
    return DONE


def refuse(changes: ChangeSet, stack: str, checked_out: tree.Tree) -> None:
    """Raise RefusedError for changes of another stack, source or commit, or that are doubtful."""
    if changes.stack != stack:
        raise RefusedError(f"the changes are of stack {changes.stack}, not of {stack}")
    if changes.source != "preview":
        raise RefusedError(
            f"the changes are of a {changes.source}; only what the engine previewed can be "
            f"approved: `python -m bot preview --stack {stack} --out FILE`"
        )
    if not checked_out.clean:
        raise RefusedError(
            f"here is {checked_out}: an approval is for a commit, and for nothing beside it"
        )
    if changes.commit != checked_out.commit:
        raise RefusedError(
            f"the changes are of commit {digests.shortened(changes.commit)}, and checked out is "
            f"{digests.shortened(checked_out.commit)}: preview again"
        )
    check.refuse_doubtful(changes)


def lines(record: Approval) -> list[str]:
    """The approval in words."""
    also = f", with {', '.join(record.allowed)} allowed" if record.allowed else ""
    return [
        (
            f"approval {record.id} by {record.by}: {len(record.changes)} changes of stack "
            f"{record.stack} at commit {digests.shortened(record.bindings.commit)}{also}"
        ),
        f"ends {record.expires_at:%Y-%m-%d %H:%M} UTC",
    ]


def write(file: Path, record: Approval) -> None:
    """Write the record as JSON, whole or not at all; raises BadInputError."""
    documents.write(file, f"{record.model_dump_json(indent=2)}\n")
