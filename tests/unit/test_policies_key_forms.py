"""A private key is found in whatever form it stands in the inputs of a resource.

Every text is made for the run: none of them lies in the tree.
"""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization as to
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import pkcs12

from policies.key_forms import in_text, keys_in
from tests.unit.policy_samples import subject, texts, thing
from tests.unit.stack_files import STACKS, certificate
from tests.unit.whole_program import evaluated

ID = "no-private-key"
KEYS: Mapping[str, Any] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
    "dsa": dsa.generate_private_key(2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ed448": ed448.Ed448PrivateKey.generate(),
    "x25519": x25519.X25519PrivateKey.generate(),
}
PLAIN = to.NoEncryption()
PASSWORD = to.BestAvailableEncryption(secrets.token_hex(8).encode())
PKCS8, OPENSSL, SSH = (
    to.PrivateFormat.PKCS8,
    to.PrivateFormat.TraditionalOpenSSL,
    to.PrivateFormat.OpenSSH,
)


def pem(name: str, form: Any = PKCS8, encryption: Any = PLAIN) -> str:
    return KEYS[name].private_bytes(to.Encoding.PEM, form, encryption).decode()


def der(name: str = "p256", form: Any = PKCS8, encryption: Any = PLAIN) -> bytes:
    return KEYS[name].private_bytes(to.Encoding.DER, form, encryption)


def b64(content: bytes | str) -> str:
    return base64.b64encode(content if isinstance(content, bytes) else content.encode()).decode()


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(32, "big")).decode().rstrip("=")


def jwk() -> dict[str, str]:
    found = KEYS["p256"].private_numbers()
    x, y = number(found.public_numbers.x), number(found.public_numbers.y)
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": number(found.private_value)}


def sec1_without_public() -> bytes:
    """The shortest: version and 32 bytes."""
    secret = KEYS["p256"].private_numbers().private_value.to_bytes(32, "big")
    return b"\x30\x25\x02\x01\x01\x04\x20" + secret


def lines(text: str, width: int) -> list[str]:
    return [text[start : start + width] for start in range(0, len(text), width)]


