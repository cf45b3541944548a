"""Which values a chart has: what its values.yaml lists, and what its templates read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from schema import archive, safe_yaml

_FILE = re.compile(r"[^/]+/(values\.yaml|templates/.+|charts/.+/templates/.+)")
_READ = re.compile(r"\.Values((?:\.[A-Za-z_][A-Za-z0-9_]*)+)")
Path = tuple[str, ...]


def unknown(content: bytes, values: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Each value that no template of the archive could read, with the nearest that it has.

    A map that values.yaml leaves empty, or a template reads as a whole, takes any key. Raises
    ArchiveError for bytes that are no archive.
    """
    files = archive.files(content, _FILE.fullmatch)
    listed: Any = {}
    read: set[Path] = set()
    for name, text in files.items():
        if name.count("/") == 1:
            listed = safe_yaml.load(text)
        else:
            read |= {tuple(m[1:].split(".")) for m in _READ.findall(text.decode(errors="replace"))}
    yield from _unknown(values, listed if isinstance(listed, dict) else {}, read, ())


def _unknown(
    values: Mapping[str, Any], listed: Mapping[str, Any], read: set[Path], path: Path
) -> Iterator[tuple[Path, str]]:
    for key, value in values.items():
        here = (*path, key)
        if key in listed:
            below = listed[key]
            if isinstance(value, Mapping) and isinstance(below, Mapping) and below:
                yield from _unknown(value, below, read, here)
        elif not any(each[: len(here)] == here or here[: len(each)] == each for each in read):
            known = {*listed, *(each[len(path)] for each in read if each[:-1] == path)}
            near = difflib.get_close_matches(key, sorted(known), n=1)
            yield here, near[0] if near else ""
