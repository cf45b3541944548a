"""Whether an anchor can carry a mesh, before anything trusts it: what Go and rustls make of it.

linkerd-identity verifies the issuer with Go's crypto/x509 before it signs, proxies verify each
other with rustls. Both check constraints of the anchor itself, and find out when the first proxy
asks.
https://pkg.go.dev/crypto/x509#Certificate.Verify, https://docs.rs/rustls-webpki
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from components.names import LINKERD

_BOTH_SIDES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
# What rustls knows of the extensions that must be understood; of any other it refuses the anchor.
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
    }
)
_CHECKED = (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier)
_ANY_LEAF = "default.default.serviceaccount"
_HOUR = timedelta(hours=1)


def names(domain: str) -> tuple[str, str]:
    """Names of the identity issuer and of a proxy's certificate in this trust domain."""
    issuer = f"identity.{LINKERD}.{domain}"
    return issuer, f"{_ANY_LEAF}.{issuer}"


def fault(certificate: x509.Certificate, domain: str) -> str | None:
    """Why the certificate cannot carry a mesh of this trust domain; None where it can."""
    try:
        extensions = list(certificate.extensions)
    except (ValueError, x509.DuplicateExtension):
        return "has extensions that cannot be read, or one of them twice"
    for rule in (
        _form(certificate),
        _critical(extensions),
        _usage(extensions),
        _constraints(extensions, domain),
    ):
        if rule:
            return rule
    return None


def proven(certificate: x509.Certificate, key: str, domain: str, now: datetime) -> str | None:
    """Why a throw-away issuer and leaf that its key signs do not verify; None where they do.

    Signed and verified in memory; key: of the certificate, as PEM.
    """
    signer = cast(CertificateIssuerPrivateKeyTypes, load_pem_private_key(key.encode(), None))
    own = ec.generate_private_key(ec.SECP256R1())
    issuer_name, leaf_name = names(domain)
    issuer = _signed(issuer_name, own, certificate.subject, signer, now, authority=True)
    leaf = _signed(leaf_name, own, issuer.subject, own, now, authority=False)
    anything = ExtensionPolicy.permit_all()
    authorities = anything.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    leaves = anything.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    builder = PolicyBuilder().store(Store([_readable(certificate, signer)])).time(now)
    # What a CA must have is judged above, and not as browsers do.
    builder = builder.extension_policies(ca_policy=authorities, ee_policy=leaves)
    try:
        builder.build_server_verifier(x509.DNSName(leaf_name)).verify(leaf, [issuer])
        builder.build_client_verifier().verify(leaf, [issuer])
    except VerificationError as error:
        return f"a throw-away issuer and proxy certificate below it do not verify: {error}"
    return None


def _readable(
    certificate: x509.Certificate, signer: CertificateIssuerPrivateKeyTypes
) -> x509.Certificate:
    """The anchor without constraints that the verifier here cannot read: `fault` has judged them.

    Go and rustls take a dot at the start of a DNS constraint, and one that is empty.
    """
    extensions = list(certificate.extensions)
    odd = [
        each
        for each in extensions
        if isinstance(each.value, x509.NameConstraints)
        for name in (*(each.value.permitted_subtrees or ()), *(each.value.excluded_subtrees or ()))
        if isinstance(name, x509.DNSName) and name.value[:1] in ("", ".")
    ]
    if not odd:
        return certificate
    builder = x509.CertificateBuilder(
        certificate.subject,
        certificate.subject,
        certificate.public_key(),
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        [each for each in extensions if each not in odd],
    )
    return builder.sign(signer, hashes.SHA256())


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: CertificateIssuerPrivateKeyTypes,
    now: datetime,
    *,
    authority: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _HOUR)
        .not_valid_after(now + _HOUR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage(_BOTH_SIDES),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
    )
    return builder.sign(signer, hashes.SHA256())


def _form(certificate: x509.Certificate) -> str | None:
    if not list(certificate.subject):
        return "has an empty subject, by which no verifier finds the issuer of a certificate"
    plain = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if plain not in certificate.tbs_certificate_bytes:
        return (
            "has its key in a form that proxies do not read (RSASSA-PSS, a compressed point or "
            "explicit parameters): make it anew with an ordinary RSA or P-256 key"
        )
    return None


def _critical(extensions: Iterable[x509.Extension[x509.ExtensionType]]) -> str | None:
    for each in extensions:
        if each.critical and each.oid not in _UNDERSTOOD:
            name = getattr(each.oid, "_name", "") or each.oid.dotted_string
            return (
                f"has the critical extension {name} ({each.oid.dotted_string}), which proxies do "
                "not know, so that they refuse it: make it anew with that not critical"
            )
    return None


def _usage(extensions: Iterable[x509.Extension[x509.ExtensionType]]) -> str | None:
    wanted = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    for each in extensions:
        if isinstance(each.value, x509.ExtendedKeyUsage) and not set(wanted) & set(each.value):
            return (
                "has an extended key usage without server auth, and linkerd-identity refuses an "
                "issuer below it: make it anew with it, or without extended key usage"
            )
    return None


def _constraints(
    extensions: Iterable[x509.Extension[x509.ExtensionType]], domain: str
) -> str | None:
    for each in extensions:
        if not isinstance(each.value, x509.NameConstraints):
            continue
        permitted, excluded = each.value.permitted_subtrees, each.value.excluded_subtrees
        for name in (*(permitted or ()), *(excluded or ())):
            if not isinstance(name, _CHECKED):
                kind = type(name).__name__
                return f"constrains names of a kind that proxies cannot check ({kind})"
        allowed = [name.value for name in permitted or () if isinstance(name, x509.DNSName)]
        barred = [name.value for name in excluded or () if isinstance(name, x509.DNSName)]
        for wanted in names(domain):
            if allowed and not any(_covers(each, wanted) for each in allowed):
                return (
                    f"allows names below {', '.join(allowed)} alone, and certificates of the mesh "
                    f"are called {wanted}"
                )
            against = [each for each in barred if _covers(each, wanted)]
            if against:
                return (
                    f"excludes names below {against[0] or 'any domain'}, and the mesh has {wanted}"
                )
    return None


def _covers(constraint: str, name: str) -> bool:
    """As Go and rustls read a DNS constraint: with a dot at its start, what is below it alone."""
    wanted = constraint.lower()
    if wanted.startswith("."):
        return name.endswith(wanted)
    return not wanted or name == wanted or name.endswith(f".{wanted}")
