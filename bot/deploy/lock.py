"""The lock of a stack: who holds it, waiting for it, and taking over one whose owner is dead."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.clients.target import Target
from bot.engine import checkpoint as engine_checkpoint
from bot.engine import runs as engine_runs
from bot.engine.errors import Lock
from bot.exit_codes import BotError
from bot.text.durations import duration
from schema.faults import PROJECT

POLL_SECONDS = 2.0
TORN_SECONDS = 1.0
Show = Callable[[str], None]


@dataclass(frozen=True)
class Held:
    """A lock as it lies in a file backend; pulumi pkg/backend/diy/lock.go."""

    file: Path
    user: str
    host: str
    pid: int
    since: datetime

    @property
    def lock(self) -> Lock:
        """The lock as the engine reports it."""
        age = max(0.0, (datetime.now(UTC) - self.since).total_seconds())
        return Lock(self.user, self.host, self.pid, age)

    def __str__(self) -> str:
        return str(self.lock)


def held(target: Target) -> list[Held]:
    """The locks of a stack in a file backend, the oldest first; none where there is no such folder.

    Other backends show their locks only to who tries to take one.
    """
    folder = _folder(target)
    found = []
    for file in sorted(folder.glob("*.json")) if folder else ():
        # It may be released, or still be written, while it is read; `unreadable` has what stays so.
        with suppress(OSError, ValueError, KeyError, TypeError):
            body = json.loads(file.read_text(encoding="utf-8"))
            since = datetime.fromisoformat(_in_microseconds(str(body["timestamp"])))
            found.append(
                Held(file, str(body["username"]), str(body["hostname"]), int(body["pid"]), since)
            )
    return sorted(found, key=lambda each: each.since)


def unreadable(target: Target) -> list[Path]:
    """Lock records that nobody can read, as a crash of the machine leaves them.

    The engine counts them as locks and does not get further than to read them.
    """
    folder = _folder(target)
    files = sorted(folder.glob("*.json")) if folder else []
    known = {each.file for each in held(target)}
    return [file for file in files if file not in known and file.exists()]


def refuse_unreadable(target: Target) -> None:
    """Raise BotError that names lock records which nobody can read, and what to do about them."""
    torn = unreadable(target)
    if not torn:
        return
    time.sleep(TORN_SECONDS)  # One that is being written is whole by then.
    if torn := [file for file in unreadable(target) if file in torn]:
        names = ", ".join(map(str, torn))
        raise BotError(
            f"stack {target.stack} is locked by a record that cannot be read: {names}\n"
            "next: a crash left it incomplete, so its owner is unknown; make sure that no run of "
            "the engine works on the stack, delete the file, then run again"
        )


def _folder(target: Target) -> Path | None:
    state = engine_checkpoint.folder_of_backend(target)
    return state and state / ".pulumi" / "locks" / "organization" / PROJECT / target.stack


def _in_microseconds(text: str) -> str:
    """Go writes up to nine digits of a second and `Z`."""
    head, dot, rest = text.partition(".")
    digits = rest.rstrip("Z")
    if not dot or not digits.isdigit():
        return text.replace("Z", "+00:00")
    return f"{head}.{digits[:6].ljust(6, '0')}+00:00"


def take_over(target: Target) -> list[Held]:
    """Release the locks of runs that are proven dead; those that were released.

    Nothing is released unless every lock is of such a run, and then exactly these files. Two bots
    that find the same lock do not do it at the same time, so that none removes what another has
    taken since.
    """
    if not held(target):
        return []
    with _alone(target) as alone:
        found = held(target)
        notes = engine_runs.recorded(target.project_dir, target.stack)
        owners = [_owner(each, notes) for each in found]
        if not alone or not found or not all(owners):
            return []
        for each, note in zip(found, owners, strict=True):
            each.file.unlink(missing_ok=True)
            each.file.with_name(f"{each.file.name}.attrs").unlink(missing_ok=True)
            if note is not None:
                note.unlink(missing_ok=True)
        engine_checkpoint.drop_torn_attributes(target)
        return found


def _owner(lock: Held, notes: dict[Path, engine_runs.EngineRun]) -> Path | None:
    """The note of the dead run that took this lock."""
    for file, run in notes.items():
        if run.held(lock.host, lock.pid, lock.since) and run.dead:
            return file
    return None


@contextmanager
def _alone(target: Target) -> Iterator[bool]:
    file = target.project_dir / ".local" / "engine" / f"{target.stack}.takeover"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield True
    finally:
        os.close(handle)


class Wait:
    """Waits for a lock, at most `seconds` in all; `show` gets the line to be shown meanwhile."""

    def __init__(self, seconds: float, show: Show, note: Show) -> None:
        self._deadline = time.monotonic() + seconds
        self._show = show
        self._note = note

    @property
    def over(self) -> bool:
        """True when there is no time left to wait."""
        return time.monotonic() >= self._deadline

    def until_free(self, target: Target) -> bool:
        """Return True when no lock is seen, False when the time is over; dead ones are released.

        Raises BotError for a lock whose record cannot be read.
        """
        told: list[str] = []
        while True:
            for gone in take_over(target):
                self._note(f"the lock of {gone} was taken over: its run is dead")
            locks = held(target)
            if not locks:
                refuse_unreadable(target)
                engine_runs.forget_dead(target.project_dir, target.stack)
                return True
            names = [f"{each.user}@{each.host}, process {each.pid}" for each in locks]
            if names != told and not self.over:
                told = names
                self._note(f"stack {target.stack} is locked by {_listed(locks)}: waiting")
            if self.over:
                return False
            self.pause(_listed(locks))

    def pause(self, owners: str, seconds: float = POLL_SECONDS) -> None:
        """Sleep for a moment, and show who is waited for and how long that may go on."""
        left = max(0.0, self._deadline - time.monotonic())
        self._show(f"waiting for {owners}; at most {duration(left)} more")
        time.sleep(min(seconds, left))


def _listed(locks: list[Held]) -> str:
    return "; ".join(map(str, locks))
