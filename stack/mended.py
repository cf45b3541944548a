"""Puts examples in the place of faulty values, so that the rules can look at the rest of a file.

A config with a fault in it is never used: all that is taken from it is its other faults.
"""

from __future__ import annotations

import types
import typing
from typing import Any

from annotated_types import Ge
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schema.values import Duration, ValueKind
from schema.yaml_file import Path_
from stack.meant import model_at


def example(field: FieldInfo) -> Any:
    """A valid value of a field: the first of its `examples`, else one of its type."""
    if field.examples:
        return field.examples[0]
    return _of_type(field.annotation, field.metadata)


def _of_type(annotation: Any, metadata: list[Any]) -> Any:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if kinds := [each for each in metadata if isinstance(each, ValueKind)]:
        return kinds[0].example
    if origin is typing.Annotated:
        return _of_type(args[0], list(args[1:]))
    if origin in (typing.Union, types.UnionType):
        return _of_type(next(each for each in args if each is not type(None)), [])
    if origin is tuple:
        return (_of_type(args[0], []),)
    if origin is dict:
        return {_of_type(args[0], []): _of_type(args[1], [])}
    if origin is typing.Literal:
        return args[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {
            each.alias or name: example(each)
            for name, each in annotation.model_fields.items()
            if each.is_required()
        }
    if annotation is int:
        return next((each.ge for each in metadata if isinstance(each, Ge)), 1)
    return {bool: True, str: "a", Duration: "1h", Any: "a"}[annotation]


def mended(value: Any, path: Path_) -> Any:
    """`value` with an example at `path`, or without that key where it may be left out."""
    return _mended(value, path, path)


def _mended(value: Any, path: Path_, whole: Path_) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        if rest:
            return {**value, head: _mended(value[head], rest, whole)} if head in value else value
        field = _field(whole)
        if field is not None and field.is_required():
            return {**value, head: example(field)}
        return {key: item for key, item in value.items() if key != head}
    if isinstance(value, tuple) and isinstance(head, int) and head < len(value):
        item = _mended(value[head], rest, whole) if rest else _item(whole[:-1])
        return (*value[:head], item, *value[head + 1 :])
    return value


def _field(path: Path_) -> FieldInfo | None:
    """The field of a key; None for a key that is unknown, or a name of the user's own."""
    model = model_at(path[:-1])
    fields = model.model_fields.values() if model else ()
    return next((each for each in fields if each.alias == path[-1]), None)


def _item(path: Path_) -> Any:
    """An item of the list at `path`; None where there is no list."""
    field = _field(path)
    given = example(field) if field else None
    return given[0] if isinstance(given, tuple) and given else None
