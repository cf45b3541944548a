"""A plan in a folder: manifests, the JSON document and a page with the picture.

Names in a plan are those of charts, and the folder may have been committed by anybody. So a file's
name is made of cleaned parts, no link is followed, and what goes is what an earlier plan has listed
in its page.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from bot.exit_codes import BadInputError
from bot.plan.base_files import SUFFIX
from bot.plan.html import FILES, page
from bot.plan.model import Object, Plan, document
from bot.plan.svg import svg
from schema.input_file import read_text
from schema.masking import masked_document

DOCUMENT = "plan.json"
PAGE = "index.html"
CLUSTER = "_cluster"  # no namespace can be called so
_LONGEST = 100
_MOST_PAGE = 256 << 20
# All that is ever listed: whatever a list says, nothing else is removed.
_OURS = re.compile(
    r"[\w.-]+/(graph\.svg|charts/[\w.-]+\.yaml|manifests(/[\w.-]+){3}\.yaml)", re.ASCII
)


def write(plans: Sequence[Plan], folder: Path) -> None:
    """Write `plan.json`, `index.html` and a folder per stack; what an earlier plan left goes.

    Raises BadInputError for a folder with something in it that is no plan, or with a link in it
    where a file of the plan would go.
    """
    files = {path: text for plan in plans for path, text in _of_stack(plan).items()}
    try:
        if _holds_other(folder):
            raise BadInputError(
                f"--out {folder}: not empty, and contains no plan; name another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        root = folder.resolve()
        for path in _listed(root):
            if path not in files:
                _remove(root, path)
        # First, so that a plan that ends half-way is removed by the next one.
        _put(root, PAGE, page(plans, sorted(files)))
        _put(root, DOCUMENT, f"{as_json(plans)}\n")
        for path, text in files.items():
            _put(root, path, text)
    except OSError as error:
        where = error.filename or folder
        raise BadInputError(f"--out {folder}: {where}: {error.strerror or error}") from None


def _holds_other(folder: Path) -> bool:
    """True where there is anything but what a plan, or one against a base that failed, has left."""
    if not os.path.lexists(folder):
        return False
    names = {each.name for each in folder.iterdir() if not each.name.endswith(SUFFIX)}
    return bool(names) and DOCUMENT not in names


def as_json(plans: Sequence[Plan]) -> str:
    """One document: the plan of a stack, or `stacks` with a plan each when there are several.

    ASCII alone, so that no terminal finds a sequence in it.
    """
    documents = [document(plan) for plan in plans]
    whole: Mapping[str, Any] = documents[0] if len(documents) == 1 else {"stacks": documents}
    return json.dumps(whole, indent=2)


def _of_stack(plan: Plan) -> dict[str, str]:
    """The files of a stack by their paths."""
    files = {f"{plan.stack}/graph.svg": svg(plan)}
    taken = set(files)
    for item in (*plan.objects, *(item for chart in plan.charts for item in chart.objects)):
        files[_place(item, taken, f"{plan.stack}/manifests")] = item.manifest.text
    for chart in plan.charts:
        if chart.rendered:
            stream = "---\n".join(item.manifest.text for item in chart.objects)
            files[_free(f"{plan.stack}/charts/{part(chart.name)}", taken)] = stream
    return files


def _place(item: Object, taken: set[str], folder: str) -> str:
    """`<namespace>/<kind>/<name>.yaml`; with the API group where that is taken."""
    namespace = part(item.namespace) if item.namespace else CLUSTER
    group = part(item.api_version.rpartition("/")[0] or "core")
    return _free(f"{folder}/{namespace}/{part(item.kind)}/{part(item.name)}", taken, group)


def _free(path: str, taken: set[str], group: str = "") -> str:
    """The path with `.yaml`, and with more where another file is called so, in any case."""
    made, number = f"{path}.yaml", 0
    while made.casefold() in taken:
        number += 1
        made = ".".join(filter(None, (path, group, str(number), "yaml")))
    taken.add(made.casefold())
    return made


def part(name: str) -> str:
    """A name as one part of a path, whatever it is: no separator, no hidden file, no option."""
    clean = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    clean = re.sub(r"^[.-]", "_", clean) or "_"
    if len(clean) <= _LONGEST:
        return clean
    return f"{clean[:_LONGEST]}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:12]}"


def _listed(root: Path) -> list[str]:
    """What the plan that lies there has written, as far as it can be anything that is ours."""
    try:
        listed = FILES.search(read_text(root / PAGE, _MOST_PAGE))
    except (OSError, ValueError):
        return []
    return [path for path in listed[1].split() if _OURS.fullmatch(path)] if listed else []


def _remove(root: Path, path: str) -> None:
    """Remove a regular file, and the folders that are empty then; nothing behind a link."""
    target = root / path
    if not target.parent.resolve().is_relative_to(root) or _linked(root, path):
        return
    try:
        if stat.S_ISREG(target.lstat().st_mode):
            target.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    for parent in PurePosixPath(path).parents[:-1]:
        if any((root / parent).iterdir()):
            return
        (root / parent).rmdir()


def _linked(root: Path, path: str) -> Path | None:
    """The first link on the way to a file."""
    parts = PurePosixPath(path).parts
    ways = (root.joinpath(*parts[: length + 1]) for length in range(len(parts)))
    return next((way for way in ways if way.is_symlink()), None)


def _put(root: Path, path: str, text: str) -> None:
    """Write a file below the folder; raises OSError, also where a link or no file is in the way."""
    if link := _linked(root, path):
        raise OSError(errno.ELOOP, "is a link: remove it, or name another folder", str(link))
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    handle = os.open(target, flags, 0o666)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(target))
        file.truncate(0)
        file.write(masked_document(text))
