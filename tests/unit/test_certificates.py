"""Reading public certificates."""

from __future__ import annotations

import datetime
import hashlib
import ssl

import pulumi
import pytest

from schema.certificates import describe, describe_published
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


@pytest.mark.parametrize("data", [None, {}, {"something": "else"}])
def test_an_anchor_that_its_owner_has_not_published_is_named(data: dict[str, str] | None) -> None:
    """Vault answers for a deleted entry too, without data: that was a TypeError once."""
    with pytest.raises(pulumi.RunError, match="anchors/anchor-2026: run `up` for the owner"):
        describe_published(data, "anchors/anchor-2026")
    published = {"certificate": certificate()}
    assert describe_published(published, "anchors/anchor-2026") == describe(certificate())
