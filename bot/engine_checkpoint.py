"""Puts a torn state file right: a kill while the engine wrote it leaves half a file, or none.

The engine's file backend writes the state in place, and keeps the one before as `.bak`
(pulumi pkg/backend/diy/state.go). That one knows what was begun last, so nothing is lost:
bot/engine_recover.py asks the providers what came of it. Object stores replace a file whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.engine import Result
from bot.engine_target import Target
from stack.faults import PROJECT

_TORN = re.compile(
    r"failed to load checkpoint: .*(EOF|unexpected end|invalid character|no such file)"
)


def mend(target: Target, result: Result) -> bool:
    """Put the state before the torn one in its place; True when that was done.

    The torn file is kept beside it as `.torn`.
    """
    return mend_after(target, result.outside)


def mend_after(target: Target, errors: Iterable[str]) -> bool:
    """The same, after any command of the engine that ended with these errors.

    Nothing else says that a state is torn: one that is not there may have been removed on purpose.
    """
    file = _state_file(target)
    if file is None or not any(_TORN.search(text) for text in errors):
        return False
    before = file.with_name(f"{file.name}.bak")
    if _whole(file) or not _whole(before):
        return False
    if file.exists():
        file.replace(file.with_name(f"{file.name}.torn"))
    shutil.copyfile(before, file)
    return True


def folder_of_backend(target: Target) -> Path | None:
    """Where the engine's file backend keeps its `.pulumi`; None for any other backend."""
    url = urlsplit({**os.environ, **target.environment}.get("PULUMI_BACKEND_URL", ""))
    if url.scheme != "file":
        return None
    return Path(unquote(url.netloc + url.path)).expanduser()


def _state_file(target: Target) -> Path | None:
    folder = folder_of_backend(target)
    return folder and folder / ".pulumi" / "stacks" / PROJECT / f"{target.stack}.json"


def _whole(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
