"""A YAML text as plain values, where it is from somebody who may mean harm.

Beside what is not safe to read (`schema.safe_yaml`), all that could be read in two ways is refused.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from schema import safe_yaml
from schema.safe_yaml import TAG

# A ConfigMap has less than 1 MiB, and the longest of ours 50 KB.
MOST = 256 << 10  # characters
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")


class NoValuesError(ValueError):
    """The text is no YAML of values, or none that is safe to read."""


def load(text: str) -> Any:
    """The values of a text of one document; raises NoValuesError.

    Numbers are those of JSON; any other scalar that is no text is told with its tag, such as
    `!!timestamp 2026-01-01`, so that two that differ stay apart.
    """
    try:
        root = safe_yaml.compose(text, MOST)
    except safe_yaml.YamlError as error:
        raise NoValuesError(str(error)) from None
    if root is None:
        raise NoValuesError("no content")
    return _value(root)


def _value(node: yaml.Node) -> Any:
    if isinstance(node, safe_yaml.Alias):
        raise NoValuesError("an alias")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
        return [_value(item) for item in node.value]
    if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
        return _mapping(node)
    raise NoValuesError("a mapping or a list with a tag")


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key_node, item in node.value:
        key = _value(key_node)
        if isinstance(key, dict | list):
            raise NoValuesError("a key that is not a scalar")
        name = key if isinstance(key, str) else json.dumps(key)
        if name in made:
            # The first counts to some readers, the last to others.
            raise NoValuesError("a duplicate key")
        made[name] = _value(item)
    return made


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    kind = str(node.tag).removeprefix(TAG)
    if kind == "str":
        return text
    if kind == "merge":
        raise NoValuesError("a merge key")
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in ("int", "float") and _NUMBER.fullmatch(text):
        # Python refuses an integer of more than 4,300 digits.
        return json.loads(text) if len(text) <= 400 else f"!!{kind} {text}"
    return f"!!{kind} {text}"
