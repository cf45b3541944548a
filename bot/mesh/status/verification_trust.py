"""Checks of the trust: anchors in the cluster, the chain of the identity issuer, its lifetimes."""

from __future__ import annotations

import re
from datetime import timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from bot.clients.kubernetes import Manifest, condition, secret_data
from bot.mesh.status.evidence import Evidence, Verification
from components.names import IDENTITY_ISSUER, LINKERD, TRUST_ROOTS_CONFIG_MAP
from schema.certificates import certificates_in
from stack.config import StackConfig

BUNDLE_KEY = "ca-bundle.crt"
# Vault dates a certificate back by this much (`not_before_duration`), on top of its lifetime.
BACKDATED = timedelta(seconds=30)
_ISSUER = f"{LINKERD}/{IDENTITY_ISSUER}"


def verify(seen: Evidence, config: StackConfig) -> list[Verification]:
    """Every check of the trust."""
    anchors = _anchors(seen)
    trusted = [generation.name for generation in config.trust.trusted]
    roots = [each for name in trusted for each in anchors.get(name, [])]
    found = certificates_in(secret_data(seen.secrets.get(_ISSUER), "tls.crt"))
    issuer = found[0] if found else None
    root = next(iter(anchors.get(config.trust.signing, [])), None)
    return [
        _bundle(seen, trusted, roots),
        _ready(seen),
        _chain(issuer, root, config.trust.signing),
        _key_pair(seen, issuer),
        _algorithm(root, issuer),
        _authority("trust anchor may sign one level", root, _limits(config)[0]),
        _authority("identity issuer may sign leaves only", issuer, _limits(config)[1]),
        _lifetime("trust anchor's lifetime", root, _lifetime_of(config)),
        _lifetime("identity issuer's lifetime", issuer, config.trust.issuer.duration.seconds),
        _within(issuer, root),
        _renewal(seen, config),
        _one_owner(seen, adopted=config.cluster is not None and config.cluster.adopted),
    ]


def verify_anchor(seen: Evidence, config: StackConfig) -> list[Verification]:
    """The checks of an owner without a cluster: every generation is there, the signing one fits."""
    anchors = _anchors(seen)
    names = [generation.name for generation in config.trust.generations]
    there = [name for name in names if anchors.get(name)]
    root = next(iter(anchors.get(config.trust.signing, [])), None)
    return [
        Verification(
            "anchors in Vault", ", ".join(names), ", ".join(there) or "none", there == names
        ),
        _algorithm(root),
        _authority("trust anchor may sign one level", root, _limits(config)[0]),
        _lifetime("trust anchor's lifetime", root, _lifetime_of(config)),
    ]


def _anchors(seen: Evidence) -> dict[str, list[x509.Certificate]]:
    return {name: certificates_in(pem.encode()) for name, pem in seen.anchors.items()}


def _limits(config: StackConfig) -> tuple[int | None, int | None]:
    """Path lengths of anchor and issuer: Vault limits what it makes, others' roots are as given."""
    made = config.trust.signer
    return (1, 0) if (made.custody, made.source) == ("vault", "generated") else (None, None)


def _lifetime_of(config: StackConfig) -> int:
    signing = config.trust.signing
    return next(g.lifetime.seconds for g in config.trust.generations if g.name == signing)


def _bundle(seen: Evidence, names: list[str], roots: list[x509.Certificate]) -> Verification:
    config_map = seen.config_maps.get(f"{LINKERD}/{TRUST_ROOTS_CONFIG_MAP}", {})
    text = config_map.get("data", {}).get(BUNDLE_KEY, "")
    held = certificates_in(text.encode())
    numbers = ", ".join(f"{each.serial_number:x}"[:8] for each in held) or "none"
    return Verification(
        f"ConfigMap {TRUST_ROOTS_CONFIG_MAP}",
        f"exactly Vault's anchors: {', '.join(names)}",
        f"{len(held)} of {len(roots)}, serial {numbers}",
        # trust-manager orders them by their fingerprints.
        bool(held) and _prints(held) == _prints(roots) and len(roots) == len(names),
    )


def _prints(certificates: list[x509.Certificate]) -> list[bytes]:
    return sorted(certificate.fingerprint(hashes.SHA256()) for certificate in certificates)


def _ready(seen: Evidence) -> Verification:
    certificate = next((c for c in seen.certificates if _is_issuer(c)), None)
    ok, message = condition(certificate) if certificate else (False, "no such Certificate")
    return Verification(f"Certificate {IDENTITY_ISSUER}", "Ready", message, ok)


def _is_issuer(certificate: Manifest) -> bool:
    metadata = certificate["metadata"]
    place = (metadata["namespace"], certificate["spec"]["secretName"])
    return place == (LINKERD, IDENTITY_ISSUER)


def _chain(
    issuer: x509.Certificate | None, root: x509.Certificate | None, signing: str
) -> Verification:
    ok, seen = signed_by(issuer, root)
    return Verification("chain issuer to anchor", f"signed by {signing}", seen, ok)


