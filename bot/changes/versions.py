"""Versions: which is newer, and how large the step between two of them is.

Semantic versions by https://semver.org; below 1.0.0 a minor version may break what it likes.
"""

from __future__ import annotations

import re
from typing import Any, Literal

Step = Literal["major", "minor", "patch"]


def version(text: str) -> tuple[tuple[int, ...], bool, str] | None:
    """What versions are compared by: numbers, and a release after its own candidates."""
    found = re.fullmatch(r"v?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?", text)
    if found is None:
        return None
    return tuple(int(part) for part in found[1].split(".")), not found[2], found[2] or ""


def older(before: str, after: str) -> bool:
    """True when it goes back; also when the two cannot be compared."""
    one, two = version(before), version(after)
    return one is None or two is None or two < one


def step(before: Any, after: Any) -> Step:
    """How large a step is; back, or to what cannot be compared, is as large as any."""
    one, two = version(str(before)), version(str(after))
    if one is None or two is None or two < one:
        return "major"
    old, new = ((*found[0], 0, 0, 0) for found in (one, two))
    if old[0] != new[0]:
        return "major"
    if old[1] != new[1]:
        return "minor" if new[0] else "major"
    return "patch"
