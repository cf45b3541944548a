"""`python -m bot history`: who brought which commit to a stack, what came of it, and its proof."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from bot import engine
from bot.cli import parsers
from bot.cli.dispatch import Subparsers
from bot.clients.target import Target
from bot.deploy import backend, tree, verified
from bot.deploy.backend import Entry
from bot.deploy.verified import Proven
from bot.engine import target as engine_target
from bot.exit_codes import DONE
from bot.mesh.trust import fleet as trust_fleet
from bot.text.durations import duration

_COLUMNS = ("when (UTC)", "what", "commit", "by", "approved by", "outcome", "took", "verified")


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "history",
        run,
        "Show the last 100 operations on a stack: which commit was applied, by whom, with which "
        "approval, and whether the mesh was verified. Changes nothing. Needs the engine and access "
        "to the stack's state.",
        "history --stack production",
        "history --stack production --json",
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; the last 100 operations, the newest first."""
    search = engine.FoundMeanwhile()
    target = _target(arguments.stack)
    found = search.engine()
    entries = backend.history(found, target)
    rows = document(entries, verified.read(found, target))
    if arguments.json:
        told = [json.dumps({"stack": target.stack, "operations": rows}, indent=2)]
    else:
        told = lines(rows, target.stack)
    sys.stdout.write("".join(f"{line}\n" for line in told))
    return DONE


def _target(stack: str) -> Target:
    # A history needs no passphrase, and no sandbox that runs.
    if stack == engine_target.SANDBOX:
        return engine_target.of(stack)
    return trust_fleet.target_of(stack)


def document(entries: Sequence[Entry], proofs: Sequence[Proven]) -> list[dict[str, Any]]:
    """Each operation as a JSON object; it has no config, so nothing that is secret."""
    operations = {(each.commit, each.operation) for each in proofs}
    return [
        {
            "operation": entry.noted.get(backend.OPERATION),
            # False for what somebody else has written as the bot does, or so long ago that the
            # stack does not know any more.
            "authentic": entry.authentic,
            "kind": entry.kind,
            "started": entry.started.isoformat(),
            "seconds": round((entry.ended - entry.started).total_seconds()),
            "outcome": entry.result,
            "commit": entry.commit,
            "clean": entry.clean,
            "by": _by(entry),
            "approval": entry.noted.get(backend.APPROVAL),
            "approvedBy": entry.noted.get(backend.APPROVED_BY),
            "signed": _signed(entry),
            "snapshot": entry.noted.get(backend.SNAPSHOT),
            "allowed": entry.noted.get(backend.ALLOWED, "").split(),
            "skippedWaves": entry.noted.get(backend.SKIPPED),
            "verified": _verified(entry, operations),
            "changes": {k: v for k, v in entry.counts.items() if k != "same"},
        }
        for entry in entries
    ]


def _by(entry: Entry) -> str | None:
    """Who ran it, by the bot's note; the engine knows only who made the commit."""
    return entry.noted.get(backend.BY)


def _signed(entry: Entry) -> bool | None:
    """Whether the approval was signed by Vault; None without one."""
    return {"yes": True, "no": False}.get(entry.noted.get(backend.SIGNED, ""))


def _verified(entry: Entry, operations: set[tuple[str, str]]) -> str:
    known = (entry.commit or "", entry.trailers.get(backend.OPERATION, ""))
    if known in operations:
        return "yes"
    # The stack keeps the proofs of the last few commits.
    return "skipped" if entry.trailers.get(backend.VERIFY) == "no" else "not known"


def lines(rows: Sequence[dict[str, Any]], stack: str) -> list[str]:
    """The operations as lines of equal columns."""
    if not rows:
        return [f"stack {stack} has no history"]
    table = [_COLUMNS, *(_row(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS))]
    made = []
    for row, shown in zip([None, *rows], table, strict=True):
        cells = (f"{cell:{width}}" for cell, width in zip(shown, widths, strict=True))
        made.append("  ".join(cells).rstrip())
        if row and row["skippedWaves"]:
            made.append(f"  earlier waves skipped: {row['skippedWaves']}")
        if row and row["operation"] and not row["authentic"]:
            made.append("  not recorded by the bot: its notes are not authentic")
        if row and row["approval"] and row["signed"] is False:
            made.append("  the approval was not signed")
        if row and row["allowed"]:
            made.append(f"  allowed: {', '.join(row['allowed'])}")
    return made


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    commit = (row["commit"] or "none")[: tree.SHORT]
    return (
        row["started"][:16].replace("T", " "),
        row["kind"],
        commit if row["clean"] else f"{commit} +",
        row["by"] or "-",
        row["approvedBy"] or "-",
        row["outcome"],
        duration(row["seconds"]),
        row["verified"],
    )
