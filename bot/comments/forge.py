"""Where comments go: what a forge must be able to do, and how a set of comments is kept there.

The set of a stack is rewritten in place. The oldest comment of ours becomes the first part, so the
order on the page is that of the parts; what is missing is added at the end, what is left over
goes. Nothing is remembered between two runs: what a run that broke off has left is mended by
the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.comments import marker
from bot.comments.marker import CommentRun
from bot.exit_codes import BotError

_ROUNDS = 3


@dataclass(frozen=True)
class Comment:
    """A comment of ours. Ids rise with the time of writing."""

    id: int
    body: str


class MovedError(BotError):
    """The comments are not as they were read, or it is not known whether one was written."""


class Forge(Protocol):
    """A forge, at one pull request."""

    def heads(self) -> frozenset[str]:
        """Commits that a job for the newest state of the pull request can be at."""

    def comments(self) -> list[Comment]:
        """All comments of our own identity, whatever they hold."""

    def create(self, body: str) -> None:
        """Write a new comment. Raises MovedError when it is not known whether that was done."""

    def edit(self, comment: Comment, body: str) -> None:
        """Rewrite a comment. Raises MovedError when it is gone."""

    def delete(self, comment: Comment) -> None:
        """Delete a comment; one that is gone already is as good."""


@dataclass
class Outcome:
    """What was done. skipped: why nothing was written, None when something was."""

    created: int = 0
    edited: int = 0
    deleted: int = 0
    skipped: str | None = None


def publish(forge: Forge, stack: str, parts: Sequence[str], run: CommentRun) -> Outcome:
    """Make the comments of a stack those parts, unless a newer run has written there.

    Raises BotError when the forge refuses, MovedError when its comments would not hold still.
    """
    done = Outcome()
    for attempt in range(_ROUNDS):
        try:
            found = _ours(forge, stack)
            if reason := newer(found, forge.heads(), run):
                return done if done.created else Outcome(skipped=reason)
            _write(forge, found, parts, done)
            if len(found) < len(parts):
                _refuse_doubled(forge, stack, len(parts))
        except MovedError:
            if attempt == _ROUNDS - 1:
                raise
        else:
            break
    return done


def _refuse_doubled(forge: Forge, stack: str, parts: int) -> None:
    """Raise MovedError where two runs at the same moment found none, and both have written."""
    if len(_ours(forge, stack)) > parts:
        raise MovedError("another run has written comments at the same moment")


def _ours(forge: Forge, stack: str) -> list[Comment]:
    ours = []
    for comment in forge.comments():
        found = marker.read(comment.body)
        # Stacks are told apart as file systems and the engine's backends do: case counts.
        if found is not None and found.stack == stack:
            ours.append(comment)
    return sorted(ours, key=lambda comment: comment.id)


def newer(found: Sequence[Comment], heads: frozenset[str], run: CommentRun) -> str | None:
    """Why this run must not write over these comments; None when it may.

    A job of the newest commit always may, unless a later run of the same commit has written. A
    job of an older commit, or of one that is not known, writes only where no other commit has.
    """
    for comment in found:
        seen = marker.read(comment.body)
        if seen is None:
            continue
        if seen.commit == run.commit:
            if seen.time > run.time:
                return f"a run of the same commit that began at {seen.time:%H:%M:%SZ} has written"
        elif run.commit not in heads:
            own = (run.commit or "unknown")[:12]
            theirs = (seen.commit or "unknown")[:12]
            return f"commit {own} is not the newest, and commit {theirs} has written"
    return None


def _write(forge: Forge, found: Sequence[Comment], parts: Sequence[str], done: Outcome) -> None:
    # The first part first: it holds what matters, should the rest not come to pass.
    for comment, body in zip(found, parts, strict=False):
        if comment.body.replace("\r\n", "\n").strip() != body.strip():
            forge.edit(comment, body)
            done.edited += 1
    for body in parts[len(found) :]:
        forge.create(body)
        done.created += 1
    for comment in found[len(parts) :]:
        forge.delete(comment)
        done.deleted += 1
