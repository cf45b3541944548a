"""The record that binds an approval to one commit, one state and one set of changes."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from bot.changes.model import ChangeSet
from bot.changes.snapshot import Snapshot, canonical
from bot.deploy import digests
from bot.deploy.digests import Signature
from bot.deploy.protected import Action
from bot.exit_codes import BadInputError, RefusedError
from bot.text import documents
from bot.text.durations import duration
from bot.text.lists import short

LONGEST_NAME = 100
# A week: the state it is bound to will hardly stand still for longer.
LONGEST = timedelta(hours=168)
# Clocks of two machines differ.
_AHEAD = timedelta(minutes=10)
_CUT = 8


class Approval(BaseModel):
    """Who approved what, until when. allowed: protected actions that are part of it.

    signature: by Vault's transit engine, of all the rest; empty for an unsigned one, which is as
    good as the place it comes from. What can be computed is computed anew by `up` and only compared
    with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    id: str = Field(pattern=r"^[0-9a-f]{16}$")
    stack: str
    by: str = Field(min_length=1, max_length=LONGEST_NAME)
    reason: str = ""
    verdict: str
    allowed: tuple[Action, ...] = ()
    approved_at: AwareDatetime
    expires_at: AwareDatetime
    snapshot: Snapshot
    changes: tuple[Signature, ...]
    signature: str = Field("", max_length=2000, pattern=r"^(vault:v[0-9]+:[A-Za-z0-9+/=_-]+)?$")

    @model_validator(mode="after")
    def _whole(self) -> Approval:
        if digests.of_changes(self.changes) != self.snapshot.changes:
            raise ValueError("changes: do not match snapshot.changes")
        if not timedelta() < self.expires_at - self.approved_at <= LONGEST:
            raise ValueError("expires_at: is not within a week after approved_at")
        # They go to terminals, logs and the history.
        if not all(text.isprintable() for text in (self.stack, self.by, self.reason)):
            raise ValueError("stack, by, reason: must be text on one line")
        return self

    @property
    def signed_content(self) -> bytes:
        """What the signature is of: every field but itself, as the one JSON text of them."""
        return canonical(self.model_dump(mode="json", exclude={"signature"}))


def of(
    changes: ChangeSet,
    bound: Snapshot,
    *,
    by: str,
    verdict: str,
    allowed: tuple[Action, ...],
    reason: str,
    valid: timedelta,
) -> Approval:
    """A new approval, from now on; raises BadInputError for a name or reason that is no text."""
    for option, text in (("--by", by), ("--reason", reason)):
        if not text.isprintable():
            raise BadInputError(f"{option}: holds control characters: write plain text")
    now = datetime.now(UTC).replace(microsecond=0)
    return Approval(
        id=secrets.token_hex(8),
        stack=changes.stack,
        by=by,
        reason=reason,
        verdict=verdict,
        allowed=allowed,
        approved_at=now,
        expires_at=now + valid,
        snapshot=bound,
        changes=digests.signatures(changes),
    )


def read(file: Path) -> Approval:
    """The record in a file; raises BadInputError that names the key."""
    return documents.read(file, Approval, "python -m bot approve")


def read_changes(file: Path) -> ChangeSet:
    """The changes that `preview --out` wrote; raises BadInputError that names the key."""
    return documents.read(file, ChangeSet, "python -m bot preview --out")


def refuse_unusable(approval: Approval, stack: str, now: datetime | None = None) -> None:
    """Raise RefusedError where the approval is of another stack, is not yet, or has ended."""
    if approval.stack != stack:
        raise RefusedError(f"the approval is for stack {approval.stack}, not for {stack}")
    now = now or datetime.now(UTC)
    if approval.approved_at > now + _AHEAD:
        raise RefusedError(
            f"the approval by {approval.by} is of {approval.approved_at:%Y-%m-%d %H:%M} UTC, which "
            "is in the future: correct the clock of this machine, or preview and approve again"
        )
    late = (now - approval.expires_at).total_seconds()
    if late >= 0:
        raise RefusedError(
            f"the approval by {approval.by} ended {duration(late)} ago: preview and approve again"
        )


def refuse_stale(approval: Approval, found: list[str]) -> None:
    """Raise RefusedError that names what is not as it was approved."""
    refuse_differing(
        f"the approval {approval.id} by {approval.by} does not match what would be applied now",
        found,
        f"next: {next_preview(approval.snapshot, approval.stack)}, then approve",
    )


def refuse_differing(head: str, found: list[str], way_on: str) -> None:
    """Raise RefusedError with a line `stale:` for each difference, where there are any."""
    if not found:
        return
    shown = short([f"stale: {text}" for text in found], _CUT)
    raise RefusedError("\n".join([head, *shown, way_on]))


def next_preview(bound: Snapshot, stack: str) -> str:
    """The command that makes such a preview."""
    if bound.kind == "destroy":
        return f"`python -m bot destroy --stack {stack} --preview --out FILE`"
    if bound.kind == "rollback":
        return f"`python -m bot rollback --stack {stack} --to REV --preview --out FILE`"
    return f"`python -m bot preview --stack {stack} --out FILE`"
