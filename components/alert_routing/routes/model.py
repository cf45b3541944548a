"""What the routing is made from, and the tree of routes that both forms of it are written from.

Follows https://prometheus.io/docs/alerting/latest/configuration/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.alerts.groups.model import PART_OF, Severity, duration, either
from components.alerts.groups.sources import WATCHDOG
from components.base import Args

NOBODY, HEARTBEAT, UNMATCHED = "nobody", "heartbeat", "unmatched"
# A receiver's name has no dot.
HEARTBEAT_KEY = "heartbeat.url"
Operator = Literal["=", "!=", "=~", "!~"]


class ReceiverArgs(Args):
    """Somebody who is told: a channel of Slack, or a routing key of Splunk On-Call."""

    name: str
    type: Literal["slack", "splunk-on-call"]
    vault_path: str
    vault_key: str
    channel: str = ""
    routing_key: str = ""
    api_url: str = ""


class RouteArgs(Args):
    """Which receivers get a severity, in some environments or with none given in all.

    `repeat_interval` is as Prometheus writes a duration; empty for that of all routes.
    """

    severity: Severity
    environments: tuple[str, ...] = ()
    receivers: tuple[str, ...]
    repeat_interval: str = ""

    @property
    def name(self) -> str:
        """What its receiver is called in Alertmanager, such as `critical:production,staging`."""
        return ":".join(filter(None, (self.severity, ",".join(self.environments))))


class HeartbeatArgs(Args):
    """Where the address of the heartbeat is in Vault; `interval` is in seconds."""

    vault_path: str
    vault_key: str
    interval: int


class RoutingArgs(Args):
    """Routes and receivers; durations as Prometheus writes them.

    `signing` is the generation of the trust anchor that signs: when it has ended, what follows
    from that is muted.
    """

    receivers: tuple[ReceiverArgs, ...]
    routes: tuple[RouteArgs, ...]
    unmatched: tuple[str, ...] = ()
    heartbeat: HeartbeatArgs | None = None
    group_by: tuple[str, ...]
    group_wait: str
    group_interval: str
    repeat_interval: str
    signing: str


@dataclass(frozen=True)
class Matcher:
    """A condition on a label of an alert."""

    name: str
    value: str
    operator: Operator = "="

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.name}{self.operator}"{value}"'


@dataclass(frozen=True)
class Node:
    """A route; what is empty is as in the route above it."""

    receiver: str
    matchers: tuple[Matcher, ...] = ()
    group_by: tuple[str, ...] = ()
    group_wait: str = ""
    group_interval: str = ""
    repeat_interval: str = ""
    routes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class MessageGroup:
    """A receiver of Alertmanager: all of ours that one route tells."""

    name: str
    members: tuple[ReceiverArgs, ...] = ()
    heartbeat: bool = False


OURS = Matcher("part_of", PART_OF)


def platform_route(args: RoutingArgs) -> Node:
    """The route of the platform's alerts, with one below it per severity."""
    below = [_beat(args.heartbeat)] if args.heartbeat else []
    below += [_route(route) for route in args.routes]
    return Node(
        NOBODY,
        (OURS,),
        args.group_by,
        args.group_wait,
        args.group_interval,
        args.repeat_interval,
        tuple(below),
    )


def _route(route: RouteArgs) -> Node:
    matchers = [Matcher("severity", route.severity)]
    if route.environments:
        matchers.append(Matcher("environment", either(route.environments), "=~"))
    return Node(route.name, tuple(matchers), repeat_interval=route.repeat_interval)


def _beat(heartbeat: HeartbeatArgs) -> Node:
    # A message counts from when it was sent, a little after the tick: with the whole interval
    # every second one would be left out.
    half = duration(max(heartbeat.interval // 2, 1))
    return Node(
        HEARTBEAT,
        (Matcher("alertname", WATCHDOG),),
        ("cluster", "alertname"),
        "1s",
        duration(heartbeat.interval),
        half,
    )


def groups(args: RoutingArgs) -> list[MessageGroup]:
    """Every receiver that the routes name."""
    known = {receiver.name: receiver for receiver in args.receivers}
    made = [MessageGroup(NOBODY)]
    if args.heartbeat:
        made.append(MessageGroup(HEARTBEAT, heartbeat=True))
    made += [
        MessageGroup(each.name, tuple(known[n] for n in each.receivers)) for each in args.routes
    ]
    if args.unmatched:
        made.append(MessageGroup(UNMATCHED, tuple(known[name] for name in args.unmatched)))
    return made
