"""Anchors of one's own, as people reported them: what cannot carry a mesh is refused, with why."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from bot.mesh.trust import carries

NOW = datetime.now(UTC)
DOMAIN = "cluster.local"
_CRITICAL_EKU = (ExtendedKeyUsageOID.CODE_SIGNING,)


def permitted(*names: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(list(names), None)


def excluded(*names: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(None, list(names))


def dns(name: str) -> x509.DNSName:
    return x509.DNSName(name)


def anchor(
    *extensions: tuple[x509.ExtensionType, bool],
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    subject: str = "corporate root",
    path_length: int | None = None,
) -> tuple[x509.Certificate, str]:
    """A root with these extensions, and its key as PEM."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)] if subject else [])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=365))
        .add_extension(x509.BasicConstraints(True, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return builder.sign(key, hashes.SHA256()), text


def said(certificate: x509.Certificate, key: str) -> str | None:
    return carries.fault(certificate, DOMAIN) or carries.proven(certificate, key, DOMAIN, NOW)


DIRECTORY = x509.DirectoryName(
    x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Corp")])
)
UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")


@pytest.mark.parametrize(
    ("extension", "critical", "why"),
    [
        (permitted(dns("corp.example.com")), True, "allows names below corp.example.com alone"),
        (permitted(dns("corp.example.com")), False, "allows names below corp.example.com alone"),
        (excluded(dns("cluster.local")), True, "excludes names below cluster.local"),
        (excluded(dns("")), True, "excludes names below"),
        (permitted(dns("default.serviceaccount.identity.linkerd.cluster.local")), True, "alone"),
        (permitted(dns(".identity.linkerd.cluster.local")), True, "alone"),
        (permitted(DIRECTORY), True, "cannot check (DirectoryName)"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False, "without server auth"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True, "without server auth"),
        (x509.InhibitAnyPolicy(0), True, "has the critical extension inhibitAnyPolicy"),
        (x509.PolicyConstraints(0, None), True, "has the critical extension policyConstraints"),
        (UNKNOWN, True, "(1.3.6.1.4.1.55555.1), which proxies do not know"),
    ],
)
def test_public_reports_an_anchor_that_carries_no_mesh_is_refused(
    extension: x509.ExtensionType, critical: bool, why: str
) -> None:
    """linkerd2#9299: found only when the first proxy asks, after `switch` in every cluster."""
    told = said(*anchor((extension, critical)))
    assert told
    assert why in told
    assert "\n" not in told


@pytest.mark.parametrize(
    "extension",
    [
        permitted(dns("cluster.local")),
        permitted(dns(".local")),
        permitted(dns("corp.example.com"), dns("CLUSTER.local")),
        excluded(dns("corp.example.com"), dns("r.local")),
        permitted(x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
        x509.InhibitAnyPolicy(0),
        UNKNOWN,
    ],
)
def test_public_reports_an_anchor_that_carries_a_mesh_is_taken(
    extension: x509.ExtensionType,
) -> None:
    """Corporate roots have constraints; what Go and rustls verify is not ours to refuse."""
    assert said(*anchor((extension, isinstance(extension, x509.NameConstraints)))) is None


@pytest.mark.parametrize("path_length", [None, 1, 3])
@pytest.mark.parametrize("key", [None, rsa.generate_private_key(65537, 2048)])
def test_public_reports_issuer_and_leaf_below_an_anchor_are_verified(
    key: rsa.RSAPrivateKey | None, path_length: int | None
) -> None:
    """The proof is a chain that verifies, not a list of what may be wrong."""
    assert said(*anchor(key=key, path_length=path_length)) is None


def test_public_reports_the_proof_finds_what_no_rule_names() -> None:
    """The chain is signed with the key: one of another anchor, or too short a path, ends it."""
    certificate, _ = anchor()
    _, other = anchor()
    told = carries.proven(certificate, other, DOMAIN, NOW)
    assert told
    assert "do not verify" in told
    short, key = anchor(path_length=0)
    assert "do not verify" in str(carries.proven(short, key, DOMAIN, NOW))
    late, key = anchor()
    ended = carries.proven(late, key, DOMAIN, NOW + timedelta(days=400))
    assert "do not verify" in str(ended)


def test_public_reports_an_anchor_without_a_name_is_refused() -> None:
    """A verifier looks for the issuer of a certificate by its subject."""
    assert "has an empty subject" in str(said(*anchor(subject="")))


def test_public_reports_a_key_in_a_form_that_proxies_do_not_read_is_refused() -> None:
    """An RSA key that may sign by RSASSA-PSS alone: Go does not parse it, rustls neither."""
    certificate, _ = anchor(key=rsa.generate_private_key(65537, 2048))
    plain, pss = (bytes.fromhex(f"06092a864886f70d0101{each}") for each in ("010500", "0a3000"))
    whole = certificate.public_bytes(Encoding.DER)
    assert whole.count(plain) == 1
    other = x509.load_der_x509_certificate(whole.replace(plain, pss))
    assert "in a form that proxies do not read" in str(carries.fault(other, DOMAIN))


@pytest.mark.parametrize(
    "subject", ["identity.linkerd.cluster.local", "identity.linkerd.", "root", "x" * 64]
)
def test_public_reports_an_anchor_may_be_called_like_the_issuer_below_it(subject: str) -> None:
    """`linkerd install` calls its own anchor so, and so do many who follow the guide by heart."""
    assert said(*anchor(subject=subject)) is None


def test_public_reports_the_trust_domain_is_that_of_the_stack_file() -> None:
    """A constraint fits one trust domain, and another not."""
    certificate, key = anchor((permitted(dns("mesh.example.com")), True))
    assert carries.fault(certificate, "mesh.example.com") is None
    assert carries.proven(certificate, key, "mesh.example.com", NOW) is None
    assert "alone" in str(carries.fault(certificate, "example.com"))
