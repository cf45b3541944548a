"""The folder of the sandbox's programs: who may write to it, and what half-done work is kept in."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SCRATCH = ".fetch-"


def cache_dir() -> Path:
    """Return the folder of downloaded and built tools."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "linkerd-platform" / "bin"


@contextmanager
def locked(path: Path, wait: Callable[[], None] = lambda: time.sleep(0.1)) -> Iterator[None]:
    """Hold the lock file `path`; threads and processes wait for each other.

    wait: called as long as another one holds it; what it raises ends the waiting.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                wait()
        yield


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder for half-done downloads in the cache; also those of killed runs go."""
    folder = cache_dir()
    with locked(folder / ".fetch.lock"):
        for old in folder.glob(f"{_SCRATCH}*"):
            _remove_abandoned(old)
        made = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
        handle = os.open(made, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(handle)


def _remove_abandoned(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        # A living run holds the lock of its folder as long as it lives.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(handle)
