"""Every component of the project, by the name of its page."""

from __future__ import annotations

import importlib
from typing import Any

from stack import listed

COMPONENTS = listed.every()
STEMS = sorted(COMPONENTS)


def file_of(stem: str) -> str:
    """The file that a component is in, from the project's folder."""
    return COMPONENTS[stem].__module__.replace(".", "/") + ".py"


def collected(name: str) -> dict[str, Any]:
    """The entries of a table that each feature has in its own tests, where it has some."""
    made: dict[str, Any] = {}
    for stem in (*STEMS, "placement"):
        made |= getattr(importlib.import_module(f"tests.unit.test_{stem}"), name, {})
    return made
