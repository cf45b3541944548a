"""A note of each run of the engine on this machine, to prove later that it is gone.

A lock names a host and a process id, and neither proves anything: containers share host names, and
each has its own process ids. So the bot notes what it has started, with the kernel's boot id and
the namespace of process ids it was in. Only a lock that matches such a note, on the same boot and
in the same namespace, can be told dead.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.engine import process as engine_process
from bot.engine.process_start import start_time

_FOLDER = Path(".local") / "engine" / "runs"
# Between its start and its lock the engine reads the project; its clock is ours.
_BEFORE_SECONDS, _AFTER_SECONDS = 2.0, 120.0
# Everything else takes the stack's lock.
_WITHOUT_LOCK = ("preview",)


@dataclass(frozen=True)
class EngineRun:
    """An engine that this machine has started. began: ISO 8601, UTC."""

    stack: str
    operation: str
    pid: int
    began: str
    host: str
    boot: str
    namespace: str

    def held(self, host: str, pid: int, since: datetime) -> bool:
        """True when a lock with these marks is of this run."""
        passed = (since - datetime.fromisoformat(self.began)).total_seconds()
        return (host, pid) == (self.host, self.pid) and -_BEFORE_SECONDS <= passed <= _AFTER_SECONDS

    @property
    def dead(self) -> bool:
        """True when neither the engine nor anything it started can still be running.

        False where that cannot be told: after a reboot, from within another container, or where
        another process has its id by now, which may be the one that has the lock.
        """
        if (self.boot, self.namespace) != (_boot(), _namespace()) or not self.boot:
            return False
        return start_time(self.pid) is None and not engine_process.members(self.pid)


@contextmanager
def noted(folder: Path, stack: str, operation: str, pid: int) -> Iterator[None]:
    """Keep a note of a run in the project's folder as long as the block lasts.

    It stays where this process is killed. Where it cannot be written the run goes on: then its lock
    can only be released by hand.
    """
    if operation in _WITHOUT_LOCK:
        yield
        return
    run = EngineRun(
        stack,
        operation,
        pid,
        datetime.now(UTC).isoformat(),
        socket.gethostname(),
        _boot(),
        _namespace(),
    )
    file = folder / _FOLDER / f"{stack}-{pid}.json"
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(run)), encoding="utf-8")
        part.replace(file)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def recorded(folder: Path, stack: str) -> dict[Path, EngineRun]:
    """The notes of runs that did not end in order, and of those that run now, by file."""
    found: dict[Path, EngineRun] = {}
    for file in sorted((folder / _FOLDER).glob(f"{stack}-*.json")):
        with suppress(OSError, ValueError, TypeError):
            run = EngineRun(**json.loads(file.read_text(encoding="utf-8")))
            if run.stack == stack:
                found[file] = run
    return found


def forget_dead(folder: Path, stack: str) -> None:
    """Remove the notes of dead runs, where no lock is left for which they could be needed."""
    for file, run in recorded(folder, stack).items():
        if run.dead:
            with suppress(OSError):
                file.unlink(missing_ok=True)


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _namespace() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""
