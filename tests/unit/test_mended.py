"""Mending: a fault in a key that must be there hides no other fault, and ends in no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from stack.config import StackConfig
from stack.meant import section_of
from stack.mended import example, mended


def fields(
    model: type[BaseModel] = StackConfig, seen: frozenset[type[BaseModel]] = frozenset()
) -> Iterator[tuple[str, str, FieldInfo]]:
    """Section, key and field of each key that must be there, or is a list."""
    for name, field in model.model_fields.items():
        if field.is_required() or "tuple" in str(field.annotation):
            yield model.__name__, field.alias or name, field
        section = section_of(field.annotation)
        if section and section not in seen:
            yield from fields(section, seen | {model})


FIELDS = {(section, key): field for section, key, field in fields()}


@pytest.mark.parametrize("place", FIELDS, ids=".".join)
def test_every_key_that_must_be_there_has_a_valid_example(place: tuple[str, str]) -> None:
    """Without one the loader ends in a KeyError, and with a faulty one the rules are not asked."""
    field = FIELDS[place]
    kind: Any = field.annotation
    kind = Annotated[kind, *field.metadata] if field.metadata else kind
    TypeAdapter(kind).validate_python(example(field), strict=True)


def test_the_keys_are_looked_for() -> None:
    """A walk that finds none would let any key pass."""
    assert len(FIELDS) >= 40
    assert ("StackConfig", "role") in FIELDS


def test_an_example_takes_the_place_of_what_is_faulty() -> None:
    """A key that may be left out goes; the others stay as they are."""
    config = {"role": "onwer", "vault": {"address": "https://v", "namespace": 7}}
    assert mended(config, ("role",)) == {**config, "role": "standalone"}
    assert mended(config, ("vault", "namespace")) == {**config, "vault": {"address": "https://v"}}
    assert mended(config, ("nowhere", "x")) == config
