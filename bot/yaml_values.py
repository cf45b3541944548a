"""A YAML text as plain values, where it is from somebody who may mean harm.

The C loader of PyYAML composes a text by calling itself, so a text that is nested deep enough ends
the process; an alias that is used often enough becomes more than any memory. Both are refused here,
and so is what would be read in two ways.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

# A ConfigMap has less than 1 MiB, and the longest of ours 50 KB.
MOST = 256 << 10  # characters
_DEEPEST = 100
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_TAG = "tag:yaml.org,2002:"
_NOTHING = object()


class NoValuesError(ValueError):
    """The text is no YAML of values, or none that is safe to read."""


def load(text: str) -> Any:
    """The values of a text of one document; raises NoValuesError.

    Numbers are those of JSON; any other scalar that is no text is told with its tag, such as
    `!!timestamp 2026-01-01`, so that two that differ stay apart.
    """
    if len(text) > MOST:
        raise NoValuesError(f"over {MOST:,} characters")
    loader = _Loader(text)
    try:
        return _document(loader)
    except yaml.YAMLError as error:
        raise NoValuesError(str(error)) from None
    finally:
        loader.dispose()


def _document(loader: Any) -> Any:
    """Made from the events of the parser, which has a stack of its own."""
    made: Any = _NOTHING
    open_: list[_Open] = []
    while (event := loader.get_event()) is not None:
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(loader, event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(open_) >= _DEEPEST or event.tag:
                raise NoValuesError(f"nested over {_DEEPEST} deep, or with a tag")
            open_.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else []))
            continue
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            value = open_.pop().made
        elif isinstance(event, yaml.AliasEvent):
            raise NoValuesError("an alias")
        else:
            continue
        if open_:
            open_[-1].take(value)
        elif made is not _NOTHING:
            raise NoValuesError("several documents")
        else:
            made = value
    if made is _NOTHING:
        raise NoValuesError("nothing in it")
    return made


class _Open:
    """A mapping or a list that has not ended."""

    def __init__(self, made: dict[str, Any] | list[Any]) -> None:
        self.made = made
        self._key: Any = _NOTHING

    def take(self, value: Any) -> None:
        """The next item, key or value."""
        if isinstance(self.made, list):
            self.made.append(value)
        elif self._key is _NOTHING:
            if isinstance(value, dict | list):
                raise NoValuesError("a key that is no scalar")
            key = value if isinstance(value, str) else json.dumps(value)
            if key in self.made:
                # The first counts to some readers, the last to others.
                raise NoValuesError("a key that is there twice")
            self._key = key
        else:
            self.made[self._key] = value
            self._key = _NOTHING


def _scalar(loader: Any, event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    tag = event.tag or loader.resolve(yaml.ScalarNode, text, event.implicit)
    kind = str(tag).removeprefix(_TAG)
    if kind == "str":
        return text
    if kind == "merge":
        raise NoValuesError("a key that merges")
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in ("int", "float") and _NUMBER.fullmatch(text):
        return json.loads(text)
    return f"!!{kind} {text}"
