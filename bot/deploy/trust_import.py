"""`python -m bot trust import`: an anchor of one's own into Vault, and never over another."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bot.clients import vault as vault_client
from bot.clients.https import Client
from bot.clients.target import Target
from bot.deploy import trust_mounts
from bot.exit_codes import BadInputError, RefusedError
from bot.mesh.trust import carries
from bot.mesh.trust.chain import fingerprint, pem
from components.names import anchor_key_path, anchor_path
from components.trust import Generation
from schema.input_file import MOST_TEXT, read_bytes
from stack.config import StackConfig

_RSA_BITS = (2048, 4096)
_BAD_REQUEST = 400


def run(target: Target, generation: str, certificate_file: str, key_file: str) -> list[str]:
    """Import, and say what was done; what the import needs in Vault is made first.

    Raises BadInputError (files, certificate, stack file), RefusedError where something else is
    there already, Unreadable and MissingToolError.
    """
    config = target.config
    wanted = generation_of(config, target.stack, generation)
    text = read_text(certificate_file, "--certificate")
    certificate = checked_certificate(text, certificate_file, config.trust.issuer.duration.seconds)
    key = checked_key(read_text(key_file, "--key"), key_file, certificate)
    domain, now = config.trust.domain, datetime.now(UTC)
    if unfit := carries.fault(certificate, domain) or carries.proven(certificate, key, domain, now):
        raise BadInputError(f"--certificate {certificate_file}: {unfit}")
    with vault_client.connected(target) as client:
        _refuse_twins(client, config, generation, certificate)
        made = trust_mounts.ensure(client, target, wanted)
        into = _into_pki if wanted.custody == "vault" else _into_kv
        done = into(client, config, generation, certificate, key)
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    kind = "root" if certificate.issuer == certificate.subject else "intermediate"
    return [
        *made,
        f"{generation}: {done}",
        f"{kind} {certificate.subject.rfc4514_string()}, {left.days} days left",
        f"sha256 {fingerprint(certificate)}",
        f"next: python -m bot up --stack {target.stack}",
    ]


def generation_of(config: StackConfig, stack: str, name: str) -> Generation:
    """The imported generation of an owner's stack file; raises BadInputError."""
    file = f"Pulumi.{stack}.yaml"
    if not config.owns_anchor:
        raise BadInputError(
            f"{file}: role: {config.role!r} creates no anchor: import into the owner's stack"
        )
    for generation in config.trust.generations:
        if generation.name == name:
            if generation.source != "imported":
                raise BadInputError(
                    f"{file}: trust.generations: {name} is generated: write `source: imported`"
                )
            return generation
    known = ", ".join(each.name for each in config.trust.generations)
    raise BadInputError(f"{file}: trust.generations: lists no {name}; there are: {known}")


def read_text(file: str, option: str) -> str:
    """Content of a file, or of standard input for `-`; raises BadInputError."""
    try:
        if file == "-":
            return sys.stdin.read(MOST_TEXT)
        return read_bytes(Path(file), MOST_TEXT).decode("ascii")
    except OSError as error:
        raise BadInputError(f"{option} {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{option} {file}: is not PEM: convert it with openssl") from None


