"""One run of `up`: its id, what goes into the history with it, and whether it goes on with one.

Before it begins, a tag of the stack says which approval it is of and which state it began with. A
run that is killed leaves no entry in the history; by this tag the next one knows that the state
moved by its own approval, and by the history that nobody else has moved it since.

Another tag has a digest of the id of each of the last runs: a message in the history counts as the
bot's only with an id that has one (`backend.history`). So what somebody types for `pulumi up
--message` is no note of the bot's, whatever it says.
"""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.changes.snapshot import Kind, Snapshot
from bot.clients.target import Target
from bot.deploy import backend
from bot.deploy.approval import Approval
from bot.deploy.backend import Entry
from bot.deploy.protected import Action
from bot.deploy.tree import Tree
from bot.engine import Engine

TAG = "linkerd-platform:operation"
_NEVER = "none"
# Who runs it, where a CI system says so; else the account.
_ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR")


@dataclass(frozen=True)
class Operation:
    """What is noted of a run. skipped: why earlier waves were passed over, empty where not.

    tree: as it is applied. snapshot: of the preview that is applied. options: of the command, where
    they decide what is changed.
    """

    tree: Tree
    approval: Approval | None = None
    allowed: tuple[Action, ...] = ()
    skipped: str = ""
    verify: bool = True
    kind: Kind = "up"
    options: tuple[str, ...] = ()
    snapshot: Snapshot | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    def message(self, stack: str) -> str:
        """What the engine is given as `--message`."""
        approval = self.approval
        # What was applied is what was approved: one digest for the comment and for the history.
        bound = approval.snapshot if approval else self.snapshot
        return backend.message(
            f"{self.kind} of {stack}, {self.tree}",
            {
                backend.OPERATION: self.id,
                backend.BY: actor(os.environ),
                backend.COMMIT: self.tree.commit or "",
                backend.TREE: "dirty" if self.tree.dirty else "clean",
                backend.APPROVAL: approval.id if approval else "",
                backend.APPROVED_BY: approval.by if approval else "",
                backend.SIGNED: ("yes" if approval.signature else "no") if approval else "",
                backend.SNAPSHOT: bound.short if bound else "",
                backend.ALLOWED: " ".join(self.allowed),
                backend.SKIPPED: self.skipped,
                backend.VERIFY: "" if self.verify else "no",
            },
        )


def actor(environment: Mapping[str, str]) -> str:
    """Who runs the bot: the CI system's word, else the account."""
    for name in _ACTORS:
        if environment.get(name):
            return environment[name]
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # An account without a name, as containers have.
        return f"user {os.getuid()}"


@dataclass
class Mark:
    """keep: False where the run did not begin, so that the tag becomes what it was."""

    keep: bool = True


@contextmanager
def marked(found: Engine, target: Target, wanted: Operation) -> Iterator[Mark]:
    """Note in the stack that this run begins, and of which approval where none of it has begun yet.

    A run that goes on with another keeps that one's note: it has the state that was approved.
    """
    mark = Mark()
    before = {backend.OPERATIONS: backend.tag(found, target, backend.OPERATIONS)}
    now = {backend.OPERATIONS: backend.with_operation(before[backend.OPERATIONS], wanted.id)}
    if given := wanted.approval:
        known = backend.tag(found, target, TAG)
        begun = f"{given.id} {given.snapshot.state}"
        if not known.startswith(f"{begun} "):
            entries = backend.history(found, target)
            before[TAG], now[TAG] = known, f"{begun} {last(entries)}"
    for name, value in now.items():
        backend.set_tag(found, target, name, value)
    yield mark
    if not mark.keep:
        for name, value in before.items():
            backend.set_tag(found, target, name, value)


def goes_on(found: Engine, target: Target, approval: Approval) -> bool:
    """True when the state is no longer what was approved because this approval itself moved it."""
    return continues(approval, backend.tag(found, target, TAG), backend.history(found, target))


def continues(approval: Approval, marked: str, entries: Sequence[Entry]) -> bool:
    """The same from data: the tag names the approval and its state, and all since is its own."""
    parts = marked.split()
    if len(parts) != 3 or parts[:2] != [approval.id, approval.snapshot.state]:
        return False
    before = [entry.key for entry in entries]
    if parts[2] == _NEVER:
        since = list(entries)
    elif parts[2] in before:
        since = list(entries[: before.index(parts[2])])
    else:
        return False  # So much has happened since that the history does not reach back.
    return all(entry.trailers.get(backend.APPROVAL) == approval.id for entry in since)


def last(entries: Sequence[Entry]) -> str:
    """What tells the newest entry of a history from others."""
    return entries[0].key if entries else _NEVER
