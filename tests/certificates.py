"""Certificates and their keys, made while a test runs: the one maker of all tiers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

YEAR = timedelta(days=365)
ONE_BELOW = x509.BasicConstraints(ca=True, path_length=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
# An extension, and whether it is critical.
Extension = tuple[x509.ExtensionType, bool]
_CURVES: Mapping[str, type[ec.EllipticCurve]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}


def signed(
    subject: x509.Name,
    key: Key | x509.CertificateSigningRequest,
    issuer: x509.Name,
    issuer_key: Key,
    starts: datetime,
    ends: datetime,
    *extensions: Extension,
) -> x509.Certificate:
    """A certificate for the holder of the key, or for whoever made the request."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def pem_of(key: Key, encryption: KeySerializationEncryption | None = None) -> str:
    """The key as PKCS8, in clear without an encryption."""
    form = (Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return key.private_bytes(*form).decode()


def named(*hosts: str) -> Extension:
    """The names that a server is called by."""
    return x509.SubjectAlternativeName([x509.DNSName(each) for each in hosts]), False


@dataclass(frozen=True)
class Authority:
    """A certificate with its key, to sign others."""

    certificate: x509.Certificate
    key: Key

    @classmethod
    def root(cls, name: str, lifetime: timedelta = YEAR) -> Authority:
        """A self-signed CA with room for one level below it, from now on."""
        return authority(name, lifetime=lifetime, identifier=False)

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The key, as PKCS8."""
        return pem_of(self.key)

    def issue(
        self,
        name: str,
        *,
        path_length: int | None = None,
        ca: bool = True,
        lifetime: timedelta = timedelta(hours=48),
        curve: str = "P-256",
        hosts: tuple[str, ...] = (),
    ) -> tuple[bytes, bytes]:
        """A certificate signed by this CA and its key, both as PEM."""
        made = authority(
            name,
            self,
            key=ec.generate_private_key(_CURVES[curve]()),
            lifetime=lifetime,
            constraints=x509.BasicConstraints(ca, path_length),
            cert_sign=ca,
            crl_sign=ca,
            identifier=False,
            hosts=hosts,
        )
        return made.pem.encode(), made.key_pem.encode()


def certified(
    name: str,
    *extensions: Extension,
    by: Authority | None = None,
    starts: datetime | None = None,
    lifetime: timedelta = YEAR,
) -> Authority:
    """A certificate with these extensions and no other, from now on; self-signed without `by`."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _made(name, key, by, starts, lifetime, extensions)


def authority(
    name: str,
    parent: Authority | None = None,
    *,
    key: Key | None = None,
    starts: datetime | None = None,
    lifetime: timedelta = YEAR,
    constraints: x509.BasicConstraints | None = ONE_BELOW,
    cert_sign: bool = True,
    crl_sign: bool = True,
    identifier: bool = True,
    hosts: tuple[str, ...] = (),
) -> Authority:
    """A CA below `parent`, self-signed without one; from now on without `starts`."""
    own: Key = key or ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(True, False, False, False, False, cert_sign, crl_sign, False, False)
    extensions: list[Extension] = [(usage, True)]
    if identifier:
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False))
    if constraints is not None:
        extensions.append((constraints, True))
    if hosts:
        extensions.append(named(*hosts))
    return _made(name, own, parent, starts, lifetime, extensions)


def _made(
    name: str,
    key: Key,
    by: Authority | None,
    starts: datetime | None,
    lifetime: timedelta,
    extensions: Iterable[Extension],
) -> Authority:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, issuer_key = (by.certificate.subject, by.key) if by else (subject, key)
    begins = starts or datetime.now(UTC).replace(microsecond=0)
    ends = begins + lifetime
    return Authority(signed(subject, key, issuer, issuer_key, begins, ends, *extensions), key)
