"""Routes, what mutes what, and messages: data that must agree with the rules of the alerts."""

from __future__ import annotations

import re

import pytest

from components.alert_routing.routes import messages
from components.alert_routing.routes.inhibition import (
    ANCHOR_EXPIRED,
    BELOW_THE_ANCHOR,
    PAIRS,
    inhibitions,
)
from components.alert_routing.routes.model import Matcher, groups, platform_route
from components.alerts import component as alerts
from components.alerts.groups import anchor
from components.alerts.groups.model import Alert
from components.alerts.groups.sources import CLUSTER_DOWN, WATCHDOG
from tests.unit.alert_samples import setting
from tests.unit.routing_samples import BEAT, routing

ALERTS = [
    rule for group in alerts.groups(setting()) for rule in group.rules if isinstance(rule, Alert)
]
_EVERY = {"cluster", "environment", "part_of", "severity"}


def labels_of(rule: Alert) -> set[str]:
    """The labels that an alert of this rule has."""
    if rule.expr.startswith(anchor.EXPIRY):
        own = {"generation"}
    elif "workload_" in rule.expr:
        own = {"namespace", "workload"}
    else:
        first = re.search(r"\bby \(([^)]*)\)", rule.expr)
        own = {label.strip() for label in first[1].split(",")} if first else set()
    return _EVERY | own | set(rule.labels) | ({"namespace"} if rule.namespace else set())


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0])
def test_what_mutes_and_what_is_muted_share_the_labels_that_say_so(
    pair: tuple[str, tuple[str, ...], tuple[str, ...]],
) -> None:
    """A label that both lack counts as equal: the mute would reach every namespace."""
    worse, others, equal = pair
    for name in (worse, *others):
        rules = [rule for rule in ALERTS if rule.name == name]
        assert rules, name
        assert all(set(equal) <= labels_of(rule) for rule in rules), name
    assert {rule.severity for rule in ALERTS if rule.name == worse} == {"critical"}
    assert {r.severity for r in ALERTS if r.name in others} <= {"warning", "info"}


def test_names_that_are_muted_are_names_of_alerts() -> None:
    """An alert that is renamed would call again in the middle of an outage."""
    known = {rule.name for rule in ALERTS}
    assert set(BELOW_THE_ANCHOR) | {ANCHOR_EXPIRED, CLUSTER_DOWN, WATCHDOG} <= known
    assert ANCHOR_EXPIRED not in BELOW_THE_ANCHOR


def test_every_mute_stays_in_its_cluster_and_with_our_alerts() -> None:
    """One Alertmanager may serve many clusters, and other teams."""
    rules = inhibitions("anchor-1")
    assert len(rules) == 2 + len(PAIRS)
    for rule in rules:
        assert "cluster" in rule.equal
        for side in (rule.source, rule.target):
            assert Matcher("part_of", "linkerd-platform") in side


def test_a_cluster_that_is_down_mutes_all_but_itself_and_the_heartbeat() -> None:
    """A heartbeat that an outage mutes would call a second team."""
    target = inhibitions("anchor-1")[0].target
    (names,) = [m for m in target if m.name == "alertname"]
    assert names.operator == "!~"
    kept = {rule.name for rule in ALERTS if re.fullmatch(names.value, rule.name)}
    assert kept == {CLUSTER_DOWN, WATCHDOG}


def test_an_anchor_that_signs_no_more_mutes_nothing() -> None:
    """One that was never retired may end without anybody noticing."""
    source = inhibitions("anchor-2")[1].source
    assert Matcher("generation", "anchor-2") in source


def test_a_matcher_is_written_as_alertmanager_reads_it() -> None:
    """A quote in a value would end it."""
    assert str(Matcher("a", 'x"y\\', "!~")) == 'a!~"x\\"y\\\\"'


def test_the_heartbeat_is_first_and_told_at_every_tick() -> None:
    """Behind a route for `info` it would never be reached."""
    root = platform_route(routing(heartbeat=BEAT))
    beat = root.routes[0]
    assert beat.receiver == "heartbeat"
    assert (beat.group_interval, beat.repeat_interval) == ("5m", "2m30s")
    assert [group.name for group in groups(routing(heartbeat=BEAT)) if group.heartbeat] == [
        "heartbeat"
    ]
    assert "heartbeat" not in {node.receiver for node in platform_route(routing()).routes}


def test_every_route_has_a_receiver_of_its_name() -> None:
    """Alertmanager refuses the whole config otherwise."""
    args = routing(heartbeat=BEAT, unmatched=("mesh-slack",))
    names = [group.name for group in groups(args)]
    assert len(names) == len(set(names))
    root = platform_route(args)
    assert {root.receiver, *(node.receiver for node in root.routes)} == set(names) - {"unmatched"}


def test_a_message_says_all_that_is_asked_for_first() -> None:
    """Cluster, environment, namespace, severity, summary and runbook."""
    for text in (messages.SLACK_TEXT, messages.STATE_MESSAGE):
        for label in ("cluster", "environment", "namespace", "severity"):
            assert f"$alert.Labels.{label} }}}}{label}: " in text
        for annotation in ("summary", "description", "runbook_url"):
            assert f"$alert.Annotations.{annotation}" in text
    for part in ("severity", "alertname", "cluster", "namespace", "environment"):
        assert f".CommonLabels.{part}" in messages.TITLE
    assert set(messages.CUSTOM_FIELDS) >= {"cluster", "environment", "namespace", "severity"}


def test_no_custom_field_is_one_of_splunks_own() -> None:
    """Alertmanager and prometheus-operator refuse them: alertmanager config/notifiers.go."""
    reserved = {
        *("routing_key", "message_type", "state_message", "entity_display_name"),
        *("monitoring_tool", "entity_id", "entity_state"),
    }
    assert not reserved & set(messages.CUSTOM_FIELDS)
