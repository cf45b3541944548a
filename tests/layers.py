"""Which part of the project may import which: `python -m tests.layers` prints what does not fit.

A part imports what stands below it, never what stands above; no two files import one another, not
even within functions, by however many others.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# From the ground up.
LAYERS = (
    "schema",
    "components",
    "linkerd_platform",
    "stack",
    "policies",
    "bot/exit_codes.py",
    "bot/text",
    "bot/stacks.py",
    "bot/cli",
    "bot/clients",
    "bot/changes",
    "bot/engine",
    "bot/plan",
    "bot/mesh",
    "bot/deploy",
    "bot/comments",
    "sandbox",
    "bench",
)
# Doors, which open into whatever is behind them.
_ENTRIES = ("__main__.py", "bot/__init__.py", "bot/__main__.py")


@dataclass(frozen=True)
class Import:
    """One file takes a name from another; both are paths from the project's folder."""

    file: str
    of: str
    name: str

    def __str__(self) -> str:
        return f"{self.file} imports {self.name} of {self.of}"


def imports(root: Path = ROOT) -> dict[str, list[Import]]:
    """The imports of each file, those within functions too."""
    tops = {layer.partition("/")[0] for layer in LAYERS}
    files = [
        str(file.relative_to(root))
        for top in sorted(tops)
        for file in sorted((root / top).rglob("*.py"))
        if ".venv" not in file.parts
    ]
    modules = {
        file.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): file for file in files
    }
    return {file: list(_of(file, root, modules)) for file in [*files, *_ENTRIES[:1]]}


def _of(file: str, root: Path, modules: Mapping[str, str]) -> Iterator[Import]:
    for node in ast.walk(ast.parse((root / file).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [(each.name, "") for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [(node.module, each.name) for each in node.names]
        else:
            continue
        for module, name in names:
            of = modules.get(f"{module}.{name}") or modules.get(module)
            if of and of != file:
                yield Import(file, of, name or module)


def layer(file: str) -> int | None:
    """How high a file stands; None for an entry. Raises LookupError for one that stands nowhere."""
    if file in _ENTRIES:
        return None
    for height, each in enumerate(LAYERS):
        if file == each or file.startswith(f"{each}/"):
            return height
    raise LookupError(f"{file} is in no part of the project: add it to LAYERS in tests/layers.py")


def upward(found: Mapping[str, list[Import]]) -> list[Import]:
    """Imports of what stands above."""
    told = []
    for each in (each for many in found.values() for each in many):
        own, other = layer(each.file), layer(each.of)
        if own is not None and other is not None and other > own:
            told.append(each)
    return told


def circles(found: Mapping[str, list[Import]]) -> list[list[str]]:
    """Files that import one another, as the way from one back to it; one for each such group."""
    graph = {file: sorted({each.of for each in many}) for file, many in found.items()}
    done: set[str] = set()
    told = []
    for start in graph:
        way: list[str] = []
        open_ = [(start, iter(graph[start]))] if start not in done else []
        way += [start] if open_ else []
        while open_:
            file, rest = open_[-1]
            following = next(rest, None)
            if following is None:
                done.add(file)
                open_.pop()
                way.pop()
            elif following in way:
                told.append([*way[way.index(following) :], following])
            elif following not in done:
                open_.append((following, iter(graph.get(following, []))))
                way.append(following)
    return told


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    return argparse.ArgumentParser(
        prog="python -m tests.layers",
        description="Print each import that runs upward and each circle of imports. Exit code 1 "
        "when there is one.",
        epilog="examples:\n  python -m tests.layers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each import that runs upward and each circle; 1 where there is one."""
    parser().parse_args(arguments)
    found = imports()
    lines = [f"upward: {each}" for each in upward(found)]
    lines += [f"circle: {' -> '.join(each)}" for each in circles(found)]
    files = [file for file in found if file not in _ENTRIES]
    lines.append(f"{len(files)} files in {len(LAYERS)} parts, {len(lines)} faults")
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(len(lines) > 1)


if __name__ == "__main__":
    sys.exit(main())
