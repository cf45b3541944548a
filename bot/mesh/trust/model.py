"""What the trust commands judge: data as the servers gave it, and the words for their answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509

from schema.certificates import certificates_in

Step = Literal["switch", "retire"]
StageName = Literal["unknown", "broken", "adding", "added", "switched", "retired", "steady"]

# A kubelet refreshes the files of a mounted Secret or ConfigMap about once a minute, from a cache
# that is a minute old: https://kubernetes.io/docs/concepts/configuration/configmap/
PROPAGATION = timedelta(minutes=2)
IDENTITY = "linkerd-identity"
INJECTOR = "linkerd-proxy-injector"


@dataclass(frozen=True, order=True)
class PodOwner:
    """What owns a pod; a bare pod owns itself."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.kind.lower()}/{self.name}"


@dataclass(frozen=True)
class MeshedPod:
    """A meshed pod that runs or is about to.

    started: since when it has had what it reads at its start, see `bot.mesh.trust.reader.started`.
    bundle: annotation `linkerd.io/trust-root-sha256`, None where there is none.
    """

    namespace: str
    name: str
    owner: PodOwner
    started: datetime
    bundle: str | None = None
    control_plane: bool = False

    @property
    def is_identity(self) -> bool:
        """True for a pod that signs leaves."""
        return self.control_plane and self.owner.name == IDENTITY

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Bundle:
    """The ConfigMap with the anchors: its raw text, and when its data was last written."""

    text: str
    changed: datetime

    @property
    def sha256(self) -> str:
        """What the injector writes on a pod: the hash of the raw text (linkerd2 inject.go)."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def certificates(self) -> list[x509.Certificate]:
        """The anchors in it, in order."""
        return certificates_in(self.text.encode())


@dataclass(frozen=True)
class Issued:
    """One issuer that cert-manager had signed: when, and its chain."""

    at: datetime
    chain: tuple[x509.Certificate, ...]


@dataclass(frozen=True)
class IdentityPod:
    """What an identity process says of the issuer it signs with.

    ttl: seconds that its issuer has left (`issuer_cert_ttl_seconds`); None where it cannot be
    read, and `unreadable` says why.
    """

    pod: str
    ttl: float | None
    unreadable: str = ""


@dataclass(frozen=True)
class TrustState:
    """A cluster at one moment.

    anchors: the certificate of each generation, as it was brought from Vault. issuer: the chain
    in the issuer's Secret, written at `issuer_changed`. requests: oldest first. served: webhook
    and webhook CA certificates, by Secret. leaf: lifetime of a leaf with the clock skew.
    """

    stack: str
    cluster: str
    now: datetime
    leaf: timedelta
    bundle: Bundle | None = None
    anchors: Mapping[str, x509.Certificate] = field(default_factory=dict)
    issuer: tuple[x509.Certificate, ...] = ()
    issuer_changed: datetime | None = None
    requests: tuple[Issued, ...] = ()
    pods: tuple[MeshedPod, ...] = ()
    identities: tuple[IdentityPod, ...] = ()
    served: Mapping[str, x509.Certificate] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """A generation as Vault has it: published certificate, PKI issuer, whether a key is kept."""

    generation: str
    published: x509.Certificate | None
    made: x509.Certificate | None = None
    key: bool | None = None


@dataclass(frozen=True)
class Stage:
    """Where a rotation stands, from what is seen: who signs, what is trusted, oldest first."""

    name: StageName
    signer: str | None
    bundle: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True)
class StepVerdict:
    """Whether a step is safe now. reasons: why not; notes: what could not be known, or is to come.

    restart: pods that must restart first.
    """

    stack: str
    step: Step | None
    generations: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    restart: tuple[MeshedPod, ...] = ()

    @property
    def safe(self) -> bool:
        """True when nothing speaks against the step."""
        return not self.reasons
