"""Python's caches of compiled modules: in no commit, and run instead of what is in one."""

from __future__ import annotations

import importlib.util
import marshal
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

from bot.exit_codes import RefusedError
from bot.text.lists import listed

# Folders that no module of the program is imported from.
_NOT_THE_PROGRAM = frozenset({".venv", ".git", ".local", ".sandbox", ".plan", "docs", "tests"})
_CACHE = "__pycache__"
_HEADER = 16  # bytes: magic number, flags, then the source's time and size, or its hash
_NAMED = 4


def refuse_foreign(project_dir: Path) -> None:
    """Raise RefusedError where a cache of the project is not what its source compiles to.

    Also for one without a source, and for a compiled extension, which git is told to ignore too.
    A cache that Python would pass over, because its source has another time or size, is left alone.
    """
    found = [str(file.relative_to(project_dir)) for file in _foreign(project_dir)]
    if found:
        raise RefusedError(
            f"{listed(found, _NAMED)}: compiled Python that does not match the source "
            "beside it, and would run instead of the commit: delete it, and find out who wrote it"
        )


def _foreign(project_dir: Path) -> Iterator[Path]:
    for folder in _folders(project_dir):
        for file in folder.iterdir():
            compiled = file.suffix == ".pyc"
            alone = file.suffix == ".so" or (compiled and folder.name != _CACHE)
            if alone or (compiled and _is_foreign(file)):
                yield file


def _folders(folder: Path, top: bool = True) -> Iterator[Path]:
    yield folder
    for each in sorted(folder.iterdir()):
        if each.is_dir() and each.name != ".venv" and not (top and each.name in _NOT_THE_PROGRAM):
            yield from _folders(each, top=False)


def _is_foreign(cache: Path) -> bool:
    try:
        source = Path(importlib.util.source_from_cache(str(cache)))
        content = cache.read_bytes()
        text, stat = source.read_bytes(), source.stat()
    except (ValueError, OSError):
        # Of no source that is here: nothing imports it by its name.
        return False
    if content[:4] != importlib.util.MAGIC_NUMBER:
        return False  # Another Python's.
    flags = int.from_bytes(content[4:8], "little")
    dated = (int(stat.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
    dated += (stat.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    if not flags and content[8:_HEADER] != dated:
        return False
    if flags == 0b11 and content[8:_HEADER] != importlib.util.source_hash(text):
        return False
    try:
        kept = marshal.loads(content[_HEADER:])  # noqa: S302  (compared, never run)
        made = compile(text, str(source), "exec", dont_inherit=True, optimize=_level(cache))
    except (ValueError, EOFError, TypeError, SyntaxError):
        return True
    return not isinstance(kept, CodeType) or kept != made


def _level(cache: Path) -> int:
    """The optimization that a cache was made with: `x.cpython-313.opt-1.pyc`."""
    _, mark, level = cache.stem.rpartition(".opt-")
    return int(level) if mark and level.isdigit() else 0
