"""Lists that are cut: the first items, and how many more there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def counted(number: int, what: str, many: str = "") -> str:
    """`1 change`, `2 changes`."""
    return f"{number:,} {what if number == 1 else many or f'{what}s'}"


def listed(
    items: Sequence[_Item], most: int, shown: Callable[[_Item], str] = str, between: str = ", "
) -> str:
    """`a, b and 3 more`: the first of them, and how many more."""
    return between.join(map(shown, items[:most])) + rest(len(items) - most)


def rest(number: int) -> str:
    """` and 3 more`; nothing where nothing is left out."""
    return f" and {number:,} more" if number > 0 else ""


def short(lines: Sequence[str], most: int, indent: str = "") -> list[str]:
    """The first lines, and one that says how many more."""
    left = rest(len(lines) - most)
    return [*lines[:most], *([indent + left.strip()] if left else [])]
