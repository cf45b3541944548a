"""Reading public certificates."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from cryptography import x509
from cryptography.hazmat.primitives import hashes


def describe(pem: str) -> dict[str, str]:
    """SHA-256 fingerprint, expiry in ISO 8601 UTC, and subject of a PEM certificate."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return {
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        "expiry": certificate.not_valid_after_utc.isoformat(),
        "subject": certificate.subject.rfc4514_string(),
    }


def describe_published(data: Mapping[str, str] | None, path: str) -> dict[str, str]:
    """The same of the anchor that its owner has published in Vault at `path`.

    Raises pulumi.RunError when there is none, such as after its owner was destroyed: Vault then
    answers with an entry that has no data.
    """
    if not data or "certificate" not in data:
        raise pulumi.RunError(
            f"no certificate in Vault at {path}: run `up` for the owner of the trust anchor first"
        )
    return describe(data["certificate"])


def certificates_in(pem: bytes) -> list[x509.Certificate]:
    """Every certificate of a PEM text; none when it cannot be read as such."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def certificate_fault(pem: str) -> str | None:
    """What is wrong with CA certificates in PEM; None when nothing is."""
    if "PRIVATE KEY" in pem:
        return "holds a private key: give the certificate alone"
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return "is not a PEM certificate (-----BEGIN CERTIFICATE-----)"
    return None