def signed_by(
    certificate: x509.Certificate | None, authority: x509.Certificate | None
) -> tuple[bool, str]:
    """Whether the authority's key made the certificate's signature, and that in words."""
    if certificate is None or authority is None:
        return False, "no certificate" if certificate is None else "no authority"
    try:
        certificate.verify_directly_issued_by(authority)
    except InvalidSignature:
        return False, "the signature is not of its key"
    except (ValueError, TypeError) as error:
        return False, str(error)
    return True, f"signature verified, serial {certificate.serial_number:x}"[:44]


def _key_pair(seen: Evidence, issuer: x509.Certificate | None) -> Verification:
    key = secret_data(seen.secrets.get(_ISSUER), "tls.key")
    ok = False
    if issuer is not None and key:
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        public = load_pem_private_key(key, None).public_key().public_bytes(*form)
        ok = public == issuer.public_key().public_bytes(*form)
    return Verification("issuer's key in the cluster", "belongs to its certificate", _yes(ok), ok)


def _algorithm(*certificates: x509.Certificate | None) -> Verification:
    curves = [curve(each) for each in certificates]
    return Verification(
        "key algorithm of anchor and issuer",
        "ECDSA P-256",
        ", ".join(curves),
        bool(curves) and all(each == "ECDSA P-256" for each in curves),
    )


def curve(certificate: x509.Certificate | None) -> str:
    """The algorithm of a certificate's key, in words."""
    if certificate is None:
        return "no certificate"
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return type(key).__name__
    return "ECDSA P-256" if isinstance(key.curve, ec.SECP256R1) else f"ECDSA {key.curve.name}"


def _authority(what: str, certificate: x509.Certificate | None, length: int | None) -> Verification:
    expected = "CA" if length is None else f"CA, path length {length}"
    try:
        if certificate is None:
            return Verification(what, expected, "no certificate", False)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        return Verification(what, expected, str(error), False)
    seen = f"{'CA' if constraints.ca else 'no CA'}, path length {constraints.path_length}"
    fits = length is None or constraints.path_length == length
    ok = constraints.ca and fits and usage.key_cert_sign
    return Verification(
        what, expected, seen if usage.key_cert_sign else f"{seen}, may not sign", ok
    )


def _lifetime(what: str, certificate: x509.Certificate | None, seconds: int) -> Verification:
    limit = timedelta(seconds=seconds)
    if certificate is None:
        return Verification(what, f"at most {_span(limit)}", "no certificate", False)
    span = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    ok = timedelta() < span <= limit + BACKDATED
    return Verification(what, f"at most {_span(limit)}", _span(span), ok)


def _within(issuer: x509.Certificate | None, root: x509.Certificate | None) -> Verification:
    what, expected = "issuer ends before its anchor", "inside"
    if issuer is None or root is None:
        return Verification(what, expected, "no certificate", False)
    ok = issuer.not_valid_after_utc <= root.not_valid_after_utc
    left = root.not_valid_after_utc - issuer.not_valid_after_utc
    return Verification(
        what, expected, f"{_span(left)} before" if ok else f"{_span(-left)} after", ok
    )


def _renewal(seen: Evidence, config: StackConfig) -> Verification:
    leaf = config.trust.issuer.leaf_lifetime.seconds
    certificate = next((c for c in seen.certificates if _is_issuer(c)), None)
    text = (certificate or {}).get("spec", {}).get("renewBefore", "")
    seconds = go_seconds(text)
    return Verification(
        "issuer renewed while leaves live",
        f"renewBefore over {_span(timedelta(seconds=leaf))}",
        text or "no renewBefore",
        seconds > leaf,
    )


def go_seconds(text: str) -> int:
    """Seconds of a duration as Go writes it (`25h0m0s`); 0 when it is none."""
    if not re.fullmatch(r"(\d+[hms])+", text):
        return 0
    sizes = {"h": 3600, "m": 60, "s": 1}
    return sum(int(count) * sizes[unit] for count, unit in re.findall(r"(\d+)([hms])", text))


def _one_owner(seen: Evidence, *, adopted: bool) -> Verification:
    """Nobody but one Certificate writes the issuer's Secret: two writers would take turns.

    Until `adopt --finish` who installed an adopted mesh still has fields of it, and writes none.
    """
    claims = [f"Certificate {c['metadata']['name']}" for c in seen.certificates if _is_issuer(c)]
    claims += [
        f"ExternalSecret {each['metadata']['name']}"
        for each in seen.external_secrets
        if each["metadata"]["namespace"] == LINKERD
        and each["spec"].get("target", {}).get("name") == IDENTITY_ISSUER
    ]
    secret = seen.secrets.get(_ISSUER, {})
    writers = {
        entry["manager"]
        for entry in secret.get("metadata", {}).get("managedFields", [])
        if "f:data" in entry.get("fieldsV1", {})
    }
    return Verification(
        f"writers of Secret {IDENTITY_ISSUER}",
        "one Certificate",
        f"{', '.join(claims) or 'none'}; written by {', '.join(sorted(writers)) or 'nobody'}",
        len(claims) == 1 and (adopted or len(writers) == 1),
    )


def _span(span: timedelta) -> str:
    if span >= timedelta(days=4):
        return f"{span.total_seconds() / 86400:.1f} d".replace(".0 d", " d")
    return f"{span.total_seconds() / 3600:.2f} h".replace(".00 h", " h")


def _yes(ok: bool) -> str:
    return "it does" if ok else "it does not"
