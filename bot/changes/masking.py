"""Masking of a changed field; what is looked for is in schema/masking.py.

Objects and fields are masked where a plan or a set of changes is made, by where a value stands;
every text is masked once more where it leaves (bot/text/output.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.changes import paths
from bot.changes.model import FieldChange
from schema.masking import masked_value, names_a_secret


def masked_field(kind: str, field: FieldChange, *contents: Mapping[str, Any] | None) -> FieldChange:
    """A field of a resource of this kind; a side that is not there stays so.

    contents: inputs of the resource, in which the name stands beside a `value`.
    """
    parts = paths.parts(field.path)
    keys = tuple(str(part) for part in parts)
    named = keys[-1:] == ("value",) and any(
        names_a_secret(paths.value_at(content or {}, (*parts[:-1], "name"))) for content in contents
    )
    place = (*keys, "password") if named else keys
    before, after = (
        value if value == paths.ABSENT else masked_value(kind, place, value)
        for value in (field.before, field.after)
    )
    if before is field.before and after is field.after:
        return field
    return field.model_copy(update={"before": before, "after": after})
