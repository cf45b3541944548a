"""Versions: which is newer, and how large the step between two of them is.

Semantic versions by https://semver.org; below 1.0.0 a minor version may break what it likes.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any, Literal

Step = Literal["major", "minor", "patch"]
_LIST = Path(__file__).resolve().parents[2] / "charts.yaml"


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


def steps(before: str, after: str) -> int:
    """How many versions a step goes over, of the kind that it is (`step`); 1 is to the next one.

    0 where that cannot be counted: it goes back, or cannot be compared.
    """
    one, two = version(before), version(after)
    if one is None or two is None or two < one:
        return 0
    old, new = ((*found[0], 0, 0, 0) for found in (one, two))
    changed = next((at for at in range(3) if old[at] != new[at]), 2)
    return new[changed] - old[changed]


def linkerd_release(chart_version: str) -> str | None:
    """The stable release of Linkerd that a version of its charts is of; None before the first."""
    here, found = version(chart_version), None
    for name, first in _releases():
        known = version(first)
        if here and known and known <= here:
            found = name
    return found


def releases_between(before: str, after: str) -> int:
    """How many stable releases of Linkerd the step between two versions of its charts goes over."""
    names = [None, *(name for name, _ in _releases())]
    return names.index(linkerd_release(after)) - names.index(linkerd_release(before))


@functools.cache
def _releases() -> tuple[tuple[str, str], ...]:
    """`releases` of charts.yaml, oldest first."""
    # Here: most changes move no chart, and need no YAML.
    from bot.text import yaml_values

    content = yaml_values.load(_LIST.read_text(encoding="utf-8"))
    listed = {str(name): str(first) for name, first in content.get("releases", {}).items()}
    return tuple(sorted(listed.items(), key=lambda each: version(each[1]) or ()))
