"""The virtual environment for the program of another revision: its pins are part of it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.exit_codes import BotError, MissingToolError
from bot.text.durations import duration

# As Pulumi.yaml names it.
NAME = ".venv"
REQUIREMENTS = "requirements.txt"
# With every dependency and digest; older revisions have none.
LOCK = "requirements.lock"
INSTALL_SECONDS = 900.0
_COMPLETE = ".complete"
Note = Callable[[str], None]


def provide(folder: Path, project_dir: Path, note: Note) -> None:
    """Give the tree in `folder` its virtual environment, by a link.

    The project's own where the pins are the same, else one from the cache, made where it is not
    there yet; `note` gets a line before and after that, which takes a minute. Raises BotError.
    """
    pins = folder / (LOCK if (folder / LOCK).is_file() else REQUIREMENTS)
    wanted, here = _content(pins), project_dir / pins.name
    if here.is_file() and wanted == _content(here):
        own = project_dir / NAME
        if not own.is_dir():
            raise MissingToolError(
                f"{NAME}: no virtualenv in this project: create it with `make venv`"
            )
        made = own.resolve()
    else:
        made = cached(wanted, pins, note)
    (folder / NAME).symlink_to(made, target_is_directory=True)


def cached(wanted: bytes, requirements: Path, note: Note) -> Path:
    """The environment for these pins and this Python, made where it is not there; raises BotError.

    requirements: the file of the pins; its content is `wanted`.
    """
    kind = f"{platform.python_version()} {sys.platform} {platform.machine()}\n"
    key = hashlib.sha256(kind.encode() + wanted).hexdigest()[:16]
    made = cache_dir() / key
    with _alone(made.with_suffix(".lock")):
        if (made / _COMPLETE).is_file():
            return made
        started = time.monotonic()
        note(
            "its pins differ from today's: creating a virtualenv for them, which takes about a "
            "minute"
        )
        _run([sys.executable, "-m", "venv", "--clear", str(made)])
        pip = [str(made / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        locked = ["--no-deps", "--require-hashes"] if requirements.name == LOCK else []
        pip += ["--disable-pip-version-check", *locked]
        _run([*pip, "--requirement", str(requirements)])
        (made / _COMPLETE).touch()
        note(f"made in {duration(time.monotonic() - started)}, and kept for the next time")
    return made


def cache_dir() -> Path:
    """Where such environments are kept; a folder in it may be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "linkerd-platform" / "venvs"


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BotError(
            f"{file.name}: {error.strerror}: the pins of the program are unknown"
        ) from None


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BotError(f"the virtualenv could not be created: {type(error).__name__}") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        said = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise BotError(f"the virtualenv could not be created: {said}")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Two rollbacks to one revision make its environment once."""
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
