"""What comes of an update: its record, and the checks that the mesh is healthy with it."""

from __future__ import annotations

import sys
from contextlib import closing

from bot.clients.target import Target
from bot.deploy import preview, verified, verify
from bot.deploy.operation import Operation
from bot.engine import Engine, EngineResult
from bot.engine.progress import Progress
from bot.exit_codes import FAILED, BotError


def concluded(found: Engine, target: Target, wanted: Operation, result: EngineResult) -> int:
    """Verify where the update went well, note it, and return the command's exit code.

    1 where the mesh is not healthy or cannot be looked at, though everything was applied.
    """
    code = preview.exit_code(result, expect_no_changes=False)
    if result.locks:
        return code
    _say(recorded(target, wanted, result))
    if code:
        return code
    if not wanted.verify:
        _say(["not verified: --no-verify"])
        return code
    _say([f"verifying stack {target.stack}"])
    try:
        with closing(Progress("verify", target)) as progress:
            checks = verify.settled(lambda: verify.prove(found, target), progress.waiting)
        _say(verify.lines(checks, target.stack))
        if not verify.healthy(checks):
            return FAILED
        if wanted.tree.commit is not None and wanted.tree.clean:
            proven = verified.Proven(wanted.tree.commit, wanted.id)
            verified.write(found, target, proven)
    except BotError as error:
        _say([f"failed: all changes were applied, but the mesh could not be verified: {error}"])
        return FAILED
    return code


def recorded(target: Target, wanted: Operation, result: EngineResult) -> list[str]:
    """The record of the run in words, and after a failure how to go on."""
    state = "succeeded" if result.ok else "failed"
    if result.ending.ended != "finished":
        state = (
            f"was {result.ending.ended}" if result.ending.ended == "interrupted" else "timed out"
        )
    approved = f", approved by {wanted.approval.by}" if wanted.approval else ""
    told = [
        (
            f"record: operation {wanted.id} of {wanted.tree}{approved} {state} "
            f"(`python -m bot history --stack {target.stack}`)"
        )
    ]
    if not result.ok and wanted.approval is not None:
        told.append(
            f"approval {wanted.approval.id} stays valid for the rest of it until "
            f"{wanted.approval.expires_at:%Y-%m-%d %H:%M} UTC, unless the stack changes otherwise"
        )
    return told


def _say(told: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in told))
    sys.stdout.flush()
