"""The one reader of YAML: bounded in size, depth and what its aliases stand for.

PyYAML composes a text by calling itself: one that is nested deep enough raises RecursionError, and
ends the process where the C loader reads it; aliases of aliases become more than any memory. Here
nodes are made from the events of the parser, which has a stack of its own, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

# A chart's rendering of all CRDs has 3 MB, and the schemas in them are nested 38 deep.
MOST = 16 << 20  # characters
DEEPEST = 100
MOST_VALUES = 1_000_000
_LONGEST_REASON = 300
TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset({f"{TAG}{kind}" for kind in ("int", "float", "bool", "null")})
# `=` alone has a type of its own in YAML 1.1, which PyYAML knows and cannot read.
_TEXTS = frozenset({f"{TAG}{kind}" for kind in ("str", "timestamp", "value")})
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError, yaml.YAMLError):
    """The text is no YAML, or none that is safe to read; `str()` is one line."""


class Alias(yaml.Node):
    """Stands for an alias where it is not followed."""


def load(text: str | bytes, most: int = MOST) -> Any:
    """The values of the first document, None where there is none; raises YamlError."""
    return next(load_all(text, most), None)


def load_all(text: str | bytes, most: int = MOST) -> Iterator[Any]:
    """The values of each document, of the types that JSON has; raises YamlError.

    A date is the text of it, and a key is its text, as for the API server.
    """
    for node in compose_all(text, most):
        try:
            yield _value(node, yaml.SafeLoader(""))
        except YamlError:
            raise
        except Exception as error:
            # A number of 5,000 digits, `!!int x`: PyYAML lets through whatever its own conversion
            # raises.
            raise YamlError(f"cannot be read: {_line(error)}") from None


def _value(node: yaml.Node, constructor: yaml.SafeLoader) -> Any:
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _TEXTS:
            return node.value
        if node.tag in _SCALARS:
            return constructor.construct_object(node)
    elif isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
        return [_value(item, constructor) for item in node.value]
    elif isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
        if any(key.tag == f"{TAG}merge" for key, _ in node.value):
            constructor.flatten_mapping(node)
        return {_key(key): _value(item, constructor) for key, item in node.value}
    raise YamlError(f"has the tag {_line(node.tag.replace(TAG, '!!'))}: remove it")


def _key(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    raise YamlError("has a key that is not a scalar")


def compose(text: str | bytes, most: int = MOST) -> yaml.Node | None:
    """The node of a text of one document, its aliases not followed; raises YamlError."""
    nodes = list(compose_all(text, most, follow=False))
    if len(nodes) > 1:
        raise YamlError("holds several documents: keep one")
    return nodes[0] if nodes else None


def compose_all(text: str | bytes, most: int = MOST, *, follow: bool = True) -> Iterator[yaml.Node]:
    """The root of each document; raises YamlError.

    follow: an alias is the node that it names; else an Alias.
    """
    if len(text) > most:
        raise YamlError(f"holds over {most:,} characters, which is the limit")
    try:
        loader = _Loader(text)
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(_line(error)) from None
    try:
        composer = _Composer(loader, follow)
        while (event := loader.get_event()) is not None:
            if (root := composer.take(event)) is not None:
                yield root
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(_line(error)) from None
    finally:
        loader.dispose()


class _Composer:
    def __init__(self, loader: Any, follow: bool) -> None:
        self._loader = loader
        self._follow = follow
        self._values = 0
        # Collections that have not ended, the value that each began with, and a key that waits.
        self._open: list[tuple[yaml.CollectionNode, int, list[yaml.Node]]] = []
        self._anchors: dict[str, tuple[yaml.Node, int | None]] = {}
        self._names: dict[int, str] = {}

    def take(self, event: Any) -> yaml.Node | None:
        """The root of the document, where the event completes it."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchors.clear()
        if isinstance(event, yaml.ScalarEvent):
            return self._complete(self._scalar(event))
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            made, began, _ = self._open.pop()
            if name := self._names.pop(id(made), None):
                self._anchors[name] = (made, self._values - began)
            return self._complete(made)
        elif isinstance(event, yaml.AliasEvent):
            return self._complete(self._named(event))
        return None

    def _scalar(self, event: Any) -> yaml.Node:
        tag = self._tag(yaml.ScalarNode, event.tag, event.value, event.implicit)
        marks = (event.start_mark, event.end_mark)
        node = yaml.ScalarNode(tag, event.value, *marks, style=event.style or None)
        self._count(1)
        self._anchor(event.anchor, node, 1)
        return node

    def _begin(self, event: Any) -> None:
        if len(self._open) >= DEEPEST:
            raise YamlError(f"is nested too deep: over {DEEPEST} levels, which is the limit")
        kind = yaml.MappingNode if isinstance(event, yaml.MappingStartEvent) else yaml.SequenceNode
        tag = self._tag(kind, event.tag, None, event.implicit)
        node = kind(tag, [], event.start_mark, None, flow_style=event.flow_style)
        self._open.append((node, self._values, []))
        self._count(1)
        self._anchor(event.anchor, node, None)

    def _tag(self, kind: type[yaml.Node], tag: str | None, value: Any, implicit: Any) -> str:
        return str(self._loader.resolve(kind, value, implicit) if tag in (None, "!") else tag)

    def _anchor(self, name: str | None, node: yaml.Node, values: int | None) -> None:
        if name is not None:
            self._anchors[name] = (node, values)
            if values is None:
                self._names[id(node)] = name

    def _named(self, event: Any) -> yaml.Node:
        if not self._follow:
            self._count(1)
            return Alias("", event.anchor, event.start_mark, event.end_mark)
        node, values = self._anchors.get(event.anchor, (Alias("", None, None, None), None))
        if values is None:
            raise YamlError(f"has an alias without an anchor before it: *{event.anchor[:80]}")
        # As many as it stands for: whoever walks through the values meets all of them.
        self._count(values)
        return node

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise YamlError(
                f"holds over {MOST_VALUES:,} values, aliases followed, which is the limit"
            )

    def _complete(self, node: yaml.Node) -> yaml.Node | None:
        if not self._open:
            return node
        into, _, keys = self._open[-1]
        if isinstance(into, yaml.SequenceNode):
            into.value.append(node)
        elif keys:
            into.value.append((keys.pop(), node))
        else:
            keys.append(node)
        return None


def _line(error: object) -> str:
    """The reason on one line, as of a file, and without the line itself, which it may quote."""
    if isinstance(error, yaml.YAMLError) and not isinstance(error, YamlError):
        told = _broken(error)
    else:
        told = str(error)
    line = " ".join("".join(c if c.isprintable() else " " for c in told).split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."


def _broken(error: yaml.YAMLError) -> str:
    context = getattr(error, "context", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", "")).strip()
    problem = re.sub(r"(alias|anchor|tag handle|tag|directive|name) ['\"<].*", r"\1", problem)
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    told = problem or "a character that YAML does not allow"
    return f"{context}: {told}{where}" if context else f"{told}{where}"
