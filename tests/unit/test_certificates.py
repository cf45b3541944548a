"""Reading public certificates."""

from __future__ import annotations

import datetime
import hashlib
import ssl

import pytest

from stack.certificates import describe
from tests.unit.stack_files import certificate


def test_a_certificate_is_described_as_other_tools_do() -> None:
    """An operator compares the fingerprint with what openssl prints."""
    described = describe(certificate())
    der = ssl.PEM_cert_to_DER_cert(certificate())
    assert described["fingerprint"] == hashlib.sha256(der).hexdigest()
    assert datetime.datetime.fromisoformat(described["expiry"]).tzinfo is not None
    assert described["subject"] == "CN=staging kubernetes CA (example)"


def test_what_is_no_certificate_is_refused() -> None:
    """An owner that published something else must not look well."""
    with pytest.raises(ValueError, match="PEM"):
        describe("nothing")