def forms() -> Iterator[tuple[str, Any]]:
    """Every form of a key, each as the value of some property."""
    for name in KEYS:
        yield f"{name} pem", pem(name)
        yield f"{name} der", b64(der(name))
        yield f"{name} encrypted der", b64(der(name, encryption=PASSWORD))
        yield f"{name} encrypted pem", pem(name, encryption=PASSWORD)
    for name in ("p256", "p521", "rsa", "dsa"):
        yield f"{name} traditional", pem(name, OPENSSL)
        yield f"{name} traditional der", b64(der(name, OPENSSL))
        yield f"{name} traditional encrypted", pem(name, OPENSSL, PASSWORD)
    for name in ("p256", "rsa", "ed25519"):
        yield f"{name} openssh", pem(name, SSH)
        body = "".join(pem(name, SSH).splitlines()[1:-1])
        yield f"{name} openssh without armour", body
    text, raw = pem("p256"), der()
    body = "".join(text.splitlines()[1:-1])
    yield "sec1 without public half", b64(sec1_without_public())
    yield "pem as lines", text.splitlines()
    yield "pem as a list of short lines", ["x", *lines(text.replace("\n", ""), 9)]
    yield "pem as values of a mapping", dict(enumerate(text.splitlines()))
    yield "pem on one line", text.replace("\n", " ")
    yield "pem with escapes", text.replace("\n", "\\n")
    yield "pem in json", json.dumps({"a": [text]})
    yield "pem in json in json", json.dumps(json.dumps(json.dumps({"a": text})))
    yield "pem lines in json", json.dumps({"a": text.splitlines()})
    yield "pem behind a certificate", certificate() + text
    yield "pem in a block scalar", "a:\n  b: |\n" + "".join(f"    {x}\n" for x in text.split("\n"))
    yield "pem by percent signs", quote(text)
    yield "pem by unicode escapes", "".join(f"\\u{ord(c):04x}" for c in text)
    yield "body without armour", body
    yield "body in a sentence", f"the key is {body}, keep it"
    yield "body behind a path", f"keys/{body}"
    yield "body behind a word", f"prefix-{body}"
    yield "body in lines", "\n".join(lines(body, 16))
    yield "body in short lines", "\n".join(lines(body, 4))
    yield "body in quoted lines", "\n".join(f'  "{each}",' for each in lines(body, 20))
    yield "body as a list", lines(body, 12)
    yield "body as a list without padding", lines(body.rstrip("="), 10)
    yield "body for addresses", base64.urlsafe_b64encode(raw).decode().rstrip("=")
    yield "data address", f"data:application/pkcs8;base64,{body}"
    encoded = text
    for times in range(1, 5):
        encoded = b64(encoded)
        yield f"pem in base64 {times} times", encoded
        yield f"pem in base64 {times} times, wrapped", "\n".join(lines(encoded, 76))
    encoded = b64(raw)
    for times in range(2, 5):
        encoded = b64(encoded)
        yield f"der in base64 {times} times", encoded
    yield "der in hex", raw.hex()
    yield "der in upper hex", raw.hex().upper()
    yield "der in hex with colons", raw.hex(":")
    yield "der in hex lines", "\n".join(lines(raw.hex(), 32))
    yield "der in escapes", "".join(f"\\x{each:02x}" for each in raw)
    yield "der in an array of c", ", ".join(f"0x{each:02x}" for each in raw)
    yield "der in hex in base64", b64(raw.hex())
    yield "der in base64 in hex", b64(raw).encode().hex()
    yield "pem in hex", text.encode().hex()
    yield "der in base32", base64.b32encode(raw).decode()
    yield "der as bytes", raw
    yield "pem as bytes", text.encode()
    yield "der as numbers", list(raw)
    yield "der as floats", [float(each) for each in raw]
    yield "der as numbers in a text", json.dumps(list(raw))
    yield "der as numbers with blanks", " ".join(map(str, raw))
    yield "pem packed", b64(gzip.compress(text.encode(), mtime=0))
    yield "der packed", b64(gzip.compress(raw, mtime=0))
    yield "pem packed by zlib", b64(zlib.compress(text.encode(), 9))
    yield "pem in utf-16", b64(text.encode("utf-16"))
    yield "certificate and key in der", b64(x509_der() + raw)
    yield (
        "pkcs12",
        b64(pkcs12.serialize_key_and_certificates(b"n", KEYS["p256"], None, None, PASSWORD)),
    )
    yield "java keystore", b64(b"\xfe\xed" * 2 + b"\0\0\0\2\0\0\0\1" + secrets.token_bytes(64))
    yield "jwk", jwk()
    yield "jwk as json", json.dumps(jwk())
    yield "jwk in a set", {"keys": [jwk()]}
    yield "jwk set as json", json.dumps({"keys": [jwk()]}, indent=2)
    yield "jwk in base64", b64(json.dumps(jwk()))
    yield "jwk in yaml", "\n".join(f"  {key}: {value}" for key, value in jwk().items())
    yield "symmetric jwk", {"kty": "oct", "k": secrets.token_urlsafe(32)}
    yield "symmetric jwk as json", json.dumps({"kty": "oct", "k": secrets.token_urlsafe(32)})
    kind = "PRIVATE " + "KEY"
    armour = f"-----BEGIN PGP {kind} BLOCK-----\n\n{secrets.token_hex(32)}\n"
    yield "pgp", armour
    yield "pgp with headers", armour.replace("\n\n", "\nVersion: 1 (x)\n\n", 1)
    yield "putty", f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n{secrets.token_hex(32)}"
    yield "ssh2", f"---- BEGIN SSH2 ENCRYPTED {kind} ----\n{secrets.token_hex(32)}"
    yield "age", "AGE-SECRET-" + f"KEY-1{secrets.token_hex(29).upper()}"
    yield "key of a mapping", {b64(raw): "x"}


def x509_der() -> bytes:
    return x509.load_pem_x509_certificate(certificate().encode()).public_bytes(to.Encoding.DER)


FOUND = dict(forms())


@pytest.mark.parametrize("form", FOUND)
def test_a_key_is_found_in_every_form(form: str) -> None:
    """Whoever hands a key to the engine does not write it as the policy would like it."""
    given = thing("ConfigMap", data={"x": FOUND[form]})
    assert [each for each in texts(ID, given) if "holds a private key" in each]
    assert list(keys_in({"a": {"b": [{"c": FOUND[form]}]}}))


