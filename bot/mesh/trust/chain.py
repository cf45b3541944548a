"""Certificates: reading them, naming them, and whom a chain leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

_LONGEST = 8


def dns_names(certificate: x509.Certificate) -> list[str]:
    """The DNS names that a certificate is for; none without the extension."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, in hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def pem(certificate: x509.Certificate) -> str:
    """The certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def anchor_of(
    chain: Sequence[x509.Certificate], anchors: Iterable[x509.Certificate], now: datetime
) -> x509.Certificate | None:
    """The anchor to which a chain leads, its own certificate first; None when there is none.

    Every signature is verified, every signer must be a CA, and every certificate but the anchor
    must be valid at `now`: as Linkerd's verifiers do, which look at no date of an anchor.
    """
    trusted = list(anchors)
    current = chain[0] if chain else None
    for _ in range(_LONGEST):
        if current is None or not current.not_valid_before_utc <= now < current.not_valid_after_utc:
            return None
        if found := next((a for a in trusted if signed(current, a)), None):
            return found
        current = next((c for c in chain[1:] if c != current and signed(current, c)), None)
    return None


def signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority is a CA and its key made the certificate's signature."""
    try:
        certificate.verify_directly_issued_by(authority)
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return constraints.value.ca


def names_of(
    certificates: Iterable[x509.Certificate], anchors: Mapping[str, x509.Certificate]
) -> tuple[str, ...]:
    """The generation of each certificate; the start of its fingerprint where none is known."""
    known = {fingerprint(each): name for name, each in anchors.items()}
    prints = [fingerprint(each) for each in certificates]
    return tuple(known.get(each, f"unknown {each[:12]}") for each in prints)
