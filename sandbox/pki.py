"""TLS material of a sandbox: three authorities, their leaves, the service account key, kubeconfig.

The layout follows kubeadm's (kubernetes.io/docs/setup/best-practices/certificates): the front proxy
has an authority of its own, so that no client certificate can pass for the aggregation layer.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.settings import HOST

LIFETIME = timedelta(days=30)  # Far beyond a sandbox's own life.
SERVICE_RANGE_FIRST = "10.96.0.1"
KUBE_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)


@dataclass(frozen=True)
class Authority:
    """A certificate authority in memory."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def write_private(path: Path, content: bytes | str) -> None:
    """Write a file that only its owner can read, at no moment readable by others."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    data = content.encode() if isinstance(content, str) else content
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(data)
    partial.replace(path)


def create(folder: Path, vault_host: str = HOST) -> None:
    """Write all TLS material to `folder` (0700, keys 0600), unless it is there already."""
    done = folder / "complete"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    cluster = authority("sandbox-cluster")
    front_proxy = authority("sandbox-front-proxy")
    vault = authority("sandbox-vault")
    for name, issuer in (("ca", cluster), ("front-proxy-ca", front_proxy), ("vault-ca", vault)):
        (folder / f"{name}.crt").write_bytes(issuer.pem)
    # The controller manager signs CertificateSigningRequests with it.
    write_private(folder / "ca.key", _key_pem(cluster.key))
    kube_addresses = (HOST, SERVICE_RANGE_FIRST)
    _leaf(folder, "kube-apiserver", cluster, names=KUBE_NAMES, addresses=kube_addresses)
    _leaf(folder, "etcd", cluster, names=("localhost",), addresses=(HOST,), client=True)
    _leaf(folder, "etcd-client", cluster, client=True, server=False)
    _leaf(folder, "front-proxy-client", front_proxy, client=True, server=False)
    for name, user, groups in (
        ("admin", "sandbox-admin", ("system:masters",)),
        ("controller-manager", "system:kube-controller-manager", ()),
        ("scheduler", "system:kube-scheduler", ()),
    ):
        _leaf(folder, name, cluster, user=user, groups=groups, client=True, server=False)
    _leaf(folder, "components", cluster, names=("localhost",), addresses=(HOST,))
    addresses = tuple(dict.fromkeys((HOST, vault_host)))
    _leaf(folder, "vault", vault, names=("localhost", "vault"), addresses=addresses)
    _service_account_key(folder)
    done.touch()


def authority(name: str) -> Authority:
    """Return a new self-signed authority (EC P-256)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def kubeconfig(folder: Path, user: str, server: str) -> str:
    """Return a self-contained kubeconfig (JSON, which is YAML) for the certificate `user`."""

    def inline(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    name = "linkerd-platform-sandbox"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": server, "certificate-authority-data": inline("ca.crt")},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": inline(f"{user}.crt"),
                    "client-key-data": inline(f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    return json.dumps(document, indent=1) + "\n"


def _leaf(
    folder: Path,
    name: str,
    issuer: Authority,
    *,
    user: str | None = None,
    groups: Sequence[str] = (),
    names: Sequence[str] = (),
    addresses: Sequence[str] = (),
    client: bool = False,
    server: bool = True,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
            x509.NameAttribute(NameOID.COMMON_NAME, user or name),
        ]
    )
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH] * server
    purposes += [ExtendedKeyUsageOID.CLIENT_AUTH] * client
    builder = (
        _builder(subject, issuer.certificate.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
    )
    if names or addresses:
        hosts: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
        hosts += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    certificate = builder.sign(issuer.key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.crt").write_bytes(pem)
    write_private(folder / f"{name}.key", _key_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _service_account_key(folder: Path) -> None:
    # RSA, which every consumer of service account tokens verifies (RS256).
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "service-account.pub").write_bytes(public)
    write_private(folder / "service-account.key", _key_pem(key))


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
