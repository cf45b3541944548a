"""A change of the routing, read from both of its forms: whom it no longer tells, and of what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.changes import conditions_alerts
from bot.changes.model import Change
from components.alert_routing.routes.model import RouteArgs
from tests.unit.changes_alert_cases import PLACE, as_file, as_object
from tests.unit.changes_samples import thing
from tests.unit.routing_samples import BEAT, ON_CALL, ROUTES

Make = Callable[[dict[str, Any], dict[str, Any]], Change]
CRITICAL, SLACK, OTHERS = "critical", "Slack #mesh-alerts", "other environments"


def route(severity: Any, *receivers: str, **more: Any) -> RouteArgs:
    return RouteArgs(severity=severity, receivers=receivers, **more)


BOTH = route(CRITICAL, "mesh-slack", "mesh-on-call")
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "nothing": ({}, {"group_wait": "10s"}, ""),
    "a-severity": ({}, {"routes": ROUTES[:2]}, f"warning to {SLACK}"),
    "one-of-two": (
        {"routes": (BOTH,)},
        {"routes": (route(CRITICAL, "mesh-slack"),)},
        "critical to Splunk On-Call mesh",
    ),
    "one-environment": (
        {"routes": (BOTH,)},
        {"routes": (route(CRITICAL, "mesh-slack", environments=("staging",)), BOTH)},
        "critical to Splunk On-Call mesh in staging",
    ),
    "all-but-one-environment": (
        {"routes": (BOTH,)},
        {"routes": (BOTH.model_copy(update={"environments": ("production",)}),)},
        f"critical to {SLACK} in {OTHERS}; critical to Splunk On-Call mesh in {OTHERS}",
    ),
    "another-team": (
        {"routes": (BOTH,)},
        {"routes": (BOTH,), "receivers": (
            ON_CALL.model_copy(update={"name": "mesh-slack", "routing_key": "mesh"}),
            ON_CALL.model_copy(update={"routing_key": "other"}),
        )},
        f"critical to {SLACK}",
    ),
    "heartbeat": ({"heartbeat": BEAT}, {}, "heartbeat"),
    "more": ({"routes": ROUTES[:2]}, {}, ""),
}  # fmt: skip


@pytest.mark.parametrize("make", [as_object, as_file])
@pytest.mark.parametrize("name", CASES)
def test_a_change_names_whom_it_no_longer_tells(name: str, make: Make) -> None:
    """A diff of a route tree does not say that nobody is called for staging any more."""
    before, after, expected = CASES[name]
    assert conditions_alerts.calls_end(make(before, after)) == expected


def test_a_file_that_nobody_can_read_tells_nobody() -> None:
    """Then everything that was told before ends."""
    before = as_file({}, {}).before
    assert before is not None
    spoilt = {"data": {"alertmanager.yaml": "route: ["}}
    change = thing("ConfigMap", PLACE, {"data": before["data"]}, spoilt)
    assert "critical to Splunk On-Call mesh" in str(conditions_alerts.calls_end(change))


def test_other_objects_are_no_routing() -> None:
    """Somebody else's config is not read."""
    other = thing("AlertmanagerConfig", "a/other", {"spec": {"route": {}}}, None)
    assert not conditions_alerts.is_routing(other)
    assert conditions_alerts.routing_goes(other) is False
