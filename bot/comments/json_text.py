"""The difference of two JSON texts, value by value: what is on one line would be cut otherwise.

A dashboard is 20,000 characters on a line. What changes in it is a limit, a query, a title.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What tells the members of a list apart, the first that all of them have.
_IDENTITY = ("title", "name", "id", "refId", "color")
# Values that differ in the same way, of which the first are shown.
_ALIKE = 3
_ABSENT = object()


@dataclass(frozen=True)
class Difference:
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


def differences(before: str, after: str) -> list[Difference] | None:
    """Every value that differs; None where one of the texts is no JSON of several values."""
    try:
        old, new = (json.loads(text, object_pairs_hook=_unique) for text in (before, after))
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(each, dict | list) for each in (old, new)):
        return None
    # Texts that differ in blanks alone are shown as texts.
    return list(_walk(old, new, ())) or None


def lines(found: Sequence[Difference], most: int, width: int) -> list[str]:
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


def _told(each: Difference, width: int) -> list[str]:
    sides = (("-", each.before), ("+", each.after))
    where = _cut(each.where.replace("\n", "\\n").replace("\t", "\\t"), width)
    return [f"{sign} {where}: {_cut(text, width)}" for sign, text in sides if text is not None]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[:width]}… ({len(text):,} characters)"


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        # The last one counts to some readers, the first to others: neither may be hidden.
        raise ValueError("a key that is there twice")
    return made


def _walk(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _members(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        sides = _by_identity(old, new) or (_by_place(old), _by_place(new))
        yield from _members(*sides, path)
        orders = [[key for key in one if key in other] for one, other in (sides, sides[::-1])]
        if orders[0] != orders[1]:
            yield Difference((*path, "(order)"), _text(orders[0]), _text(orders[1]))
    elif _text(old) != _text(new):
        yield Difference(path, _text(old), _text(new))


def _members(
    old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[Difference]:
    for key in {**old, **new}:
        before, after = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if before is not _ABSENT and after is not _ABSENT:
            yield from _walk(before, after, (*path, key))
        else:
            yield Difference((*path, key), _text(before), _text(after))


def _by_identity(old: list[Any], new: list[Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The members by what tells them apart; None where nothing does."""
    for key in _IDENTITY:
        if all(isinstance(member, dict) and key in member for member in (*old, *new)):
            sides = _named(old, key), _named(new, key)
            if [len(side) for side in sides] == [len(old), len(new)]:
                return sides
    return None


def _named(members: list[Any], key: str) -> dict[str, Any]:
    """Members of the same name are counted: `[Requests]`, `[Requests #2]`."""
    seen: Counter[str] = Counter()
    made = {}
    for member in members:
        name = str(member[key])
        seen[name] += 1
        made[f"[{name} #{seen[name]}]" if seen[name] > 1 else f"[{name}]"] = member
    return made


def _by_place(members: list[Any]) -> dict[str, Any]:
    return {f"[{index}]": member for index, member in enumerate(members)}


def _text(value: Any) -> str | None:
    return None if value is _ABSENT else json.dumps(value, ensure_ascii=False)
