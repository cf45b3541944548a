"""The search for keys and tokens: one that finds nothing proves nothing."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.unit.secrecy import found_in, secrets_in
from tests.unit.stack_files import certificate

KEYS = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
    "rsa3072": rsa.generate_private_key(65537, 3072),
}
FORMATS = {
    "sec1-or-pkcs1": serialization.PrivateFormat.TraditionalOpenSSL,
    "pkcs8": serialization.PrivateFormat.PKCS8,
    "openssh": serialization.PrivateFormat.OpenSSH,
}


def coded(text: str) -> str:
    """As the data of a Secret has it."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("form", FORMATS)
def test_a_key_is_found_in_clear_and_coded_however_deep(kind: str, form: str) -> None:
    """A Secret's data is coded once, in a manifest inside another's data twice."""
    pem = KEYS[kind].private_bytes(
        serialization.Encoding.PEM, FORMATS[form], serialization.NoEncryption()
    )
    text = pem.decode()
    for value in (text, coded(text), coded(coded(text)), f"x: {coded(text)} y"):
        assert ".spec[0].a: private key" in secrets_in({"spec": [{"a": value}]}), form
    bare = "".join(text.splitlines()[1:-1])
    assert found_in(bare)
    # As `base64` prints it, and as JSON holds that.
    wrapped = base64.encodebytes(text.encode()).decode()
    for lines in (wrapped, json.dumps(wrapped)):
        assert found_in(lines)


@pytest.mark.parametrize(
    "token",
    [
        "hvs." + "CAESIJ" * 8,
        "hvb." + "AAAAAQ" * 8,
        "s." + "Ab3" * 8,
        ".".join(coded(f'{{"{part}": "0123456789"}}') for part in ("alg", "iss", "sig")),
    ],
)
def test_a_token_is_found(token: str) -> None:
    """Of Vault in both of its forms, and of a service account."""
    assert found_in(token)
    assert found_in(coded(f"token: {token}"))


def test_what_is_public_is_no_finding() -> None:
    """A search that cries at each certificate is switched off."""
    public = (
        KEYS["p256"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    for text in (certificate(), coded(certificate()), public.decode(), "secret/data/anchors"):
        assert secrets_in([text, {text: text}]) == []
