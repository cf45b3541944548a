"""What was read for a status; asking for what was not read is no answer, and never a pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from bot.clients.kubernetes import Manifest
from bot.clients.prometheus import FiringAlert
from bot.clients.target import Target
from bot.mesh.rollout.admission import Admission
from bot.mesh.rollout.model import RolloutState as RolloutSeen
from bot.mesh.status.linkerd_cli import CliReport
from bot.mesh.trust.model import Kept
from bot.mesh.trust.model import TrustState as TrustSeen
from components.external_secrets import operators
from components.names import LINKERD, LINKERD_BUOYANT, LINKERD_VIZ
from stack.config import StackConfig

if TYPE_CHECKING:
    from bot.mesh.drift.report import StackDrift


class NoAnswerError(Exception):
    """A source does not tell what a check needs. asked: False where nobody asked it."""

    def __init__(self, why: str, *, asked: bool = True) -> None:
        super().__init__(why)
        self.asked = asked


@dataclass(frozen=True)
class Unread:
    """Why a source was not read. asked: False where nobody asked for it."""

    why: str
    asked: bool = True


@dataclass(frozen=True)
class Secret:
    """What is kept of a Secret: its keys that have a value, labels, and certificates.

    chain: `tls.crt`, the certificate first. fits: whether `tls.key` is the key of it. pkcs8: how
    that key is encoded. authorities: `ca.crt`. No key is ever kept.
    """

    keys: frozenset[str]
    labels: Mapping[str, str]
    chain: tuple[Any, ...] = ()
    fits: bool = False
    pkcs8: bool = False
    authorities: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Alerting:
    """What a Prometheus says: the alerts that fire, and the names of all rules it has."""

    firing: tuple[FiringAlert, ...]
    rules: frozenset[str]


@dataclass(frozen=True)
class Facts:
    """The sources of a status by name; `bot.mesh.status.sources` lists them. now: our own clock."""

    target: Target
    now: datetime
    sources: Mapping[str, Any]

    @property
    def config(self) -> StackConfig:
        """The stack file."""
        return self.target.config

    def source(self, name: str) -> Any:
        """What was read; raises NoAnswerError where it was not."""
        found = self.sources.get(name, Unread("was not read"))
        if isinstance(found, Unread):
            raise NoAnswerError(found.why, asked=found.asked)
        return found

    def objects(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """The objects of a kind, such as `pods`; of one namespace, or of all that were read."""
        found = cast("list[Manifest]", self.source(kind))
        if namespace is None:
            return found
        return [each for each in found if each["metadata"].get("namespace") == namespace]

    def names(self, kind: str, namespace: str | None = None) -> set[str]:
        """The names of these objects."""
        return {each["metadata"]["name"] for each in self.objects(kind, namespace)}

    def named(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """One object; None where there is none."""
        found = self.objects(kind, namespace)
        return next((each for each in found if each["metadata"]["name"] == name), None)

    def one(self, kind: str, namespace: str, name: str) -> Any:
        """A ConfigMap's or Secret's content, that was asked for by name; None where none is."""
        return self.source(f"{kind} {namespace}/{name}")

    def secret(self, namespace: str, name: str) -> Secret | None:
        """A Secret without its secrets."""
        return cast("Secret | None", self.one("secret", namespace, name))

    @property
    def trust(self) -> TrustSeen:
        """The cluster as the trust commands see it."""
        return cast(TrustSeen, self.source("trust"))

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The generations as the owner's Vault has them."""
        return cast("tuple[Kept, ...]", self.source("vault anchors"))

    @property
    def rollout(self) -> RolloutSeen:
        """The cluster as the rollout commands see it."""
        return cast(RolloutSeen, self.source("rollout"))

    @property
    def admission(self) -> Admission:
        """What speaks against the next restart of meshed workloads."""
        return cast("Admission", self.source("admission"))

    @property
    def alerting(self) -> Alerting:
        """What Prometheus says."""
        return cast(Alerting, self.source("alerts"))

    @property
    def drift(self) -> StackDrift:
        """What `bot drift` found."""
        return cast("StackDrift", self.source("drift"))

    @property
    def cli(self) -> CliReport:
        """What `linkerd check` says."""
        return cast(CliReport, self.source("linkerd check"))


def places(config: StackConfig) -> list[str]:
    """The namespaces whose workloads are ours, and those of operators that are somebody else's."""
    optional = [
        (LINKERD_VIZ, config.viz.enabled),
        (LINKERD_BUOYANT, config.buoyant_cloud.enabled),
    ]
    every = operators(config).namespaces
    return [*every, LINKERD, *(name for name, on in optional if on)]


def own_places(config: StackConfig) -> list[str]:
    """The namespaces whose workloads are all ours: an existing operator's may hold anything."""
    where = operators(config)
    shared = {*where.namespaces} - {*where.ours} if where.theirs else set()
    return [each for each in places(config) if each not in shared]
