"""Runs one process per stack of a wave: at most so many at once, none after the first failure.

Each has a session of its own, so that a Ctrl-C in the terminal reaches this process alone, which
passes it on and waits: a stack is never left while something still writes to it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import FrameType

from bot.exit_codes import DONE, INTERRUPTED, REFUSED

POLL_SECONDS = 0.1
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TAIL_BYTES = 8192


class State(StrEnum):
    """Where a stack stands; all but the first two are final."""

    WAITING = "waiting"
    RUNNING = "running"
    APPLIED = "applied"
    SKIPPED = "skipped"
    FAILED = "failed"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    NOT_BEGUN = "not begun"


@dataclass
class Job:
    """One stack: the command that brings it to its file, and what comes of it.

    seconds: how long it ran. code: exit code, None where it did not run. reason: why it is skipped.
    """

    stack: str
    command: Sequence[str]
    log: Path
    state: State = State.WAITING
    reason: str = ""
    code: int | None = None
    seconds: float = 0.0
    started: float = 0.0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def tail(self, lines: int) -> list[str]:
        """The last lines of its log that are not empty."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = log.read().decode("utf-8", "replace")
            return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
        return []


Show = Callable[[Sequence[Job]], None]


def run(jobs: Sequence[Job], folder: Path, parallel: int, show: Show) -> None:
    """Run the jobs that wait, in `folder`, and return when none runs any more.

    A job that fails lets those that run end, and none begin. An interrupt (Ctrl-C, SIGTERM,
    SIGHUP) goes to each that runs as SIGINT; so does a second one, which the bot takes as "now".
    show: called with all jobs about ten times a second.
    """
    with _interrupts() as interrupts:
        passed_on = 0
        while True:
            running = [job for job in jobs if job.state == State.RUNNING]
            if len(interrupts) > passed_on:
                passed_on = len(interrupts)
                for job in running:
                    _interrupt(job)
            waiting = [job for job in jobs if job.state == State.WAITING]
            if waiting and (interrupts or any(job.code for job in jobs)):
                for job in waiting:
                    job.state = State.NOT_BEGUN
                waiting = []
            for job in waiting[: max(0, parallel - len(running))]:
                _start(job, folder)
                running.append(job)
            show(jobs)
            if not running:
                return
            time.sleep(POLL_SECONDS)
            for job in running:
                _look(job)


def _start(job: Job, folder: Path) -> None:
    job.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as log:
        job.process = subprocess.Popen(
            list(job.command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    job.started = time.monotonic()
    job.state = State.RUNNING


def _look(job: Job) -> None:
    job.seconds = time.monotonic() - job.started
    code = job.process.poll() if job.process else None
    if code is None:
        return
    job.code = code
    if code in (INTERRUPTED, -signal.SIGINT):
        job.state, job.code = State.INTERRUPTED, INTERRUPTED
    else:
        job.state = {DONE: State.APPLIED, REFUSED: State.REFUSED}.get(code, State.FAILED)


def _interrupt(job: Job) -> None:
    if job.process is not None:
        with suppress(ProcessLookupError):
            job.process.send_signal(signal.SIGINT)


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Count interrupts instead of being ended by them.

    A handler also makes the children hear SIGINT where we were started with it ignored.
    """
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    before = {number: signal.signal(number, hear) for number in _ENDING}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
