"""Writes docs/config.md from the models: `python -m stack.docs`, and `--check` in CI."""

from __future__ import annotations

import argparse
import inspect
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

from schema import values
from schema.faults import PROJECT
from stack import rules
from stack.config import StackConfig
from stack.meant import MAP_KEY, is_map, section_of

FILE = Path(__file__).resolve().parent.parent / "docs" / "config.md"

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
    if kinds := [each for each in metadata if isinstance(each, values.Kind)]:
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
    return {bool: "`true`, `false`", str: "text", values.Duration: "duration", SecretStr: "secret"}[
        annotation
    ]


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


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m stack.docs",
        description="Write docs/config.md from the sections of the stack file.",
        epilog="examples:\n  python -m stack.docs\n  python -m stack.docs --check",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 when the page is stale"
    )
    parser.add_argument(
        "--file", type=Path, default=FILE, help="page to write (default docs/config.md)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or with `--check` say whether it is current: 0, or 1 when it is stale."""
    options = parser().parse_args(arguments)
    current = options.file.read_text(encoding="utf-8") if options.file.is_file() else ""
    if current == page():
        return 0
    if options.check:
        print(f"{options.file.name} is stale: run `make docs`", file=sys.stderr)
        return 1
    options.file.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
