"""Stand-ins: a fault in a key that must be there hides no other fault, and ends in no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter

from stack.config import StackConfig
from stack.meant import section_of
from stack.standins import STANDINS, mended


def required(
    model: type[BaseModel] = StackConfig, seen: frozenset[type[BaseModel]] = frozenset()
) -> Iterator[tuple[str, str, Any]]:
    """Section, key and type of each key that must be there."""
    for name, field in model.model_fields.items():
        if field.is_required():
            kind = Annotated[field.annotation, *field.metadata] if field.metadata else None
            yield model.__name__, field.alias or name, kind or field.annotation
        section = section_of(field.annotation)
        if section and section not in seen:
            yield from required(section, seen | {model})


REQUIRED = {(section, key): kind for section, key, kind in required()}


@pytest.mark.parametrize("place", REQUIRED, ids=".".join)
def test_every_key_that_must_be_there_has_a_stand_in(place: tuple[str, str]) -> None:
    """Without one the loader ends in a KeyError, and with a faulty one the rules are not asked."""
    section, key = place
    told = f"{section}.{key} is required: give {key!r} a value that is valid to STANDINS"
    assert key in STANDINS, f"{told}, in stack/standins.py"
    TypeAdapter(REQUIRED[place]).validate_python(STANDINS[key], strict=True)


def test_the_keys_are_looked_for() -> None:
    """A walk that finds none would let any key pass."""
    assert len(REQUIRED) >= 20
    assert ("StackConfig", "role") in REQUIRED


def test_a_stand_in_takes_the_place_of_what_is_faulty() -> None:
    """A key that may be left out goes; the others stay as they are."""
    config = {"role": "onwer", "vault": {"address": "https://v", "namespace": 7}}
    assert mended(config, ("role",)) == {**config, "role": "standalone"}
    assert mended(config, ("vault", "namespace")) == {**config, "vault": {"address": "https://v"}}
    assert mended(config, ("nowhere", "x")) == config