def public(name: str, form: Any = to.PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return KEYS[name].public_key().public_bytes(to.Encoding.DER, form)


def harmless() -> Iterator[tuple[str, Any]]:
    """What looks like a key, and is none."""
    yield "certificate", certificate()
    yield "certificate in base64", b64(certificate())
    yield "certificate in base64 twice", b64(b64(certificate()))
    yield "certificate in der", b64(x509_der())
    yield "certificate in hex", x509_der().hex()
    yield "certificate as bytes", list(x509_der())
    for name in ("p256", "p521", "rsa", "dsa", "ed25519"):
        yield f"{name} public", b64(public(name))
        yield (
            f"{name} public as pem",
            KEYS[name]
            .public_key()
            .public_bytes(to.Encoding.PEM, to.PublicFormat.SubjectPublicKeyInfo)
            .decode(),
        )
    yield "rsa public, pkcs1", b64(public("rsa", to.PublicFormat.PKCS1))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    from cryptography.hazmat.primitives import hashes

    made = request.sign(KEYS["rsa"], hashes.SHA256())
    yield "request", made.public_bytes(to.Encoding.PEM).decode()
    yield "request in der", b64(made.public_bytes(to.Encoding.DER))
    yield "signature", b64(KEYS["p256"].sign(b"x", ec.ECDSA(hashes.SHA256())))
    yield "public jwk", {key: value for key, value in jwk().items() if key != "d"}
    yield "public jwk as json", json.dumps({k: v for k, v in jwk().items() if k != "d"})
    yield "digest", "sha256:" + "a1" * 32
    yield "digest of 512 bits", "0f" * 64
    yield "uuid", "0a1b2c3d-0000-4000-8000-0123456789ab"
    yield "numbers", list(range(250))
    yield "ports", "8080, 8443, 9990, " * 20
    yield (
        "prose",
        "Keys are made where they are used, and never leave the place they are made. " * 9,
    )
    yield "documentation", "PEM that begins with -----BEGIN PRIVATE " + "KEY-----"
    yield "path", "/apis/policy.linkerd.io/v1beta3/namespaces/linkerd/httproutes/" * 3
    yield "packed text", b64(gzip.compress(b"hello " * 50, mtime=0))
    yield "random", b64(secrets.token_bytes(400))
    yield "zeros", "0" * 400


@pytest.mark.parametrize("form", dict(harmless()))
def test_what_is_public_is_no_key(form: str) -> None:
    """A policy that cries wolf is switched off."""
    assert list(keys_in({"a": dict(harmless())[form]})) == []


def test_random_bytes_are_no_key() -> None:
    """A checksum or a token may begin with any bytes."""
    for _ in range(300):
        assert not in_text(b64(secrets.token_bytes(200)))
        assert not in_text(secrets.token_bytes(100).hex())


@pytest.mark.parametrize(
    "text",
    [
        "A" * 500_000,
        "0x" * 250_000,
        "M" * 300_000,
        "MA" * 150_000,
        "-----BEGIN " * 40_000,
        "\n".join(["MIIB"] * 60_000),
        "[" * 100_000,
        "%41" * 100_000,
        "\\" * 300_000,
        "-" * 300_000 + "!",
        "=" * 300_000 + "!",
        '", ' * 100_000 + "!",
        ("-----BEGIN PRIVATE " + "KEY-----\n") * 20_000,
        '"kty": "EC" ' * 20_000,
        "1, " * 100_000,
        b64(gzip.compress(b"\0" * 50_000_000, mtime=0)),
    ],
    ids=lambda text: text[:8],
)
def test_no_text_takes_long(text: str) -> None:
    """The inputs of a resource are anybody's; a policy that hangs is a way around it."""
    started = time.process_time()
    in_text.__wrapped__(text)
    assert time.process_time() - started < 5


def test_the_schemas_of_a_crd_are_left_out_and_nothing_else_of_it() -> None:
    """Megabytes of documentation are no place for a key, and annotations are."""
    key: Callable[..., Any] = lambda **parts: thing("CustomResourceDefinition", **parts)  # noqa: E731
    assert texts(ID, key(spec={"a": pem("p256")})) == []
    assert texts(ID, key(labels={"a": pem("p256")}))
    assert texts(ID, subject("kubernetes:helm.sh/v4:Chart", kind="CustomResourceDefinition",
                             spec={"a": pem("p256")}))  # fmt: skip


def test_the_real_stacks_are_searched_in_no_time() -> None:
    """`plan` and `preview` run this over every object."""
    started = time.process_time()
    count = 0
    for stack in STACKS:
        for each in evaluated(stack, True).evaluation.resources:
            count += 1
            assert list(keys_in(each.inputs)) == []
    assert time.process_time() - started < 0.01 * count
