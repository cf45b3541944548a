"""Writes docs/config.md and what lists the components: `python -m stack.docs`; `--check` in CI."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import linkerd_platform
from schema import values
from schema.faults import PROJECT
from stack import listed, rules
from stack.config import StackConfig
from stack.meant import MAP_KEY, is_map, section_of

PROJECT_DIR = Path(__file__).resolve().parent.parent
_TABLE = re.compile(r"\| component \|.*?\n(?!\|)", re.DOTALL)

_INTRO = f"""\
# Stack config

Generated from the sections beside the components by `make docs`; change it there.

A stack file `Pulumi.<stack>.yaml` has one key per section below `config:`, each beginning with
`{PROJECT}:`. What is not listed here is an error: it names the file, the line, the key and
the nearest valid one, all faults at once, and nothing is registered (exit code 2).

```yaml
config:
  {PROJECT}:role: cluster
  {PROJECT}:trust:
    signing: anchor-2026
```

Types: a *duration* is a text with units, `48h`, `1h30m`, `90s` or `3650d` (a day is 24 hours), up
to 36500d. A *name* has lower-case letters, digits and `-`, at most 63 characters. A *secret* is
encrypted: `pulumi config set --secret --path {PROJECT}:<section>.<key>`.
"""


def _rules() -> str:
    """The rules between keys: the lists in their docstrings."""
    listed = [
        line
        for rule in rules.RULES
        for line in inspect.cleandoc(rule.__doc__ or "").split("\n\n", 1)[1:]
    ]
    return "\n".join(["## Rules between keys\n", *listed, ""])


def page() -> str:
    """The whole page."""
    return "\n".join([_INTRO, *_sections(StackConfig, (), "Sections", None), _rules()])


def _sections(
    model: type[BaseModel], path: tuple[str, ...], title: str, intro: str | None
) -> Iterator[str]:
    rows = ["| key | type | default | |", "|---|---|---|---|"]
    inner: list[tuple[type[BaseModel], tuple[str, ...]]] = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        section = section_of(field.annotation)
        if section:
            inner.append((section, (*path, key, *([MAP_KEY] if is_map(field.annotation) else []))))
        cells = (f"`{key}`", kind(field), _default(field), field.description or "")
        rows.append(
            "| " + " | ".join(" ".join(c.split()).replace("|", "\\|") for c in cells) + " |"
        )
    yield f"## {title}\n"
    if intro:
        yield f"{' '.join(intro.split())}\n"
    yield "\n".join(rows) + "\n"
    for section, inner_path in inner:
        heading = f"`{PROJECT}:{'.'.join(inner_path)}`"
        yield from _sections(section, inner_path, heading, section.__doc__)


def kind(field: FieldInfo) -> str:
    """The type of a key in a reader's words."""
    return _kind(field.annotation, field.metadata)


def _kind(annotation: Any, metadata: list[Any]) -> str:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if kinds := [each for each in metadata if isinstance(each, values.ValueKind)]:
        return kinds[0].text
    if origin is typing.Annotated:
        return _kind(args[0], list(args[1:]))
    if origin in (typing.Union, types.UnionType):
        return _kind(next(a for a in args if a is not type(None)), [])
    if origin is tuple:
        return f"list of {_kind(args[0], [])}"
    if origin is dict:
        return f"map of {_kind(args[1], [])}"
    if origin is typing.Literal:
        return ", ".join(f"`{a}`" for a in args)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    if annotation is int:
        low = next((m.ge for m in metadata if isinstance(m, Ge)), None)
        high = next((m.le for m in metadata if isinstance(m, Le)), None)
        return f"whole number, {low} to {high}"
    return {
        bool: "`true`, `false`",
        str: "text",
        values.Duration: "duration",
        SecretStr: "secret",
        Any: "anything",
    }[annotation]


def _default(field: FieldInfo) -> str:
    default = field.default
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, BaseModel):
        return "below"
    if isinstance(default, bool):
        return f"`{default}`".lower()
    if default in ((), {}):
        return "none"
    return (
        ", ".join(f"`{item}`" for item in default) if isinstance(default, tuple) else f"`{default}`"
    )


def written(folder: Path) -> dict[Path, str]:
    """Every file that is written here, below the project's folder, with its text."""
    overview, exported = folder / "docs/components/README.md", folder / "linkerd_platform"
    text = overview.read_text(encoding="utf-8")
    return {
        folder / "docs/config.md": page(),
        overview: _TABLE.sub(lambda _: listed.table(), text, count=1),
        exported / "__init__.py": listed.exports(linkerd_platform.__version__),
    }


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m stack.docs",
        description="Write docs/config.md from the sections of the stack file, and what lists the "
        "components: the table of docs/components/README.md and linkerd_platform/__init__.py.",
        epilog="examples:\n  python -m stack.docs\n  python -m stack.docs --check",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 when a file is stale"
    )
    parser.add_argument(
        "--project",
        type=Path,
        default=PROJECT_DIR,
        help="folder of the project (default: this one)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` say which are stale: 0, or 1 when one is."""
    options = parser().parse_args(arguments)
    stale = {
        file: text
        for file, text in written(options.project).items()
        if not file.is_file() or file.read_text(encoding="utf-8") != text
    }
    for file, text in stale.items():
        if options.check:
            print(f"{file.relative_to(options.project)} is stale: run `make docs`", file=sys.stderr)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return int(bool(stale) and options.check)


if __name__ == "__main__":
    sys.exit(main())
