"""Progress of a run of the engine: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from bot.clients.target import Target
from bot.engine.events import OperationRecord, ResourceStep
from bot.text import output
from bot.text.durations import duration
from bot.text.lists import listed

LIVE_SECONDS = 0.2
# A log must show life, and must not be filled with it.
QUIET_SECONDS = 15.0
_WAITING_SHOWN = 3
_VERBS = {
    "preview": "looked at",
    "refresh": "read",
    "up": "done",
    "destroy": "gone",
}


class Progress:
    """Shows a record as it grows; give its `show` to `engine.run`, then call `close`.

    total: number of resources that are expected, 0 when nobody knows yet.
    """

    def __init__(self, operation: str, target: Target, out: TextIO | None = None) -> None:
        self._operation = operation
        self._target = target
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._started = time.monotonic()
        self._shown_at = 0.0
        self._said: set[str] = set()
        self._failed: set[str] = set()
        self.total = expected(target)

    def show(self, record: OperationRecord) -> None:
        """Take a look at the record; prints only when it is time."""
        now = time.monotonic()
        if self._live:
            if now - self._shown_at >= LIVE_SECONDS:
                self._shown_at = now
                self._replace(self.line(record, now))
            return
        self._say_news(record)
        if now - max(self._shown_at, self._started) >= QUIET_SECONDS:
            self._say(self.line(record, now))

    def close(self) -> None:
        """Remove the live line, so that what follows begins on an empty one."""
        if self._live:
            self._replace("")

    def line(self, record: OperationRecord, now: float) -> str:
        """The state of things in one line: how far, how long, and what is waited for."""
        total = max(self.total, len(record.steps))
        known = f"{record.done} of {'' if self.total else 'at least '}{total}"
        parts = [
            f"{self._operation} {self._target.stack}",
            f"{known} {_VERBS.get(self._operation, 'done')}" if record.steps else "starting",
            duration(now - self._started),
        ]
        waiting = record.running
        if waiting:
            shown = listed(waiting, _WAITING_SHOWN, lambda step: _waiting(step, now))
            parts.append(f"waiting for {shown}")
        if record.failed:
            parts.append(f"{len(record.failed)} failed")
        return "  ".join(parts)

    def waiting(self, text: str) -> None:
        """Show what is waited for while there is no record yet; on a log now and then."""
        now = time.monotonic()
        if self._live:
            self._replace(text)
        elif now - max(self._shown_at, self._started) >= QUIET_SECONDS:
            self._say(text)

    def note(self, text: str) -> None:
        """Say something that is worth a line of its own."""
        self.close()
        self._say(text)

    def _say_news(self, record: OperationRecord) -> None:
        for step in record.failed:
            if step.urn not in self._failed:
                self._failed.add(step.urn)
                self._say(f"failed: {record.component(step)}: {step.name}")
        for step in list(record.steps.values()):
            name = record.heading(step)
            # When a component is through only the end of the run tells: more of it may follow.
            if step.kind != "unchanged" and not step.logical and name not in self._said:
                self._said.add(name)
                self._say(f"{name} begins")

    def _say(self, text: str) -> None:
        self._shown_at = time.monotonic()
        self._out.write(f"[{self._shown_at - self._started:6.1f} s] {text}\n")
        self._out.flush()

    def _replace(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        shown = text if len(text) <= width else f"{text[: width - 1]}…"
        output.control(self._out, "\r\x1b[2K")
        self._out.write(shown)
        self._out.flush()


def _waiting(step: ResourceStep, now: float) -> str:
    seconds = now - step.started
    since = f" ({duration(seconds)})" if seconds >= 1 else ""
    return f"{step.name}{since}"


def _memory(target: Target) -> Path:
    return target.project_dir / ".local" / "engine" / f"{target.stack}.json"


def expected(target: Target) -> int:
    """Number of resources that the last run saw, 0 when there was none on this machine."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads(_memory(target).read_text())["resources"])
    return 0


def remember(target: Target, record: OperationRecord) -> None:
    """Keep the number of resources of a whole run for the next one's estimate."""
    file = _memory(target)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"resources": len(record.steps)}))
