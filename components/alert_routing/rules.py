"""Rules of the section `observability.routing`. Each gives every fault it finds."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Protocol

from components.alert_routing.section import AlertRoute, Receiver, RoutingSection
from components.alerts.groups.sources import WATCHDOG
from components.cluster import HasCluster, needs_a_cluster
from components.observability import HasObservability
from components.vault import apart_from_anchors
from schema.faults import Fault
from schema.values import Duration, shown
from schema.yaml_file import Path_

_ROUTING = ("observability", "routing")
# A group waits for all that one cause sets off, and somebody waits for the message.
_GROUP_WAIT = (Duration(1), Duration(600))
# It is also the time that a delivery may take: Alertmanager docs/configuration.md, `route`.
_GROUP_INTERVAL = (Duration(5), Duration(3600))
# Alertmanager forgets after `--data.retention`, by default 120h, and tells it again then.
_LONGEST_REPEAT = Duration(120 * 3600)
_HEARTBEAT = (Duration(60), Duration(86400))
_NEEDED = ("cluster", "alertname")


class _Config(HasObservability, HasCluster, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `observability.routing`.

    - `observability.routing` that is not `off` needs alerts, and a receiver; a `slack` receiver has
      a `channel`, a `splunk-on-call` one a `routingKey`. Routes name receivers that there are, each
      receiver is in one, none lies behind a route that takes all it could, and `critical` has a
      route for every environment. `groupBy` has `cluster` and `alertname`; a `repeatInterval` is at
      least `groupInterval`. Credentials do not lie below `anchors/` or `anchor-keys/`.
    """
    routing = config.observability.routing
    yield from needs_a_cluster(config, {_ROUTING: routing.form != "off"})
    yield from _receivers(routing)
    yield from _routes(routing)
    yield from _unmatched(routing)
    yield from _times(routing)
    yield from _grouping(routing)
    yield from _heartbeat(config)
    if routing.form != "off":
        yield from _used(config)


def _used(config: _Config) -> Iterator[Fault]:
    """What a routing that is on needs."""
    form = ((*_ROUTING, "form"),)
    if config.role != "owner" and config.observability.alerts.form == "off":
        yield Fault(
            (*_ROUTING, "form"),
            'there are no alerts to route: set observability.alerts.form, or form: "off"',
            looks_at=(("observability", "alerts", "form"),),
        )
    routing = config.observability.routing
    if not routing.receivers:
        yield Fault((*_ROUTING, "receivers"), "missing: name at least one receiver", looks_at=form)
    if routing.form == "alertmanager-config" and routing.credentials_folder:
        yield Fault(
            (*_ROUTING, "credentialsFolder"),
            "is for form 'file': remove it, prometheus-operator reads the Secret itself",
            looks_at=form,
        )


def _receivers(routing: RoutingSection) -> Iterator[Fault]:
    names = [receiver.name for receiver in routing.receivers]
    used = {name for route in routing.routes for name in route.to} | set(routing.unmatched)
    for index, receiver in enumerate(routing.receivers):
        path = (*_ROUTING, "receivers", index)
        if receiver.name in names[:index]:
            yield Fault(
                (*path, "name"), f"{shown(receiver.name)} is listed twice: take another name"
            )
        elif routing.routes and receiver.name not in used:
            yield Fault(
                (*path, "name"),
                f"{shown(receiver.name)} is in no route, so it hears of nothing: add it to one, or "
                "remove it",
                looks_at=((*_ROUTING, "routes"),),
            )
        yield from _kind(path, receiver)
        yield from apart_from_anchors((*path, "vaultPath"), receiver.vault_path)


def _kind(path: Path_, receiver: Receiver) -> Iterator[Fault]:
    slack = receiver.type == "slack"
    given = {
        "channel": (receiver.channel, slack),
        "routingKey": (receiver.routing_key, not slack),
        "apiUrl": (receiver.api_url, not slack),
    }
    kind = ((*path, "type"),)
    for key, (value, belongs) in given.items():
        if value is not None and not belongs:
            other = "splunk-on-call" if slack else "slack"
            yield Fault((*path, key), f"is for type {other!r}: remove it", looks_at=kind)
        if value is None and belongs and key != "apiUrl":
            examples = {"channel": "'#mesh-alerts'", "routingKey": "mesh-production"}
            message = f"missing: type {receiver.type!r} needs it, such as {examples[key]}"
            yield Fault((*path, key), message, looks_at=kind)


