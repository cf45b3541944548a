"""Changes of the routing for the rows of `test_changes_rules`."""

from __future__ import annotations

from typing import Any

from bot.changes.model import Change
from components.alert_routing.routes import config_object, file
from components.names import ALERT_ROUTING
from tests.unit.changes_samples import thing
from tests.unit.routing_samples import routing

PLACE = f"monitoring/{ALERT_ROUTING}"


def as_object(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
    """The AlertmanagerConfig, with these changes to the sample on each side; None for none."""
    made = (side if side is None else _spec(side) for side in (before, after))
    return thing("AlertmanagerConfig", PLACE, *made)


def as_file(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
    """The same as a file in a ConfigMap."""
    made = (side if side is None else _data(side) for side in (before, after))
    return thing("ConfigMap", PLACE, *made)


def _spec(changes: dict[str, Any]) -> dict[str, Any]:
    return {"spec": config_object.spec(routing(**changes), "secret")}


def _data(changes: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"alertmanager.yaml": file.as_text(file.content(routing(**changes), "/s"))}}


FEWER = {"routes": routing().routes[:2]}
CASES: dict[str, tuple[Change, Change]] = {
    "routing-goes": (as_object({}, None), as_object(None, {})),
    "calls-end": (as_object({}, FEWER), as_object(FEWER, {})),
    "routing-changes": (
        as_file({}, {"group_wait": "10s"}),
        thing("ConfigMap", "web/c", {"data": {"a": "1"}}, {"data": {"a": "2"}}),
    ),
}
