"""Lists of named things, laid side by side by name, so that an insertion is one difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.changes.paths import ABSENT

# Keys that name an item of a list, the best first: containers, env and volumes have `name`, mounts
# `mountPath`, ports without a name their number. As merge keys of the Kubernetes API.
_NAMES = ("name", "mountPath", "containerPort", "port", "key", "ip")


def aligned(before: Any, after: Any) -> tuple[Any, Any]:
    """Both values with their lists of named things in the same order.

    An item keeps the index that it has in `after`; what is only in `before` comes at the end, and
    `ABSENT` stands where a side has nothing. Lists whose items changed places stay as they are:
    order has a meaning there, as in initContainers.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        pairs = {
            key: aligned(value, after[key]) if key in after else (value, None)
            for key, value in before.items()
        }
        return (
            {key: pair[0] for key, pair in pairs.items()},
            {key: pairs[key][1] if key in pairs else value for key, value in after.items()},
        )
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        laid = [
            aligned(old, new)
            for old, new in (_paired_by_name(before, after) or _by_index(before, after))
        ]
        return [old for old, _ in laid], [new for _, new in laid]
    return before, after


_Pairs = list[tuple[Any, Any]]


def _by_index(before: Any, after: Any) -> _Pairs:
    size = max(len(before), len(after))
    fill = [ABSENT] * size
    return list(zip([*before, *fill][:size], [*after, *fill][:size], strict=True))


def _paired_by_name(before: Any, after: Any) -> _Pairs | None:
    """The pairs by name; None where the items have no names, or where indexes tell it better."""
    for key in _NAMES:
        old, new = _named(before, key), _named(after, key)
        if old is None or new is None:
            continue
        common = [name for name in new if name in old]
        if [name for name in old if name in new] != common:
            return None
        if len(old) == len(new) and all(
            one == two or (one not in new and two not in old)
            for one, two in zip(old, new, strict=True)
        ):
            return None  # renamed in place, if anything
        pairs = [(old.get(name, ABSENT), item) for name, item in new.items()]
        return pairs + [(item, ABSENT) for name, item in old.items() if name not in new]
    return None


def _named(items: Any, key: str) -> dict[str, Any] | None:
    """Items by name; None unless each has one of its own."""
    if not all(isinstance(item, Mapping) and key in item for item in items):
        return None
    found = {str(item[key]): item for item in items}
    return found if len(found) == len(items) else None
