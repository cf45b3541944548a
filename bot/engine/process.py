"""One run of the engine's program, under control: own session, time-out, interrupt, kill.

What the engine did is read from its event log, a file with one JSON object per line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from bot.cli.signals import ending_signals_interrupt

Event = dict[str, Any]
Ended = Literal["finished", "timed out", "interrupted"]
# Kind of the event that stands for a line of the log that is none.
UNREADABLE = "unreadableEvent"
TICK_SECONDS = 0.05
GRACE_SECONDS = 30.0
_GONE_SECONDS = 5.0


@dataclass(frozen=True)
class Ending:
    """How a run ended: the engine's exit code, and whether it was made to end."""

    code: int
    ended: Ended
    killed: bool = False


class EngineProcess:
    """A running engine, started with `--event-log` and the path of `event_log`.

    timeout: seconds after which it is interrupted. grace: seconds between an interrupt and the
    kill of all its processes; the engine uses them to write down what it has done.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        event_log: Path,
        text_log: Path,
        *,
        timeout: float,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self.event_log = event_log
        self.ending: Ending | None = None
        self._grace = grace
        self._deadline = time.monotonic() + timeout
        self._ended: Ended = "finished"
        self._killed = False
        event_log.touch(mode=0o600)
        with text_log.open("wb") as log, _children_hear_interrupts():
            # A session of its own: a Ctrl-C in the terminal reaches us alone, and we decide.
            self.process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def events(self) -> Iterator[Event | None]:
        """Every event as it comes, None when there is nothing new; ends with the engine.

        An interrupt (Ctrl-C, SIGTERM, SIGHUP) is passed on to the engine as SIGINT and does not
        end the loop: what the engine still reports is the record of what it had done. A second
        interrupt kills it. Whatever happens, no process is left when the loop is left.
        """
        with self.event_log.open("rb") as log, ending_signals_interrupt():
            lines = _Lines(log)
            try:
                while True:
                    try:
                        over = self._wait(TICK_SECONDS)
                        yield from lines.complete()
                        if over:
                            yield from lines.torn()
                            break
                        yield None
                    except KeyboardInterrupt:
                        self._interrupt("interrupted")
            finally:
                kill_session(self.process)
                self.ending = Ending(self.process.wait(), self._ended, self._killed)

    def _wait(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            if time.monotonic() > self._deadline:
                self._interrupt("timed out")
            return False
        return True

    def _interrupt(self, why: Ended) -> None:
        if self._ended != "finished":
            self._killed = True
            kill_session(self.process)
            return
        self._ended = why
        self._deadline = time.monotonic() + self._grace
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill every process of the engine's session: it gives each plugin a group of its own.

    Returns when they are gone: a killed process still holds its files and sockets for a moment.
    """
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    deadline = time.monotonic() + _GONE_SECONDS
    while (left := members(process.pid)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def members(session: int) -> list[int]:
    """Ids of the processes of a session that run, its leader's included."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # Fields after the command, which may itself hold spaces and brackets (proc(5)).
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


class _Lines:
    """The complete lines of a file that is being written; the last may be half there."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rest = b""

    def complete(self) -> Iterator[Event]:
        while chunk := self._file.read(1 << 20):
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            for line in whole:
                try:
                    event = json.loads(line)
                except ValueError:
                    event = None
                yield event if isinstance(event, dict) else {UNREADABLE: {}}

    def torn(self) -> Iterator[Event]:
        """Stands for a last line that was never finished."""
        if self._rest.strip():
            yield {UNREADABLE: {}}


@contextmanager
def _children_hear_interrupts() -> Iterator[None]:
    """Start children that react to SIGINT, in the block, though we may ignore it.

    A background job of a script ignores it, and so would every child: the engine could then only
    be killed.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
