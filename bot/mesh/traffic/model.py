"""What is known of the requests to a service: objects of the cluster, and figures of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bot.clients.kubernetes import Manifest

Key = tuple[str, str]  # namespace and name
RouteStanding = Literal["accepted", "refused", "not seen", "missing", "foreign"]


@dataclass(frozen=True)
class TrafficObjects:
    """The objects of a cluster that decide about requests.

    flagger: the image of its Deployment, None where it was not found.
    """

    services: Sequence[Manifest] = ()
    routes: Sequence[Manifest] = ()
    profiles: Sequence[Manifest] = ()
    rollouts: Sequence[Manifest] = ()
    canaries: Sequence[Manifest] = ()
    flagger: str | None = None


@dataclass(frozen=True)
class Figures:
    """What clients' proxies counted in a window, by the service that they called.

    retried, recovered, exhausted, overflowed, timed_out: requests. shut: clients that see no ready
    pod of a backend; out: pods that clients have out, of all that they know. limited: requests over
    a limit, by namespace and Server.
    """

    window: str
    retried: Mapping[Key, float] = field(default_factory=dict)
    recovered: Mapping[Key, float] = field(default_factory=dict)
    exhausted: Mapping[Key, float] = field(default_factory=dict)
    overflowed: Mapping[Key, float] = field(default_factory=dict)
    timed_out: Mapping[Key, float] = field(default_factory=dict)
    shut: Mapping[Key, float] = field(default_factory=dict)
    out: Mapping[Key, tuple[float, float]] = field(default_factory=dict)
    limited: Mapping[Key, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RouteState:
    """One route at a Service."""

    kind: str
    name: str
    standing: RouteStanding
    why: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class ServiceState:
    """A service of the stack file. faults: what it says and does not hold; notes: what to know.

    unbounded: ports at which nothing ends all tries of a request together.
    """

    key: str
    ports: tuple[str, ...]
    breaker: str
    delivery: str
    routes: tuple[RouteState, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    unbounded: tuple[int, ...] = ()


@dataclass(frozen=True)
class TrafficState:
    """All services of the stack file. silent: meshed ones that it does not name.

    unread: why there are no figures.
    """

    services: Sequence[ServiceState]
    silent: Sequence[str] = ()
    figures: Figures | None = None
    unread: str = ""

    @property
    def faults(self) -> list[str]:
        """Every fault, with its service."""
        return [f"{each.key}: {fault}" for each in self.services for fault in each.faults]
