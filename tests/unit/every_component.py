"""Every component of the project, by the name of its page."""

from __future__ import annotations

import importlib
import re

from components.base import Component
from tests.unit.stack_files import REPO


def _every() -> dict[str, type[Component]]:
    for file in sorted((REPO / "components").rglob("[a-z]*.py")):
        importlib.import_module(".".join(file.relative_to(REPO).with_suffix("").parts))
    found = [each for each in Component.__subclasses__() if each.__module__[:11] == "components."]
    return {re.sub(r"(?<!^)([A-Z])", r"_\1", each.__name__).lower(): each for each in found}


COMPONENTS = _every()
STEMS = sorted(COMPONENTS)


def file_of(stem: str) -> str:
    """The file that a component is in, from the project's folder."""
    return COMPONENTS[stem].__module__.replace(".", "/") + ".py"
