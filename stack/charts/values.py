"""Which values a chart has: what its values.yaml lists, and what its templates read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from schema import archive, safe_yaml

_FILE = re.compile(r"[^/]+/(values\.yaml|templates/.+|charts/.+/templates/.+)")
_PATH = r"\.Values((?:\.[A-Za-z_][A-Za-z0-9_]*)+)"
_READ = re.compile(_PATH)
# What hands a map on as it stands: whatever is in it gets into an object.
_WHOLE = re.compile(
    rf"(?:\b(?:toYaml|toJson|with|merge|omit|dict \"Values\")|\brange\b[^}}]*)\s+[$\w]*{_PATH}"
    rf"(?![\w.])|{_PATH}\s*\|\s*(?:default dict\b|toYaml|toJson)"
)
# `(.Values.a).b`, and `hasKey .Values.a "b"` or `set .Values.a "b"`: both are about `a.b`.
_BRACKETS = re.compile(r"\((\$?[\w.]*\.Values[\w.]+)\)(?=\.)")
_NAMED = re.compile(r"(\.Values[\w.]+) \"(\w+)\"")
Path = tuple[str, ...]


def defaults(content: bytes) -> dict[str, Any]:
    """The values.yaml of an archive; raises ArchiveError for bytes that are no archive."""
    files = archive.files(content, re.compile(r"[^/]+/values\.yaml").fullmatch)
    found = [safe_yaml.load(text) for text in files.values()]
    return found[0] if found and isinstance(found[0], dict) else {}


def unknown(content: bytes, values: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Each value that no template of the archive could read, with the nearest that it has.

    A map that values.yaml leaves empty, or a template hands on as a whole, takes any key. Raises
    ArchiveError for bytes that are no archive.
    """
    files = archive.files(content, _FILE.fullmatch)
    listed: Any = {}
    read: set[Path] = set()
    whole: set[Path] = set()
    for name, text in files.items():
        if name.count("/") == 1:
            listed = safe_yaml.load(text)
        else:
            plain = text.decode(errors="replace")
            while (shorter := _BRACKETS.sub(r"\1", plain)) != plain:
                plain = shorter
            whole |= {_path(one or other) for one, other in _WHOLE.findall(plain)}
            read |= {_path(each) for each in _READ.findall(_NAMED.sub(r"\1.\2", plain))}
    yield from _unknown(values, listed if isinstance(listed, dict) else {}, read, whole, ())


def _path(dotted: str) -> Path:
    return tuple(dotted[1:].split("."))


def _unknown(
    values: Mapping[str, Any],
    listed: Mapping[str, Any],
    read: set[Path],
    whole: set[Path],
    path: Path,
) -> Iterator[tuple[Path, str]]:
    for key, value in values.items():
        here = (*path, key)
        if key in listed:
            below = listed[key]
            if isinstance(value, Mapping) and isinstance(below, Mapping) and below:
                yield from _unknown(value, below, read, whole, here)
        elif not (
            any(each[: len(here)] == here for each in read)
            or any(here[: len(each)] == each for each in whole)
        ):
            known = {*listed, *(each[len(path)] for each in read if each[:-1] == path)}
            near = difflib.get_close_matches(key, sorted(known), n=1)
            yield here, near[0] if near else ""
