"""What is known of a namespace: what runs in it, and the calls that were seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

ADMIN_PORT = 4191


@dataclass(frozen=True)
class ServingWorkload:
    """A Deployment, StatefulSet or DaemonSet, as its pod template has it.

    ports: of the containers, by number, with their name. probes: paths of HTTP probes by port;
    a probe by gRPC is the path of gRPC's health service.
    """

    kind: str
    name: str
    labels: Mapping[str, str]
    account: str = "default"
    ports: Mapping[int, str] = field(default_factory=dict)
    probes: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Kind in small letters, as the metrics have it, and name."""
        return self.kind.lower(), self.name

    def selected(self, selector: Mapping[str, str]) -> bool:
        """True where a selector takes its pods."""
        return bool(selector) and selector.items() <= self.labels.items()

    def number(self, port: str | int) -> int | None:
        """The number of a port, which may be a name; None where no container has the name."""
        if str(port).isdigit():
            return int(port)
        return next((number for number, name in self.ports.items() if name == port), None)


@dataclass(frozen=True)
class KubeService:
    """A Service: its selector, and its target ports by number or name."""

    name: str
    selector: Mapping[str, str]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class RunningNamespace:
    """What runs in a namespace now."""

    name: str
    workloads: tuple[ServingWorkload, ...]
    services: tuple[KubeService, ...]

    def workload(self, kind: str, name: str) -> ServingWorkload | None:
        """The workload of this kind and name; None where it is gone."""
        return next((each for each in self.workloads if each.key == (kind, name)), None)

    @property
    def serves(self) -> bool:
        """True where something could be called."""
        return bool(self.services) or any(each.ports for each in self.workloads)

    def behind(self, selector: Mapping[str, str]) -> Iterator[ServingWorkload]:
        """The workloads whose pods a selector takes."""
        return (each for each in self.workloads if each.selected(selector))


@dataclass(frozen=True, order=True)
class Call:
    """Calls of one client to one port of a workload, over the time looked at.

    client: mesh identity, empty where it has none. protocol: `http` (requests) or `tcp`
    (connections). outcome: `allow` or `deny`. authorization: kind and name of what let it in, such
    as `default/audit`. route: its name where routes are attached, else empty.
    """

    namespace: str
    workload: tuple[str, str]
    port: int
    client: str
    protocol: str
    outcome: str
    authorization: str
    route: str
    count: float = field(compare=False)

    @property
    def probe(self) -> bool:
        """True for a probe that Linkerd allows by itself."""
        return self.authorization == "default/probe"
