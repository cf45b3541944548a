"""An anchor of one's own is checked before Vault sees it."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from bot.deploy.trust_import import checked_certificate, checked_key, generation_of, read_text
from bot.exit_codes import BadInputError
from tests.unit import stack_files
from tests.unit.bot_trust_samples import DAY, Authority, authority

NOW = datetime.now(UTC)
ISSUER_SECONDS = 48 * 3600


def made(**changes: Any) -> Authority:
    return authority("own", **{"starts": NOW - DAY, **changes})


def refused(text: str) -> str:
    with pytest.raises(BadInputError) as caught:
        checked_certificate(text, "anchor.pem", ISSUER_SECONDS)
    told = str(caught.value)
    assert told.startswith("--certificate anchor.pem: ")
    assert "\n" not in told
    return told


@pytest.mark.parametrize("key", [None, "rsa"])
def test_a_p256_or_rsa_root_or_intermediate_is_taken(key: str | None) -> None:
    """Corporate roots are mostly RSA."""
    own = rsa.generate_private_key(65537, 2048) if key else None
    for parent in (None, authority("corporate", starts=NOW - DAY)):
        anchor = made(key=own, parent=parent)
        assert checked_certificate(anchor.pem, "f", ISSUER_SECONDS) == anchor.certificate


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"constraints": None}, "no basic constraints"),
        ({"constraints": x509.BasicConstraints(False, None)}, "CA:FALSE"),
        ({"constraints": x509.BasicConstraints(True, 0)}, "pathlen:0"),
        ({"identifier": False}, "no subject key identifier"),
        ({"cert_sign": False}, "may not sign certificates"),
        ({"starts": NOW - 30 * DAY, "lifetime": 20 * DAY}, "ended at"),
        ({"starts": NOW + DAY}, "is valid from"),
        ({"lifetime": 2 * DAY}, "before an identity issuer below it would"),
        ({"key": ec.generate_private_key(ec.SECP384R1())}, "supports only ECDSA P-256 and RSA"),
    ],
)
def test_a_certificate_that_cannot_be_an_anchor_is_refused(
    changes: dict[str, Any], said: str
) -> None:
    """Each would be found out by the proxies only, which refuse everything then."""
    assert said in refused(made(**changes).pem)


def test_an_unlimited_path_length_and_one_of_two_are_taken() -> None:
    """Roots mostly have no limit."""
    for length in (None, 2):
        anchor = made(constraints=x509.BasicConstraints(True, length))
        assert checked_certificate(anchor.pem, "f", ISSUER_SECONDS)


def test_rsa_of_another_size_is_refused() -> None:
    """Linkerd's verifier reads 2048 and 4096."""
    assert "RSA of 3072 bits" in refused(made(key=rsa.generate_private_key(65537, 3072)).pem)


def test_text_that_is_no_single_certificate_is_refused() -> None:
    """Which of a chain is to be the anchor is not ours to guess."""
    anchor = made()
    assert "is not a PEM certificate" in refused("hello")
    assert "holds a private key" in refused(anchor.pem + anchor.key_pem)
    assert "holds 2 certificates" in refused(anchor.pem + made().pem)


def test_the_key_must_be_that_of_the_certificate() -> None:
    """Vault would take the certificate as one that cannot sign."""
    anchor = made()
    assert checked_key(anchor.key_pem, "f", anchor.certificate) == anchor.key_pem
    for text, said in (
        (made().key_pem, "is not the key of the certificate"),
        ("hello", "is not a private key in PEM"),
        (
            anchor.key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
            ).decode(),
            "is encrypted",
        ),
    ):
        with pytest.raises(BadInputError, match=said) as caught:
            checked_key(text, "anchor.key", anchor.certificate)
        assert "PRIVATE KEY" not in str(caught.value)


def test_a_sec1_key_becomes_pkcs8() -> None:
    """`openssl ecparam -genkey` writes SEC 1."""
    anchor = made()
    text = anchor.key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()
    assert checked_key(text, "f", anchor.certificate) == anchor.key_pem


def test_the_key_can_come_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Then it lies in no file and in no list of processes."""
    monkeypatch.setattr("sys.stdin", io.StringIO("key"))
    assert read_text("-", "--key") == "key"
    with pytest.raises(BadInputError, match=r"--key .*: No such file"):
        read_text(str(tmp_path / "absent"), "--key")
    der = tmp_path / "anchor.der"
    der.write_bytes(b"\x30\x82\xff")
    with pytest.raises(BadInputError, match="is not PEM"):
        read_text(str(der), "--certificate")


def test_only_a_generation_that_the_owner_imports_is_taken(tmp_path: Path) -> None:
    """A generated one would be made by the next deployment, under the same name."""
    generations = [{"name": "made"}, {"name": "own", "source": "imported"}]
    changes: dict[stack_files.KeyPath, Any] = {
        ("trust", "generations"): generations,
        ("trust", "signing"): "made",
    }
    owner = stack_files.load(tmp_path, stack_files.spoilt(changes, "owner"))
    assert generation_of(owner, "trust", "own").source == "imported"
    for name, said in (("made", "write `source: imported`"), ("other", "lists no other")):
        with pytest.raises(BadInputError, match=said):
            generation_of(owner, "trust", name)
    cluster = stack_files.load(tmp_path, stack_files.spoilt(changes))
    with pytest.raises(BadInputError, match="import into the owner's stack"):
        generation_of(cluster, "staging", "own")


def test_an_anchor_must_outlive_the_issuer_below_it() -> None:
    """Vault would cut each issuer short, and its leaves with it."""
    anchor = made(lifetime=DAY + timedelta(hours=47))
    assert "ends at" in refused(anchor.pem)
    assert checked_certificate(anchor.pem, "f", 46 * 3600)
