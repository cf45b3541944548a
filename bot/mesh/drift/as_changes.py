"""The drift of a stack as a set of changes, for comments and risk rules."""

from __future__ import annotations

from typing import Any

from bot.changes.model import Change, ChangeSet, FieldChange, Op
from bot.mesh.drift.report import Added, StackDrift, Undeclared
from bot.mesh.drift.text import told, told_added

# Who set a field is known without reading what it says.
NOT_READ = "[not read]"


def changes(drift: StackDrift) -> ChangeSet:
    """All of it as one set of changes, for comments and risk rules.

    What nobody declared is there as added, and as a warning with who made it.
    """
    made = [
        Change(
            urn=f"undeclared::{each.api_version}:{each.kind}::{each.namespace or ''}/{each.name}",
            type=_type(each),
            name=each.name,
            component="undeclared",
            op=Op.CREATE,
            after=_identity(each),
        )
        for each in drift.undeclared
    ]
    touched = [
        Change(
            urn=each.urn,
            type=_type(each),
            name=each.name,
            component="undeclared fields",
            op=Op.UPDATE,
            fields=tuple(FieldChange(path=path, after=NOT_READ) for path in each.paths),
            before=_identity(each),
            after=_identity(each),
        )
        for each in drift.added
    ]
    doubts = (*drift.tracked.doubts, *(f"{k}: {why}" for k, why in drift.unlisted.items()))
    # The risk table sees a plain creation, not that nobody declared it.
    lines = [f"{each.level.value}, undeclared: {told(each)}" for each in drift.undeclared]
    lines += [f"{each.level.value}, undeclared: {told_added(each)}" for each in drift.added]
    return drift.tracked.model_copy(
        update={
            "changes": (*drift.tracked.changes, *touched, *made),
            "warnings": (*drift.tracked.warnings, *lines),
            "errors": (*drift.tracked.errors, *drift.errors),
            "doubts": doubts,
            "seconds": drift.seconds,
        }
    )


def _type(found: Undeclared | Added) -> str:
    core = "" if "/" in found.api_version else "core/"
    return f"kubernetes:{core}{found.api_version}:{found.kind}"


def _identity(found: Undeclared | Added) -> dict[str, Any]:
    namespace = {"namespace": found.namespace} if found.namespace else {}
    metadata = {"name": found.name, **namespace}
    return {"apiVersion": found.api_version, "kind": found.kind, "metadata": metadata}
