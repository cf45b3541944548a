"""Reading public certificates."""

from __future__ import annotations

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
