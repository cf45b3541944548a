"""What the rollout commands judge: data as the cluster gave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from bot.mesh.trust.model import PodOwner

Mesh = Literal["meshed", "partly meshed", "not meshed", "no pods", "not there"]


@dataclass(frozen=True)
class Proxy:
    """The proxy of a pod. version: the tag of its image. policy: the default inbound policy that it
    began with, `""` where it does not say. native: it runs as a native sidecar.
    """

    version: str
    policy: str
    native: bool


@dataclass(frozen=True)
class Pod:
    """A pod that runs or is about to. proxy: None outside the mesh.

    inject: its own annotation `linkerd.io/inject`, `""` where it has none. host_network: the
    injector passes such a pod by. restarts: of its containers, since it is there; recent: when one
    of them last ended, None where none has. account: its service account. node: where it runs.
    priority: its priority class.
    """

    namespace: str
    name: str
    owner: PodOwner
    proxy: Proxy | None = None
    inject: str = ""
    host_network: bool = False
    restarts: int = 0
    recent: datetime | None = None
    account: str = "default"
    annotations: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    priority: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Namespace:
    """A namespace. state: our label, `""` where it has none. since: when our labels were last
    changed, None where they never were. ending: it is being deleted, so no pod is made in it.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    since: datetime | None = None
    ending: bool = False


@dataclass(frozen=True)
class RolloutState:
    """One moment of a cluster. failures: per namespace, pods that the injector failed lately.

    refused: by `namespace/kind/name` of a controller, why its pods were lately refused otherwise.
    version: of the control plane's proxies, `""` where none runs. critical: namespaces that carry
    the cluster by what is in them, and what that is.
    """

    now: datetime
    namespaces: Mapping[str, Namespace]
    pods: tuple[Pod, ...]
    failures: Mapping[str, int] = field(default_factory=dict)
    version: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    critical: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Restart:
    """A pod that has to restart to be as the plan says, and why."""

    pod: Pod
    why: str


@dataclass(frozen=True)
class Standing:
    """How far one namespace is. notes: what a human has to do or to know.

    owner: of its wave. entered: when a workload was last restarted on command, None where none was.
    """

    namespace: str
    wave: str
    state: str
    mesh: Mesh
    meshed: int
    pods: int
    versions: tuple[str, ...]
    policies: tuple[str, ...]
    native: bool
    restarts: tuple[Restart, ...]
    notes: tuple[str, ...]
    owner: str = ""
    entered: datetime | None = None


@dataclass(frozen=True)
class Template:
    """What the pods of a workload are made from. workload: `deployment/web`."""

    namespace: str
    workload: str
    spec: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.workload}"


@dataclass(frozen=True)
class Refusal:
    """Pods that would not come up in the mesh, or not be reached: who refuses, what, the fix."""

    namespace: str
    workload: str
    who: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.workload}: {self.who}: {self.what}: {self.fix}"


@dataclass(frozen=True)
class Surroundings:
    """What decides whether pods may be made, and be reached, in some namespaces.

    foreign: policies of a network plugin, which are not judged. unread: what did not tell.
    """

    templates: tuple[Template, ...] = ()
    policies: tuple[Mapping[str, Any], ...] = ()
    quotas: tuple[Mapping[str, Any], ...] = ()
    limits: tuple[Mapping[str, Any], ...] = ()
    nodes: tuple[Mapping[str, Any], ...] = ()
    foreign: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
