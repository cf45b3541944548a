"""Paths of properties as the engine writes them, and the properties in which two objects differ.

The form is that of pulumi sdk/go/common/resource/property_path.go: keys joined by dots, indexes in
brackets, a key with anything but letters, digits, `_`, `-`, `/` or `$` in brackets and quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bot.changes.model import Absent, FieldChange

ABSENT = Absent.ABSENT.value
_PART = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\[([^\[\]]*)\]|([^.\[]+)')
_PLAIN = re.compile(r"[\w$/-]+")
Part = str | int
Path = tuple[Part, ...]


# Objects of a kind change at the same paths.
@lru_cache(maxsize=1 << 12)
def parts(path: str) -> Path:
    """The keys and indexes of a path; an index is a number."""
    found: list[Part] = []
    for quoted, index, odd, plain in _PART.findall(path):
        if index:
            found.append(int(index))
        elif plain:
            found.append(plain)
        else:
            found.append(_unquoted(quoted) if quoted else odd)
    return tuple(found)


def text(path: Sequence[Part]) -> str:
    """The path as text; what `parts` reads gives the same keys again."""
    made = ""
    for part in path:
        if isinstance(part, int):
            made += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            made += f".{part}" if made else part
        else:
            made += f"[{json.dumps(part, ensure_ascii=False)}]"
    return made


def value_at(content: Any, path: Sequence[Part]) -> Any:
    """The value that lies there; `ABSENT` where nothing does."""
    for part in path:
        if isinstance(part, int) and isinstance(content, list | tuple):
            content = content[part] if part < len(content) else ABSENT
        elif isinstance(content, dict | Mapping):
            content = content.get(str(part), ABSENT)
        else:
            return ABSENT
    return content


def differences(before: Any, after: Any) -> tuple[FieldChange, ...]:
    """Every property in which two objects differ, the smallest that do, in the objects' order."""
    return tuple(
        FieldChange(path=text(path), before=old, after=new)
        for path, old, new in _differ((), before, after)
    )


def _differ(path: Path, before: Any, after: Any) -> Iterator[tuple[Path, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from _differ((*path, key), before.get(key, ABSENT), after.get(key, ABSENT))
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        for index in range(max(len(before), len(after))):
            old, new = value_at(before, (index,)), value_at(after, (index,))
            yield from _differ((*path, index), old, new)
    elif before != after or isinstance(before, bool) is not isinstance(after, bool):
        yield path, before, after


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(f'"{quoted}"'))
    except ValueError:
        return quoted
