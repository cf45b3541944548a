"""Keys that had another name: the old one is taken for a release more, and said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from schema.faults import Fault
from schema.values import Was
from schema.yaml_file import Path_
from stack.meant import is_map, section_of


def renamed(value: Any, model: type[BaseModel], path: Path_ = ()) -> tuple[Any, list[Fault]]:
    """A section with today's keys, and a fault for each that was written by its old name.

    One that is written by both names is left as it is: the old one is an unknown key then.
    """
    if not isinstance(value, dict):
        return value, []
    made, told = dict(value), list[Fault]()
    for name, field in model.model_fields.items():
        key = field.alias or name
        for was in (each.key for each in field.metadata if isinstance(each, Was)):
            if was in made and key not in made:
                made = {key if each == was else each: item for each, item in made.items()}
                told.append(Fault((*path, was), f"is called {key} now: rename it"))
        section = section_of(field.annotation)
        if section and key in made:
            below = _below(made[key], is_map(field.annotation), (*path, key))
            for place, item in below:
                new, more = renamed(item, section, place)
                made[key] = _with(made[key], place[len(path) + 1 :], new)
                told += more
    return made, told


def _below(value: Any, names: bool, path: Path_) -> Iterator[tuple[Path_, Any]]:
    """The sections in what a key holds: one, or those of a list, or of a map."""
    if isinstance(value, dict) and names:
        yield from (((*path, name), item) for name, item in value.items())
    elif isinstance(value, tuple | list):
        yield from (((*path, index), item) for index, item in enumerate(value))
    else:
        yield path, value


def _with(value: Any, place: Path_, new: Any) -> Any:
    if not place:
        return new
    if isinstance(value, dict):
        return {**value, place[0]: new}
    at = int(place[0])
    return (*value[:at], new, *value[at + 1 :])
