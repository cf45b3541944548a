"""A wave as people and programs read it: a live table, a summary, and a document."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from bot.deploy.tree import SHORT, Tree
from bot.deploy.waves_run import Job, State
from bot.exit_codes import (
    BAD_INPUT,
    CHANGES_PENDING,
    DONE,
    FAILED,
    INTERRUPTED,
    MISSING_TOOL,
    REFUSED,
)
from bot.text import output
from bot.text.durations import duration

LIVE_SECONDS = 0.5
# A log must show life, and must not be filled with it.
QUIET_SECONDS = 30.0
_TAIL_LINES = 6
# The worst first: what may have left something half done, then what never began.
_WORST = (INTERRUPTED, FAILED, MISSING_TOOL, BAD_INPUT, REFUSED, CHANGES_PENDING)
_RUNNING = (State.RUNNING, State.WAITING)


class Board:
    """Shows the jobs as they go on: a table in place on a terminal, lines of news elsewhere."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._drawn = 0
        self._shown_at = 0.0
        self._told: dict[str, State] = {}
        self._told_at: dict[str, float] = {}

    def show(self, jobs: Sequence[Job]) -> None:
        """Take a look at the jobs; prints only when there is news, or when it is time."""
        now = time.monotonic()
        if self._live:
            settled = all(job.state not in _RUNNING for job in jobs)
            if settled or now - self._shown_at >= LIVE_SECONDS:
                self._shown_at = now
                self._draw(jobs)
            return
        for job in jobs:
            known = self._told.get(job.stack, State.WAITING)
            quiet = now - self._told_at.get(job.stack, now) >= QUIET_SECONDS
            if job.state != known or (quiet and job.state == State.RUNNING):
                self._told[job.stack], self._told_at[job.stack] = job.state, now
                self._out.write(f"{row(job, job.state == known)}\n")
                self._out.flush()

    def _draw(self, jobs: Sequence[Job]) -> None:
        # Up to the first line of the last table, and each line anew.
        if self._drawn:
            output.control(self._out, f"\x1b[{self._drawn}F")
        # A line that wraps would be two, and the table would creep down.
        width = shutil.get_terminal_size().columns - 1
        for job in jobs:
            output.control(self._out, "\x1b[2K")
            self._out.write(f"{row(job)[:width]}\n")
        self._out.flush()
        self._drawn = len(jobs)


def row(job: Job, progress: bool = True) -> str:
    """One stack in one line; progress: with the last line of its log while it runs."""
    text = f"{job.stack:<20} {job.state.value:<12}"
    if job.state in (State.WAITING, State.NOT_BEGUN):
        return text.rstrip()
    if job.state == State.SKIPPED:
        return f"{text} {job.reason}"
    if job.state == State.RUNNING:
        last = job.tail(1) if progress else [f"log {job.log}"]
        return f"{text} {duration(job.seconds):<12} {(last or ['starting'])[0]}".rstrip()
    return f"{text} {duration(job.seconds)}"


def summary(wave: str, jobs: Sequence[Job], checked_out: Tree) -> list[str]:
    """The table at the end, and the last lines of each log that tells of a failure."""
    rows = [("stack", "outcome", "time", "commit", "next step")]
    for job in jobs:
        ran = job.code is not None
        rows.append(
            (
                job.stack,
                job.state.value,
                duration(job.seconds) if ran else "-",
                _commit(job, checked_out),
                next_step(wave, job),
            )
        )
    widths = [max(len(line[column]) for line in rows) for column in range(4)]
    told = [
        "  ".join(
            [*(text.ljust(w) for text, w in zip(line, widths, strict=False)), line[4]]
        ).rstrip()
        for line in rows
    ]
    for job in jobs:
        if job.code:
            told += [f"{job.stack}: {job.state.value}, exit code {job.code}; {job.log} ends with"]
            told += [f"  {line}" for line in job.tail(_TAIL_LINES)]
    return told


def _commit(job: Job, checked_out: Tree) -> str:
    if job.state in (State.NOT_BEGUN, State.REFUSED) or checked_out.commit is None:
        return "-"
    return f"{checked_out.commit[:SHORT]}{'+changes' if checked_out.dirty else ''}"


def next_step(wave: str, job: Job) -> str:
    """What to do about a stack; empty where nothing is left to do."""
    match job.state:
        case State.APPLIED | State.SKIPPED:
            return ""
        case State.FAILED | State.REFUSED:
            return f"read its log, then `python -m bot up --wave {wave}`"
    return f"run `python -m bot up --wave {wave}` to continue"


def document(wave: str, jobs: Sequence[Job], checked_out: Tree) -> dict[str, Any]:
    """The same for programs. seconds: whole tenths; code: null where nothing was run."""
    return {
        "format": 1,
        "wave": wave,
        "commit": checked_out.commit,
        "clean": checked_out.clean,
        "code": worst(jobs),
        "stacks": [
            {
                "stack": job.stack,
                "outcome": job.state.value,
                "reason": job.reason,
                "code": job.code,
                "seconds": round(job.seconds, 1),
                "log": str(job.log) if job.code is not None else None,
                "next": next_step(wave, job),
            }
            for job in jobs
        ],
    }


def worst(jobs: Sequence[Job]) -> int:
    """The exit code of a wave: the worst of its stacks'; 130 where Ctrl-C came before any."""
    codes = {job.code for job in jobs if job.code}
    if any(job.state == State.NOT_BEGUN for job in jobs) and not codes:
        return INTERRUPTED
    known = next((code for code in _WORST if code in codes), None)
    if known is not None:
        return known
    return FAILED if codes else DONE
