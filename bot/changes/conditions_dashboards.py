"""What changes for those who look on, and for nothing that runs."""

from __future__ import annotations

from bot.changes.model import Change, Op
from bot.changes.paths import parts

# The component that makes the dashboards, as it is in the URN of what is below it.
_COMPONENT = "linkerd-platform:observability:Dashboards$"


def dashboard_goes(change: Change) -> bool:
    """A dashboard that is deleted."""
    return change.op is Op.DELETE and _COMPONENT in change.urn


def dashboard_changes(change: Change) -> bool:
    """A dashboard that changes in its text alone: where it lies and is found stays."""
    if change.op is not Op.UPDATE or _COMPONENT not in change.urn or not change.fields:
        return False
    own = ("data", f"{change.metadata.get('name')}.json")
    return all(parts(field.path) == own for field in change.fields)
