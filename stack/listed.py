"""What lists the components: the exports of `linkerd_platform`, and the table of their pages.

Both are written by `make docs`, so that a new component is in its own files alone.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Iterator

import components
from components.base import Args, Component
from components.chart import ChartRef
from schema.section import Section

_WIDTH = 100


def every() -> dict[str, type[Component]]:
    """Each component by the name of its page, such as `cert_manager`."""
    for module in pkgutil.walk_packages(components.__path__, f"{components.__name__}."):
        importlib.import_module(module.name)
    found = [each for each in Component.__subclasses__() if each.__module__[:11] == "components."]
    return {re.sub(r"(?<!^)([A-Z])", r"_\1", each.__name__).lower(): each for each in found}


def table() -> str:
    """The table of docs/components/README.md: a page each, and what the module says of itself."""
    rows = ["| component | what it is about |", "|---|---|"]
    for name, component in sorted(every().items()):
        folder, _, module = component.__module__.rpartition(".")
        about = inspect.getmodule(component) if module == name else importlib.import_module(folder)
        # The component of a folder of several tells of itself.
        said = (about if module in (name, "component") else component).__doc__ or ""
        rows.append(f"| [{name}]({name}.md) | {said.splitlines()[0].rstrip('.')} |")
    return "\n".join(rows) + "\n"


def exports(version: str) -> str:
    """The module `linkerd_platform`: every component, its arguments, and what those are made of."""
    kinds: set[type] = {ChartRef}
    for component in every().values():
        kinds.add(component)
        kinds |= set(made_of(arguments_of(component)))
    by_module: dict[str, list[str]] = {}
    for kind in kinds:
        by_module.setdefault(kind.__module__, []).append(kind.__name__)
    about = "The components of linkerd-platform and their arguments, for any Pulumi program."
    lines = [f'"""{about}"""', "", "# Written by `make docs`."]
    for module, names in sorted(by_module.items()):
        line = f"from {module} import {', '.join(sorted(names))}"
        listed = "".join(f"    {name},\n" for name in sorted(names))
        lines.append(line if len(line) <= _WIDTH else f"from {module} import (\n{listed})")
    every_name = sorted([*(kind.__name__ for kind in kinds), "__version__"])
    lines += ["", f'__version__ = "{version}"', "", "__all__ = ["]
    return "\n".join([*lines, *(f'    "{name}",' for name in every_name), "]", ""])


def arguments_of(component: type[Component]) -> type[Args]:
    """The class of a component's arguments, which is beside it and called after it."""
    module = importlib.import_module(component.__module__)
    found: type[Args] = getattr(module, f"{component.__name__}Args")
    return found


def made_of(kind: object) -> Iterator[type[Args] | type[Section]]:
    """A class of arguments, with the classes of its fields."""
    if isinstance(kind, type) and issubclass(kind, Args | Section):
        yield kind
        for field in kind.model_fields.values():
            yield from made_of(field.annotation)
    for inner in typing.get_args(kind):
        yield from made_of(inner)
