"""What does not go to the terminal whole: tracebacks and long reasons, in `.local/log/`.

A log is masked, for its owner alone, and named after the time and the command.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[2]
FOLDER = Path(".local") / "log"
_KEPT = 100
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[a-z0-9.-]+\.log")


def write(command: str, text: str, project_dir: Path | None = None) -> Path | None:
    """Write a log, its secrets masked; where, or None where nothing can be written.

    Where `.local/log/` cannot be written, it goes to the folder for temporary files.
    """
    from schema.masking import masked  # takes longer to load than all commands that never fail

    content = masked(text).encode("utf-8", "backslashreplace")
    word = re.sub(r"[^a-z0-9]+", "-", command.removeprefix("python -m ").lower()).strip("-")
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z-{word[:40] or 'bot'}.log"
    root = (project_dir or PROJECT_DIR).resolve()
    folder = root / FOLDER
    with contextlib.suppress(OSError, RuntimeError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.resolve() == folder:  # a link would lead out of the project
            file = _written(folder / name, content)
            _remove_oldest(folder)
            return file.relative_to(root) if root == Path.cwd() else file
    with contextlib.suppress(OSError):
        return _written(Path(tempfile.gettempdir()) / f"linkerd-platform-{name}", content)
    return None


def first_lines(command: str, text: str, most: int = 40) -> str:
    """The text, or its first lines and the path of the log that has all of it."""
    lines = text.splitlines()
    if len(lines) <= most:
        return text
    if (file := write(command, text)) is None:
        return text
    return "\n".join(
        [*lines[:most], f"and {len(lines) - most} more lines: all of them are in {file}"]
    )


def _written(file: Path, content: bytes) -> Path:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as log:
            log.write(content)
    except OSError:  # the disk is full: half a log helps nobody
        file.unlink(missing_ok=True)
        raise
    return file


def _remove_oldest(folder: Path) -> None:
    logs = sorted(f for f in folder.iterdir() if _NAME.fullmatch(f.name) and not f.is_symlink())
    for old in logs[:-_KEPT]:
        old.unlink(missing_ok=True)
