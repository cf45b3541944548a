"""Identity processes as the checker drives them; this one is simulated, as upstream does it.

linkerd-identity reads the bundle once, at its start, and keeps the issuer it has when a new one
does not verify against that (pkg/identity/service.go). Where Linkerd's own program is there,
`tests.e2e.identity_process` runs it in this one's place.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509 import verification

from schema.certificates import certificates_in
from tests.e2e.leaves import Issuer, Leaf, now, sign

# linkerd2-proxy: a leaf is renewed when this much of its life has passed.
RENEW_AT = 0.7


@dataclass(frozen=True)
class Bundle:
    """The trust roots as a pod took them at its start."""

    text: str
    roots: tuple[x509.Certificate, ...]

    @classmethod
    def of(cls, text: str) -> Bundle:
        """Read the value of the ConfigMap; raises ValueError when it holds no certificate."""
        roots = tuple(certificates_in(text.encode()))
        if not roots:
            raise ValueError(f"the bundle has no certificate: {text[:60]!r}")
        return cls(text, roots)

    def refuses(self, leaf: Leaf, at: datetime) -> str:
        """Why this leaf does not chain to the bundle; empty when it does."""
        policy = verification.PolicyBuilder().store(verification.Store(self.roots)).time(at)
        try:
            verifier = policy.build_server_verifier(x509.DNSName(leaf.name))
            verifier.verify(leaf.certificate, list(leaf.chain))
        except verification.VerificationError as error:
            ended = [each for each in (leaf.certificate, *leaf.chain) if _ended(each, at)]
            return "expired" if ended else str(error).split("(encountered")[0].strip()
        return ""

    def __str__(self) -> str:
        return "+".join(f"{root.serial_number:x}"[:6] for root in self.roots)


def _ended(certificate: x509.Certificate, at: datetime) -> bool:
    return at > certificate.not_valid_after_utc


@dataclass
class Identity:
    """One identity process: the roots of its start, and the issuer it was given.

    delay: seconds that its kubelet takes to bring a new Secret. lifetime, skew: of a leaf.
    skipped: serial numbers of issuers that it refused.
    """

    name: str
    delay: float
    bundle: Bundle
    lifetime: timedelta
    skew: timedelta
    issuer: Issuer | None = None
    # What the Secret held when this process looked last, and since when.
    offered: tuple[Issuer, float] | None = None
    skipped: list[int] = field(default_factory=list)

    def restart(self, bundle: Bundle, issuer: Issuer | None) -> None:
        """Read roots and issuer anew; one that does not verify is not taken."""
        self.bundle, self.issuer = bundle, None
        if issuer:
            self.take(issuer)

    def stop(self) -> None:
        """End it; it signs no more."""
        self.issuer = None

    def look(self, issuer: Issuer) -> None:
        """Follow the Secret, with the delay of this process's kubelet."""
        if self.offered is None or self.offered[0].serial != issuer.serial:
            self.offered = (issuer, time.monotonic())
        if time.monotonic() - self.offered[1] >= self.delay and (
            self.issuer is None or self.issuer.serial != issuer.serial
        ):
            self.take(issuer)

    def take(self, issuer: Issuer) -> None:
        """Be given an issuer by the kubelet."""
        if self.bundle.refuses(issuer.probe, now()):
            if issuer.serial not in self.skipped:
                self.skipped.append(issuer.serial)
            return
        self.issuer = issuer

    def certify(self, workload: str, asked: x509.CertificateSigningRequest) -> Leaf | None:
        """A leaf for this workload's request; None when there is no issuer that verifies."""
        del workload
        issuer = self.issuer
        # As identity does before each signature: else it would hand out what nobody takes.
        if issuer is None or self.bundle.refuses(issuer.probe, now()):
            return None
        return sign(asked, issuer, self.lifetime, self.skew, RENEW_AT)
