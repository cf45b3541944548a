"""What was meant: the nearest key or value to one that no stack file can have.

The keys are those of the sections in stack/config.py, and what is beside a credential is not shown.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from schema.faults import PROJECT, Fault
from schema.secret_names import sureness
from schema.values import described, mended_name, shown
from schema.yaml_file import Path_
from stack.config import StackConfig

UNKNOWN = "unknown key"
# Stands for any name of the user's own in the path of a key.
MAP_KEY = "<name>"


def from_pydantic(error: ValidationError) -> list[Fault]:
    """Every fault of a pydantic error, with the nearest valid key for an unknown one."""
    faults = []
    for item in error.errors(include_url=False):
        # pydantic adds this where the name in a map is wrong itself.
        path = tuple(part for part in item["loc"] if part != "[key]")
        given = item["input"]
        hidden = _near_credentials(path)
        if hidden and "[key]" in item["loc"] and not _HEADER.fullmatch(str(given)):
            path = path[:-1]  # the name itself is what is refused
        match item["type"]:
            case "extra_forbidden":
                message = f"{UNKNOWN}; {suggestion(path)}"
            case "missing":
                message = f"missing: {_description(path)}"
            case "value_error":
                message = str(item["ctx"]["error"])
                if hidden:
                    message = message.replace(shown(given), described(given))
                    message = message.replace(mended_name(str(given)) or "\0", "")
            case kind:
                text = _WRONG_TYPE.get(kind) or f"{item['msg'][0].lower()}{item['msg'][1:]}"
                near = f"; did you mean {each!r}?" if (each := nearest(item)) else ""
                message = f"{text}{_shown(given, hidden=hidden)}{near}"
        faults.append(Fault(path, message))
    return faults


def choices(item: ErrorDetails) -> list[str]:
    """The values that a closed key can have; none for any other fault."""
    expected = item["ctx"]["expected"] if item["type"] == "literal_error" else ""
    return re.findall(r"'([^']*)'", str(expected))


def nearest(item: ErrorDetails) -> str | None:
    """The value of a closed key that a misspelt one was most likely meant to be."""
    given = str(item["input"]).lower()
    # `prod` is nearer to `production` than its letters tell.
    near = [each for each in choices(item) if given and each.startswith(given)]
    return next(iter(near or difflib.get_close_matches(given, choices(item), n=1)), None)


_WRONG_TYPE = {
    "model_type": "should be a section with keys of its own",
    "dict_type": "should be a section with keys of its own",
    "tuple_type": "should be a list",
    "string_type": "should be text, in quotes where YAML takes it for something else",
    "bool_type": "should be true or false, without quotes",
    "int_type": "should be a whole number, without quotes",
}


def _shown(value: object, *, hidden: bool) -> str:
    # A secret typed in the wrong form or place must not end in a log.
    if value is None:
        return ", but it is empty"
    if isinstance(value, str | int | float):
        return f", but it is {described(value) if hidden else shown(value)}"
    return ""


def _near_credentials(path: Path_) -> bool:
    """True for a key that may be given a credential: it names one, holds one, or is beside one."""
    names = tuple(part for part in path if isinstance(part, str))
    if any(secret[: len(names)] == names for secret in SECRETS) or any(map(sureness, names)):
        return True
    sections = (model_at(path[:length]) for length in range(1, len(path) + 1))
    return any(not _OF_CREDENTIALS.isdisjoint(field_keys(each)) for each in sections if each)


_HEADER = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
# A section with one of these says where a credential is, and is where one is put by mistake.
_OF_CREDENTIALS = frozenset({"vaultPath", "vaultKey", "clientSecret"})


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
    if name.split(".")[0] in keys:
        return "keys are nested: write one level per line, without dots"
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
    place: object = StackConfig
    for part in path:
        if isinstance(part, int):
            continue
        model = section_of(place)
        if model is None:
            return None
        if is_map(place):
            place = model
        else:
            fields = model.model_fields.values()
            place = next((f.annotation for f in fields if f.alias == part), None)
    return None if is_map(place) else section_of(place)


def is_map(annotation: object) -> bool:
    """True for `dict[Name, Section]`: the names in it are the user's own."""
    return typing.get_origin(annotation) is dict


def section_of(annotation: object) -> type[BaseModel] | None:
    """The section inside `Section`, `Section | None`, `tuple[Section, ...]` or a map of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple, dict):
        return next(filter(None, map(section_of, typing.get_args(annotation))), None)
    return None


def all_paths(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    """The path of every key that a stack file can have."""
    for name, field in model.model_fields.items():
        path = (*prefix, field.alias or name)
        yield path
        if section := section_of(field.annotation):
            inner = (*path, MAP_KEY) if is_map(field.annotation) else path
            yield from all_paths(section, inner)


def _secrets(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        path = (*prefix, field.alias or name)
        if SecretStr in (field.annotation, *typing.get_args(field.annotation)):
            yield path
        if section := section_of(field.annotation):
            yield from _secrets(section, path)


# The keys whose values may be encrypted in a stack file, and must be.
SECRETS = frozenset(_secrets(StackConfig))
