"""What every section of a stack file is: closed, strict, frozen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A closed, frozen part of the stack file, in camelCase there, by the names of fields here."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        validate_default=False,
        populate_by_name=True,
    )

    @classmethod
    def key_of(cls, name: str) -> str:
        """The key of a field, as it stands in the file."""
        return cls.model_fields[name].alias or name

    def __hash__(self) -> int:
        # A map of sections by name has no hash of its own; a list still makes it fail.
        return hash((type(self), *(_hashable(value) for value in self.__dict__.values())))


def _hashable(value: object) -> object:
    return frozenset(value.items()) if isinstance(value, dict) else value
