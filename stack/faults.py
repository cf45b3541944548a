"""What is wrong with a stack file, said so that it can be mended without a second look.

One line per fault: the file, the line, the key, what is wrong and the fix.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from stack.config import StackConfig

PROJECT = "linkerd-platform"
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """A fault at a key path below `linkerd-platform:`."""

    path: Path_
    message: str

    @property
    def key(self) -> str:
        """The key as in the stack file, such as `linkerd-platform:trust.issuer.duration`."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text if ":" in text.split(".")[0] else f"{PROJECT}:{text}"


class ConfigError(Exception):
    """A stack file that cannot be used; `str()` is one line per fault."""

    def __init__(self, file: Path, faults: Sequence[Fault]) -> None:
        self.file = file
        self.faults = tuple(faults)
        super().__init__("\n".join(_lines(file, self.faults)))


def _lines(file: Path, faults: Iterable[Fault]) -> Iterable[str]:
    places = _places(file)
    for fault in faults:
        path = fault.path
        while path and path not in places:
            path = path[:-1]
        where = f"{file.name}:{places[path]}" if path in places else file.name
        yield f"{where}: {fault.key}: {fault.message}"


def _places(file: Path) -> dict[Path_, int]:
    """The line of every key in the file; empty where it cannot be read."""
    places: dict[Path_, int] = {}

    def walk(node: yaml.Node, path: Path_) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                places[(*path, key.value)] = key.start_mark.line + 1
                walk(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                places[(*path, index)] = value.start_mark.line + 1
                walk(value, (*path, index))

    try:
        root = yaml.compose(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return {}
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "config":
                walk(value, ())
    return {
        (str(path[0]).removeprefix(f"{PROJECT}:"), *path[1:]): line for path, line in places.items()
    }


def from_pydantic(error: ValidationError) -> list[Fault]:
    """Every fault of a pydantic error, with the nearest valid key for an unknown one."""
    faults = []
    for item in error.errors(include_url=False):
        path = tuple(item["loc"])
        match item["type"]:
            case "extra_forbidden":
                message = f"unknown key; {suggestion(path)}"
            case "missing":
                message = f"missing; it is {_description(path)}"
            case "value_error":
                message = str(item["ctx"]["error"])
            case _:
                message = f"{item['msg'][0].lower()}{item['msg'][1:]}{_shown(path, item['input'])}"
        faults.append(Fault(path, message))
    return faults


def _shown(path: Path_, value: object) -> str:
    # A secret typed in the wrong form must not end in a log.
    if isinstance(value, str | int | float | bool) and "secret" not in str(path[-1]).lower():
        return f", but it is {value!r}"
    return ""


def suggestion(path: Path_) -> str:
    """The valid key that an unknown one was most likely meant to be, else all valid keys there."""
    model = model_at(path[:-1])
    name = str(path[-1])
    keys = field_keys(model) if model else []
    near = difflib.get_close_matches(name, keys, n=1, cutoff=0.6) or [
        key for key in keys if key.lower() == name.lower().replace("_", "").replace("-", "")
    ]
    if near:
        return f"did you mean {near[0]!r}?"
    elsewhere = [".".join(p) for p in all_paths(StackConfig) if p[-1] == name]
    if elsewhere:
        return f"did you mean {PROJECT}:{elsewhere[0]}?"
    return f"valid here: {', '.join(keys)}"


def _description(path: Path_) -> str:
    model = model_at(path[:-1])
    for field in model.model_fields.values() if model else ():
        if field.alias == path[-1] and field.description:
            return field.description.rstrip(".").replace("\n", " ")
    return "required"


def field_keys(model: type[BaseModel]) -> list[str]:
    """The keys of a section as they are written in a stack file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def model_at(path: Path_) -> type[BaseModel] | None:
    """The section at a key path; None where there is none."""
    model: type[BaseModel] | None = StackConfig
    for part in path:
        if isinstance(part, int):
            continue
        if model is None:
            return None
        model = next(
            (section_of(f.annotation) for f in model.model_fields.values() if f.alias == part), None
        )
    return model


def section_of(annotation: object) -> type[BaseModel] | None:
    """The section inside `Section`, `Section | None` or `tuple[Section, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple):
        return next(filter(None, map(section_of, typing.get_args(annotation))), None)
    return None


def all_paths(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    """The path of every key that a stack file can have."""
    for name, field in model.model_fields.items():
        path = (*prefix, field.alias or name)
        yield path
        if section := section_of(field.annotation):
            yield from all_paths(section, path)