def checked_certificate(text: str, file: str, issuer_seconds: int) -> x509.Certificate:
    """The one certificate of a PEM text, fit to be a trust anchor; raises BadInputError.

    issuer_seconds: lifetime of the identity issuer, which must fit below it. Linkerd takes ECDSA
    P-256, and RSA for an anchor (linkerd2 pkg/issuercerts/issuercerts.go).
    """

    def wrong(said: str) -> BadInputError:
        return BadInputError(f"--certificate {file}: {said}")

    if "PRIVATE KEY" in text:
        raise wrong("holds a private key: give the certificate alone")
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise wrong("is not a PEM certificate (-----BEGIN CERTIFICATE-----)") from None
    if len(found) != 1:
        raise wrong(f"holds {len(found)} certificates: give the anchor alone, without its chain")
    certificate = found[0]
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise wrong("Linkerd does not support its kind of key: use ECDSA P-256 or RSA") from None
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size not in _RSA_BITS:
            raise wrong(f"RSA of {public.key_size} bits: Linkerd supports 2048 and 4096")
    elif not (isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp256r1"):
        raise wrong("Linkerd supports only ECDSA P-256 and RSA, and its key is neither")
    if fault := _authority_fault(certificate):
        raise wrong(fault)
    now = datetime.now(UTC)
    if certificate.not_valid_before_utc > now:
        raise wrong(f"is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC only")
    if certificate.not_valid_after_utc <= now:
        raise wrong(f"ended at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if certificate.not_valid_after_utc <= now + timedelta(seconds=issuer_seconds):
        raise wrong(
            f"ends at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, before an identity "
            "issuer below it would (trust.issuer.duration)"
        )
    return certificate


def _authority_fault(certificate: x509.Certificate) -> str | None:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return "is not a CA: it has no basic constraints (CA:TRUE)"
    if not constraints.ca:
        return "is not a CA (CA:FALSE): an anchor signs the identity issuer"
    if constraints.path_length == 0:
        return "allows no CA below it (pathlen:0), and the identity issuer is one: pathlen:1"
    try:
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        # Vault imports it, then fails at its first revocation list, and leaves it there unnamed.
        return "has no subject key identifier, which a CA must have (RFC 5280, 4.2.1.2)"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return None if usage.key_cert_sign else "may not sign certificates (key usage)"


def checked_key(text: str, file: str, certificate: x509.Certificate) -> str:
    """The key as PKCS8 PEM, when it is that of the certificate; raises BadInputError."""
    try:
        key = load_pem_private_key(text.encode(), None)
    except TypeError:
        raise BadInputError(
            f"--key {file}: is encrypted: decrypt it into the command (openssl pkey -in FILE | "
            "... --key -)"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadInputError(f"--key {file}: is not a private key in PEM") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise BadInputError(f"--key {file}: is not the key of the certificate")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _refuse_twins(
    client: Client, config: StackConfig, name: str, certificate: x509.Certificate
) -> None:
    own = fingerprint(certificate)
    for other in config.trust.generations:
        known = vault_client.published(client, config, other.name)
        if known and other.name != name and fingerprint(known) == own:
            raise RefusedError(f"{name}: this certificate is generation {other.name} already")
        if known and other.name != name and known.public_key() == certificate.public_key():
            raise RefusedError(
                f"{name}: its key is that of generation {other.name}: a rotation to it would "
                "change no key, and destroying one would destroy both; make a new key"
            )
        if known and other.name == name and fingerprint(known) != own:
            raise RefusedError(
                f"{name}: another certificate is published under this name "
                f"({fingerprint(known)[:16]}): an anchor is never replaced, add a generation"
            )


def _into_pki(
    client: Client, config: StackConfig, name: str, certificate: x509.Certificate, key: str
) -> str:
    """Into the PKI engine, under the generation's name.

    Follows https://developer.hashicorp.com/vault/docs/secrets/pki/rotation-primitives
    """
    mount = config.vault.pki_mount
    known = vault_client.issuer(client, config, name)
    if known:
        if fingerprint(known) != fingerprint(certificate):
            raise RefusedError(
                f"{name}: {mount} has another issuer of this name ({fingerprint(known)[:16]}): an "
                "anchor is never replaced, add a generation"
            )
        if vault_client.key_id(client, config, name):
            return f"is in {mount} already; nothing was changed"
    if known:
        raise RefusedError(
            f"{name}: {mount} has its certificate without the key: the key was destroyed, and a "
            "destroyed anchor does not come back, add a generation"
        )
    vault_client.import_bundle(client, mount, name, f"{pem(certificate)}{key}")
    return f"imported into {mount}, and named"


def _into_kv(
    client: Client, config: StackConfig, name: str, certificate: x509.Certificate, key: str
) -> str:
    """Into KV, the key first: nothing must trust an anchor that cannot sign."""
    text = pem(certificate)
    known = vault_client.kv_data(client, config, anchor_key_path(name))
    if known and vault_client.DESTROYED in known:
        raise RefusedError(
            f"{name}: its key was destroyed at {known[vault_client.DESTROYED]}, and a destroyed "
            "anchor does not come back: add a generation"
        )
    if known and vault_client.first(str(known.get("tls.crt", ""))) != certificate:
        raise RefusedError(
            f"{name}: {config.vault.kv_mount}/{anchor_key_path(name)} has another anchor: it is "
            "never replaced, add a generation"
        )
    entries: dict[str, dict[str, str]] = {}
    if not known:
        entries[anchor_key_path(name)] = {"tls.crt": text, "tls.key": key}
    if not vault_client.published(client, config, name):
        entries[anchor_path(name)] = {"certificate": text}
    for path, data in entries.items():
        _create(client, config, path, data)
    done = " and ".join(f"{config.vault.kv_mount}/{path}" for path in entries)
    return f"written to {done}" if done else "is in Vault already; nothing was changed"


def _create(client: Client, config: StackConfig, path: str, data: dict[str, str]) -> None:
    """Write an entry that is not there; `cas: 0` has Vault refuse where there ever was one.

    Follows https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#create-update-secret
    """
    url = f"/v1/{config.vault.kv_mount}/data/{path}"
    answer = client.request("POST", url, {"options": {"cas": 0}, "data": data})
    if answer.status == _BAD_REQUEST and "check-and-set" in str(answer.body):
        raise RefusedError(
            f"{config.vault.kv_mount}/{path}: Vault has or had an entry here, and it is not "
            "overwritten: take another generation"
        )
    vault_client.checked(client, answer, f"{config.vault.kv_mount}/{path}")