def _routes(routing: RoutingSection) -> Iterator[Fault]:
    taken: list[AlertRoute] = []
    for index, route in enumerate(routing.routes):
        path = (*_ROUTING, "routes", index)
        if not route.to:
            message = f"names none: without a route {route.severity} reaches nobody, so remove it"
            yield Fault((*path, "to"), message)
        yield from _named((*path, "to"), route.to, routing)
        if before := next((t for t in taken if _takes_all(t, route)), None):
            where = (*_ROUTING, "routes", routing.routes.index(before))
            yield Fault(
                (*path, "severity"),
                f"is never reached: routes[{where[-1]}] takes every {route.severity} alert that "
                "it is for; put it before that one, or remove it",
                looks_at=(where,),
            )
        taken.append(route)
    whole = [route for route in routing.routes if not route.environments]
    if routing.routes and not any(route.severity == "critical" for route in whole):
        yield Fault(
            (*_ROUTING, "routes"),
            "no route takes critical in every environment, so it may reach nobody: add one with "
            "severity critical and without environments",
        )


def _takes_all(earlier: AlertRoute, later: AlertRoute) -> bool:
    """True when nothing is left for the later one."""
    if earlier.severity != later.severity:
        return False
    if not earlier.environments:
        return True
    return bool(later.environments) and set(later.environments) <= set(earlier.environments)


def _named(path: Path_, names: Sequence[str], routing: RoutingSection) -> Iterator[Fault]:
    known = [receiver.name for receiver in routing.receivers]
    for index, name in enumerate(names):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            listed = ", ".join(known) or "none is listed in receivers"
            hint = f"did you mean {near[0]!r}?" if near else f"known: {listed}"
            yield Fault(
                (*path, index),
                f"{shown(name)} is no receiver; {hint}",
                looks_at=((*_ROUTING, "receivers"),),
            )
        elif name in names[:index]:
            yield Fault((*path, index), f"{shown(name)} is listed twice: keep one")


def _unmatched(routing: RoutingSection) -> Iterator[Fault]:
    path = (*_ROUTING, "unmatched")
    yield from _named(path, routing.unmatched, routing)
    if routing.unmatched and routing.form == "alertmanager-config":
        yield Fault(
            path,
            "is for form 'file': remove it, alerts of others are routed by the Alertmanager's own "
            "config",
            looks_at=((*_ROUTING, "form"),),
        )


def _times(routing: RoutingSection) -> Iterator[Fault]:
    yield from _between("groupWait", routing.group_wait, _GROUP_WAIT)
    yield from _between("groupInterval", routing.group_interval, _GROUP_INTERVAL)
    repeats: list[tuple[Path_, Duration | None]] = [(("repeatInterval",), routing.repeat_interval)]
    repeats += [
        (("routes", index, "repeatInterval"), route.repeat_interval)
        for index, route in enumerate(routing.routes)
    ]
    for key, value in repeats:
        if value and not routing.group_interval <= value <= _LONGEST_REPEAT:
            yield Fault(
                (*_ROUTING, *key),
                f"{value} is out of range: write {routing.group_interval} (groupInterval) to "
                f"{_LONGEST_REPEAT}",
                looks_at=((*_ROUTING, "groupInterval"),),
            )


def _between(key: str, value: Duration, bounds: tuple[Duration, Duration]) -> Iterator[Fault]:
    low, high = bounds
    if not low <= value <= high:
        yield Fault((*_ROUTING, key), f"{value} is out of range: write {low} to {high}")


def _grouping(routing: RoutingSection) -> Iterator[Fault]:
    path = (*_ROUTING, "groupBy")
    for index, name in enumerate(routing.group_by):
        if name in routing.group_by[:index]:
            yield Fault((*path, index), f"{shown(name)} is listed twice: keep one")
    missing = [name for name in _NEEDED if name not in routing.group_by]
    if missing:
        yield Fault(
            path,
            f"lacks {' and '.join(missing)}: alerts of several causes would be one message; add it",
        )


def _heartbeat(config: _Config) -> Iterator[Fault]:
    heartbeat = config.observability.routing.heartbeat
    if heartbeat is None:
        return
    path = (*_ROUTING, "heartbeat")
    low, high = _HEARTBEAT
    if not low <= heartbeat.interval <= high:
        message = f"{heartbeat.interval} is out of range: write {low} to {high}"
        yield Fault((*path, "interval"), message)
    yield from apart_from_anchors((*path, "vaultPath"), heartbeat.vault_path)
    disabled = config.observability.alerts.disabled
    if config.observability.routing.form != "off" and WATCHDOG in disabled:
        yield Fault(
            ("observability", "alerts", "disabled", disabled.index(WATCHDOG)),
            f"{WATCHDOG!r} is what the heartbeat sends: remove it here, or routing.heartbeat",
            looks_at=(path,),
        )
