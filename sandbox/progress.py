"""The one progress display of all downloads: what, how much, how long still."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

from bot.text.durations import duration
from bot.text.lists import listed

_TERMINAL_SECONDS, _LINE_SECONDS = 0.2, 10.0
# Before that nobody can tell the speed of a line.
_SETTLED_SECONDS = 2.0
_NAMED = 3


@dataclass
class _Transfer:
    total: int = 0
    got: int = 0


class Display:
    """Sizes as they become known and bytes as they come, from any thread.

    say: takes whole lines. On a terminal one line is drawn over and over; else one is said each
    ten seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        terminal: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._terminal = terminal if terminal is not None else sys.stderr
        self._drawn = False
        self._live = bool(getattr(self._terminal, "isatty", lambda: False)())
        self._clock = clock
        self._started = self._shown = clock()
        self._lock = threading.RLock()
        self._transfers: dict[str, _Transfer] = {}
        self._finished = 0
        self._all = 0

    def begin(self, count: int) -> None:
        """Say how many programs there will be."""
        self._all = count

    def sized(self, name: str, size: int) -> None:
        """Note that `size` more bytes will come for `name`."""
        with self._lock:
            self._transfers.setdefault(name, _Transfer()).total += size

    def passed(self, name: str, count: int) -> None:
        """Note that `count` bytes of `name` have come."""
        with self._lock:
            self._transfers.setdefault(name, _Transfer()).got += count

    def given_up(self, name: str) -> None:
        """Note that what was announced for `name` will not come."""
        with self._lock:
            transfer = self._transfers.get(name)
            if transfer:
                transfer.total = transfer.got

    def ended(self, name: str) -> None:
        """Note that `name` is done with, downloaded or not."""
        with self._lock:
            self._finished += 1
            self.given_up(name)

    def line(self, text: str) -> None:
        """Say a whole line. What a server sent into it cannot move the terminal's cursor."""
        with self._lock:
            self._wipe()
            self._say("".join(each if each.isprintable() else "?" for each in text))

    def tick(self) -> None:
        """Show how far it is, when that is due."""
        now = self._clock()
        with self._lock:
            if now - self._shown < (_TERMINAL_SECONDS if self._live else _LINE_SECONDS):
                return
            self._shown = now
            text = self.text()
            if not self._live:
                self._say(text)
                return
            self._wipe()
            with suppress(OSError):
                self._terminal.write(text[: _columns() - 1])
                self._terminal.flush()
            self._drawn = True

    def close(self) -> None:
        """Leave the terminal's line clean."""
        with self._lock:
            self._wipe()

    def text(self) -> str:
        """Return the state of all transfers as one line."""
        got = sum(each.got for each in self._transfers.values())
        total = sum(each.total for each in self._transfers.values())
        seconds = self._clock() - self._started
        parts = [f"downloading: {self._finished} of {self._all} programs"]
        if total:
            parts.append(f"{got / 1e6:.0f} of {total / 1e6:.0f} MB")
        if got and seconds >= _SETTLED_SECONDS:
            speed = got / seconds
            parts.append(f"{speed / 1e6:.1f} MB/s, about {duration((total - got) / speed)} left")
        moving = [
            f"{name} {100 * each.got // each.total} %"
            for name, each in self._transfers.items()
            if each.got < each.total
        ]
        if moving:
            parts.append(listed(moving, _NAMED))
        return "; ".join(parts)

    def _wipe(self) -> None:
        if self._drawn:
            with suppress(OSError):
                self._terminal.write("\r\x1b[K")
                self._terminal.flush()
            self._drawn = False


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns
