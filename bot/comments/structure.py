"""The difference of two texts of JSON or YAML, value by value.

A dashboard is 20,000 characters on a line, a file of rules 700 lines. What changes in them is a
limit, a query, a title.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bot.text.hidden_values import SECRET, UNKNOWN
from schema.masking import masked_value

# What tells the members of a list apart, the first of which all of them have one: rules of
# Prometheus alert or record, routes of Alertmanager have a receiver.
_IDENTITY = (
    *(("title",), ("name",), ("alert", "record"), ("receiver",), ("id",), ("refId",), ("color",)),
)
# Values that differ in the same way, of which the first are shown.
_ALIKE = 3
_ABSENT = object()
# In YAML the marks would be lists, so words of one letter that nobody has stand for them.
_MARKS = {SECRET: "\ue000", UNKNOWN: "\ue001"}
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)


@dataclass(frozen=True)
class ValueDifference:
    """A place in the text and what is there before and after, as JSON; None where nothing is."""

    path: tuple[str, ...]
    before: str | None
    after: str | None

    @property
    def where(self) -> str:
        """The place, such as `panels[Requests].targets[A].expr`."""
        made = ""
        for part in self.path:
            made += part if part.startswith("[") else f".{part}"
        return made.lstrip(".") or "(whole)"

    @property
    def kind(self) -> str:
        """The keys at its end, without what tells members apart: `gridPos.y`."""
        return ".".join([part for part in self.path if not part.startswith("[")][-2:])


@lru_cache(maxsize=64)
def differences(before: str, after: str) -> tuple[ValueDifference, ...]:
    """Every value that differs between two JSON texts.

    There are none where one of them is no JSON of several values, is nested too deep, or they
    differ in blanks alone: those are shown as texts.
    """
    try:
        return _differences(
            *(json.loads(text, object_pairs_hook=_unique) for text in (before, after))
        )
    except (ValueError, RecursionError):
        return ()


@lru_cache(maxsize=64)
def yaml_differences(before: str, after: str) -> tuple[ValueDifference, ...]:
    """The same of two YAML texts; comments that differ are one of the values."""
    # Here: few changes have such a text, and every comment would wait for the reader.
    from bot.text import yaml_values

    try:
        old, new = (yaml_values.load(_marked(text)) for text in (before, after))
    except ValueError:
        return ()
    found = _differences(old, new)
    comments = [_COMMENT.findall(text) for text in (before, after)]
    if found and comments[0] != comments[1]:
        # A reader of the file goes by them, and what looks like a value may be one.
        texts = [_text("\n".join(each)) if each else None for each in comments]
        found = (*found, ValueDifference(("(comments)",), *texts))
    return found


def _marked(text: str) -> str:
    for mark, word in _MARKS.items():
        if word in text:
            raise ValueError("a letter that is used here")
        text = text.replace(mark, word)
    return text


def _differences(old: Any, new: Any) -> tuple[ValueDifference, ...]:
    if not all(isinstance(each, dict | list) for each in (old, new)):
        return ()
    return tuple(_walk(old, new, ()))


def lines(found: Sequence[ValueDifference], most: int, width: int) -> list[str]:
    """At most so many lines; the rest is counted. `width`: characters of a value."""
    shown: list[str] = []
    left: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for each in found:
        seen[each.kind] += 1
        made = _told(each, width)
        # What comes once is worth more than the twentieth of a kind.
        if seen[each.kind] > _ALIKE or len(shown) + len(made) > most:
            left[each.kind] += 1
        else:
            shown += made
    if left:
        rest = ", ".join(f"{count:,} x {kind}" for kind, count in left.most_common(8))
        shown.append(f"  … {left.total():,} more values: {rest}")
    return shown


def _told(each: ValueDifference, width: int) -> list[str]:
    where = _cut(each.where.replace("\n", "\\n").replace("\t", "\\t"), width)
    start = _start(each.before, each.after, width)
    sides = (("-", each.before), ("+", each.after))
    return [f"{sign} {where}: {_cut(text, width, start)}" for sign, text in sides if text]


def _start(before: str | None, after: str | None, width: int) -> int:
    """Where to begin: at the front, or shortly before two long texts part."""
    if before is None or after is None or max(len(before), len(after)) <= width:
        return 0
    pairs = enumerate(zip(before, after, strict=False))
    parted = next((at for at, (a, b) in pairs if a != b), min(len(before), len(after)))
    return parted - width // 4 if parted > width // 2 else 0


def _cut(text: str, width: int, start: int = 0) -> str:
    if len(text) <= width:
        return text
    shown = f"…{text[start : start + width]}" if start else text[:width]
    more = "…" if start + width < len(text) else ""
    return f"{shown}{more} ({len(text):,} characters)"


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        # The last one counts to some readers, the first to others: neither may be hidden.
        raise ValueError("a duplicate key")
    return made


def _walk(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[ValueDifference]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _members(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        sides = _by_identity(old, new) or (_by_place(old), _by_place(new))
        yield from _members(*sides, path)
        orders = [[key for key in one if key in other] for one, other in (sides, sides[::-1])]
        if orders[0] != orders[1]:
            yield ValueDifference((*path, "(order)"), _text(orders[0]), _text(orders[1]))
    elif _text(old) != _text(new):
        yield _masked(path, old, new)


def _members(
    old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[ValueDifference]:
    for key in {**old, **new}:
        before, after = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if before is not _ABSENT and after is not _ABSENT:
            yield from _walk(before, after, (*path, key))
        else:
            yield _masked((*path, key), before, after)


def _masked(path: tuple[str, ...], before: Any, after: Any) -> ValueDifference:
    """Once more by where it stands: in the text it may have been written in another way."""
    sides = (each if each is _ABSENT else masked_value("", path, each) for each in (before, after))
    return ValueDifference(path, *map(_text, sides))


def _by_identity(old: list[Any], new: list[Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The members by what tells them apart; None where nothing does."""
    for keys in _IDENTITY:
        names = [[_name(member, keys) for member in side] for side in (old, new)]
        if None not in (*names[0], *names[1]):
            sides = _named(old, names[0]), _named(new, names[1])
            if [len(side) for side in sides] == [len(old), len(new)]:
                return sides
    return None


def _name(member: Any, keys: tuple[str, ...]) -> str | None:
    found = [member[key] for key in keys if key in member] if isinstance(member, dict) else []
    return str(found[0]) if found else None


def _named(members: list[Any], names: list[str | None]) -> dict[str, Any]:
    """Members of the same name are counted: `[Requests]`, `[Requests #2]`."""
    seen: Counter[str | None] = Counter()
    made = {}
    for member, name in zip(members, names, strict=True):
        seen[name] += 1
        made[f"[{name} #{seen[name]}]" if seen[name] > 1 else f"[{name}]"] = member
    return made


def _by_place(members: list[Any]) -> dict[str, Any]:
    return {f"[{index}]": member for index, member in enumerate(members)}


def _text(value: Any) -> str | None:
    if value is _ABSENT:
        return None
    made = json.dumps(value, ensure_ascii=False)
    for mark, word in _MARKS.items():
        made = made.replace(word, mark)
    return made
