"""The files that pin versions, as a commit and as the working tree have them."""

from __future__ import annotations

import os
from pathlib import Path

from bot.changes import pins
from bot.text import git

_MOST_BYTES = 8 << 20  # of one file; a lock has some hundred kilobytes


def of_commit(commit: str, project_dir: Path) -> dict[str, str]:
    """Their texts by path. commit: as `git.resolve` gives it."""
    listed = git.run(project_dir, "ls-tree", "-r", "-z", "-l", commit)
    found = {}
    for record in filter(None, listed.split(b"\0")):
        head, _, raw = record.partition(b"\t")
        mode, kind, blob, size = head.decode("ascii").split()
        path = os.fsdecode(raw)
        if kind == "blob" and mode != "120000" and pins.is_pinned(path) and _fits(int(size)):
            found[path] = _text(git.run(project_dir, "cat-file", "blob", blob))
    return found


def of_working_tree(project_dir: Path) -> dict[str, str]:
    """The same as they lie there, committed or not; ignored ones are left out."""
    listed = git.run(project_dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    found = {}
    for path in map(os.fsdecode, filter(None, set(listed.split(b"\0")))):
        file = project_dir / path
        if not pins.is_pinned(path) or file.is_symlink() or not file.is_file():
            continue
        if _fits(file.stat().st_size):
            found[path] = _text(file.read_bytes())
    return found


def _fits(size: int) -> bool:
    return size <= _MOST_BYTES


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
