"""Leaves as linkerd-identity signs them: a workload's request, and the issuer's answer."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from schema.certificates import certificates_in
from tests.certificates import signed

NAMESPACE = "demo"
_IDENTITY = f"{{}}.{NAMESPACE}.serviceaccount.identity.linkerd.cluster.local"


def now() -> datetime:
    """This moment, with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Leaf:
    """A certificate of one workload, the chain it is presented with, and when to renew it.

    probe: made by the checker itself to judge an issuer, and held by no workload.
    """

    name: str
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    renew: datetime
    probe: bool = False


@dataclass(frozen=True)
class Issuer:
    """The identity issuer as its Secret holds it: files, certificates below the root, the key."""

    source: str
    files: Mapping[str, str]
    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def of(cls, data: Mapping[str, str]) -> Issuer:
        """Read the data of the Secret; raises ValueError when it is no ECDSA issuer."""
        files = {name: base64.b64decode(data[name]).decode() for name in ("tls.crt", "tls.key")}
        key = load_pem_private_key(files["tls.key"].encode(), None)
        chain = tuple(certificates_in(base64.b64decode(data["tls.crt"])))
        if not chain or not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the issuer's Secret has no certificate or no ECDSA key")
        if chain[0].public_key() != key.public_key():
            raise ValueError("the issuer's key does not belong to its certificate")
        return cls(data["tls.crt"], files, chain, key)

    @property
    def serial(self) -> int:
        """Serial number of the issuer's certificate."""
        return self.chain[0].serial_number

    @cached_property
    def probe(self) -> Leaf:
        """A leaf that lives as long as the issuer, so that judging it judges the issuer."""
        life = self.chain[0].not_valid_after_utc - now()
        return sign(request("probe"), self, life, timedelta(), 1.0, probe=True)


def issuer_files(data: Mapping[str, str]) -> dict[str, str]:
    """The issuer's certificate and key; a chart that makes the Secret itself calls them otherwise.

    https://github.com/linkerd/linkerd2/blob/main/charts/linkerd-control-plane/templates/identity.yaml
    """
    theirs = {"tls.crt": "crt.pem", "tls.key": "key.pem"}
    return {name: data.get(name) or data.get(other, "") for name, other in theirs.items()}


def identity_of(workload: str) -> str:
    """The name of a workload in the mesh: that of its service account."""
    return _IDENTITY.format(workload)


def request(workload: str) -> x509.CertificateSigningRequest:
    """The request of a workload, with a key that is its own."""
    name = identity_of(workload)
    # A common name has 64 characters at most, and linkerd-identity takes no other than this one.
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = builder.add_extension(names, critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())


def sign(
    asked: x509.CertificateSigningRequest,
    issuer: Issuer,
    lifetime: timedelta,
    skew: timedelta,
    renew_at: float,
    *,
    probe: bool = False,
) -> Leaf:
    """Sign a request as linkerd-identity would (pkg/tls/ca.go).

    The leaf begins `skew` ago, lives for `lifetime` and `skew`, and ends no later than its issuer.
    renew_at: the part of its life after which its holder asks again.
    """
    if not asked.is_signature_valid:
        raise ValueError("the request is not signed with its own key")
    moment = now()
    end = min(moment + lifetime + skew, issuer.chain[0].not_valid_after_utc)
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    authority = issuer.chain[0].extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = dict.fromkeys(
        (
            "content_commitment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    certificate = signed(
        asked.subject,
        asked,
        issuer.chain[0].subject,
        issuer.key,
        moment - skew,
        max(end, moment - skew),
        # As RFC 5280 has it, and Go does, for a certificate without a subject.
        (names, not list(asked.subject)),
        (x509.KeyUsage(digital_signature=True, key_encipherment=True, **usage), True),
        (x509.ExtendedKeyUsage(purposes), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), False),
    )
    name = names.get_values_for_type(x509.DNSName)[0]
    renew = moment + (end - moment) * renew_at
    return Leaf(name, certificate, issuer.chain, renew, probe)
