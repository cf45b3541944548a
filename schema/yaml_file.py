"""A stack file as plain values, read strictly: what the engine would read otherwise is a fault.

PyYAML follows YAML 1.1 and the engine YAML 1.2 (Go's yaml.v3): `yes` is true to one and text to the
other. PyYAML also keeps the last of two equal keys in silence, where the engine refuses the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from schema import safe_yaml
from schema.input_file import MOST_TEXT
from schema.safe_yaml import TAG

Path_ = tuple[str | int, ...]

_SCALARS = frozenset({f"{TAG}{kind}" for kind in ("str", "int", "float", "bool", "null")})
_TAGS = ("binary", "map", "omap", "pairs", "seq", "set", "timestamp", "value", "merge")
_BOOLS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_OTHER_INT = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-9_.]+)+)|.*_.*")


@dataclass
class Document:
    """Value of a YAML text, the line of every key path, and what is wrong with its form."""

    value: Any = None
    lines: dict[Path_, int] = field(default_factory=dict)
    faults: list[tuple[Path_, int, str]] = field(default_factory=list)


def parse(text: str) -> Document:
    """Read one YAML document; raises ValueError, in one line, when it is none at all."""
    document = Document()
    root = safe_yaml.compose(text, MOST_TEXT)
    if root is not None:
        document.value = _Reader(document).value(root, ())
    return document


def _tag(node: yaml.Node) -> str:
    # `password: !x` is a tag to YAML.
    kind = node.tag.removeprefix(TAG)
    return f"!!{kind}" if kind in _TAGS or kind.startswith("python/") else "`!name`"


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document

    def value(self, node: yaml.Node, path: Path_) -> Any:
        if isinstance(node, safe_yaml.Alias):
            # It can also refer to itself, or grow without end.
            self._fault(node, path, "is an alias (`*name`): write the value out")
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._fault(node, path, f"has the tag {_tag(node)}: remove it")
        return None

    def _item(self, node: yaml.Node, path: Path_) -> Any:
        self._document.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def _items(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
        known: dict[str, int] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, path, "has a key that is not text")
                continue
            # As text even where YAML has another type for it: `on: x` is then an unknown key.
            name = str(key.value)
            inner = (*path, name)
            if name in known:
                first = f"first in line {known[name]}"
                self._fault(key, inner, f"is a duplicate ({first}): keep one of the two")
                continue
            known[name] = self._document.lines[inner] = key.start_mark.line + 1
            yield name, self.value(item, inner)

    def _scalar(self, node: yaml.ScalarNode, path: Path_) -> Any:
        kind = node.tag.removeprefix(TAG)
        text = str(node.value)
        if node.tag not in _SCALARS:
            what = (
                "is read as a date"
                if kind == "timestamp"
                else f"has the tag {_tag(node).lstrip('!')}"
            )
            self._fault(node, path, f"{what}: put it in quotes, without a tag")
            return None
        if kind == "bool" and text not in _BOOLS:
            self._fault(
                node, path, f"{text!r} is text for the engine: write true or false, or quote it"
            )
            return None
        old = kind in ("int", "float") and _OTHER_INT.fullmatch(text)
        if old or (node.style is None and re.fullmatch(r"[-+]?0o[0-7]+", text)):
            self._fault(node, path, "is a number in an old notation: put it in quotes")
            return None
        try:
            return yaml.SafeLoader("").construct_object(node)
        except ValueError:
            self._fault(node, path, f"cannot be read as {kind}: put it in quotes")
            return None

    def _fault(self, node: yaml.Node, path: Path_, message: str) -> None:
        self._document.faults.append((path, node.start_mark.line + 1, message))
