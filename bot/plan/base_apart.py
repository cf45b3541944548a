"""While a program runs that nobody has reviewed: no process of it outlives it, none reads ours."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_SECONDS = 5.0
# Numbers of options, as prctl(2) has them.
_SET_DUMPABLE, _GET_DUMPABLE = 4, 3
_SET_SUBREAPER, _GET_SUBREAPER = 36, 37


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Run evaluations in the block, and nothing else that starts processes.

    A process that leaves its session (setsid) and its parent comes to us, and is killed at the end.
    What we were started with (`/proc/<pid>/environ`) belongs to root meanwhile. Both on Linux only.
    """
    libc = _libc()
    if libc is None:
        yield
        return
    before = _children()
    reaps = ctypes.c_int()
    libc.prctl(_GET_SUBREAPER, ctypes.byref(reaps), 0, 0, 0)
    dumpable = libc.prctl(_GET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield
    finally:
        _end(before)
        libc.prctl(_SET_SUBREAPER, reaps.value, 0, 0, 0)
        libc.prctl(_SET_DUMPABLE, dumpable, 0, 0, 0)


def _libc() -> ctypes.CDLL | None:
    with contextlib.suppress(OSError, AttributeError):
        found = ctypes.CDLL(None, use_errno=True)
        return found if found.prctl and Path("/proc/self/stat").exists() else None
    return None


def _end(before: set[int]) -> None:
    """Kill the children that came to us, and theirs, which come when they are dead."""
    deadline = time.monotonic() + _SECONDS
    while (left := _children() - before) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)


def _children() -> set[int]:
    found, own = set(), os.getpid()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == own:
                found.add(int(stat.parent.name))
    return found
