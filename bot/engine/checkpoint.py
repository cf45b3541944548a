"""Puts right what a killed engine or a crash of the machine has torn in a file backend.

The backend renames each file into its place, but not the `.attrs` beside it, which it creates empty
and then fills (gocloud.dev blob/fileblob/attrs.go). One that is torn makes its file unreadable; one
that is not there does not matter. After a crash the state itself may be torn: the one before is
kept as `.bak` (pulumi pkg/backend/diy/state.go) and knows what was begun last, so nothing is lost:
bot/engine/recover.py asks the providers what came of it. Object stores replace a file whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.clients.target import Target
from bot.engine import EngineResult
from schema.faults import PROJECT

_TORN = re.compile(
    r"failed to load checkpoint: .*(EOF|unexpected end|invalid character|no such file)"
)
_UNREADABLE = re.compile(r"\b(EOF|unexpected end of JSON input|invalid character)\b")
# Of a stack, below `.pulumi`; the rest is written once, when the backend is made.
_WRITTEN = ("stacks", "history", "backups", "locks/organization")


def mend(target: Target, result: EngineResult) -> bool:
    """Put the state before the torn one in its place; True when something was put right.

    The torn file is kept beside it as `.torn`. The stack's lock must be free: what an engine is
    writing just now looks torn, too.
    """
    return mend_after(target, result.outside)


def mend_after(target: Target, errors: Iterable[str]) -> bool:
    """The same, after any command of the engine that ended with these errors.

    Nothing else says that a state is torn: one that is not there may have been removed on purpose.
    """
    told = list(errors)
    if any(_UNREADABLE.search(text) for text in told) and drop_torn_attributes(target):
        return True
    return any(_TORN.search(text) for text in told) and _state_before(target)


def drop_torn_attributes(target: Target) -> bool:
    """Remove the stack's `.attrs` files that are no whole JSON; True when there were any."""
    folder = folder_of_backend(target)
    if folder is None:
        return False
    below = [folder / ".pulumi" / name / PROJECT for name in _WRITTEN]
    files = [(folder / ".pulumi" / "meta.yaml.attrs")]
    files += below[0].glob(f"{target.stack}.json*.attrs")
    files += [file for each in below[1:] for file in (each / target.stack).glob("*.attrs")]
    torn = [file for file in files if file.exists() and not _whole(file)]
    for file in torn:
        file.unlink(missing_ok=True)
    return bool(torn)


def _state_before(target: Target) -> bool:
    file = _state_file(target)
    if file is None:
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
