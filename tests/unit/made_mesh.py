"""A mesh as the servers would describe it, with certificates made here: for the proofs' tests."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.mesh.verification import vault as vault_proofs
from bot.mesh.verification.data import Attempt, Seen
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, VIZ_WEBHOOKS
from stack.config import StackConfig
from stack.load import from_file
from tests.unit.stack_files import REPO

_CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
_SIGNING = "sandbox-1"


@functools.cache
def config() -> StackConfig:
    """The sandbox stack's config."""
    from bot.plan.mock.values import throwaway_certificate

    return from_file(REPO / "Pulumi.sandbox.yaml", lambda _path: throwaway_certificate())


@dataclass(frozen=True)
class Authority:
    """A CA with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def root(cls, name: str, lifetime: timedelta = timedelta(days=365)) -> Authority:
        """A self-signed CA with room for one level below it."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, name, key, lifetime, path_length=1)
        return cls(certificate, key)

    @classmethod
    def of(cls, seen: Seen) -> Authority:
        """The anchor of a mesh that `good` made."""
        return _made[seen.anchors[_SIGNING]]

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> bytes:
        """The key, as PKCS8."""
        return _pkcs8(self.key)

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
        key = ec.generate_private_key(_CURVES[curve])
        issuer = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        certificate = _certificate(
            name, key, str(issuer), self.key, lifetime, path_length=path_length, ca=ca, hosts=hosts
        )
        return certificate.public_bytes(serialization.Encoding.PEM), _pkcs8(key)


_made: dict[str, Authority] = {}


def good(root: Authority | None = None, issuer_lifetime: timedelta = timedelta(hours=48)) -> Seen:
    """Everything that the proofs look at, in order."""
    root = root or _root()
    _made[root.pem] = root
    issuer = root.issue("identity.linkerd.cluster.local", path_length=0, lifetime=issuer_lifetime)
    webhook_ca = Authority.root("webhook.linkerd.cluster.local")
    secrets = {"linkerd/linkerd-identity-issuer": _secret(*issuer, manager="cert-manager")}
    webhooks, api_services = [], []
    for namespace, services in (("linkerd", CONTROL_PLANE_WEBHOOKS), ("linkerd-viz", VIZ_WEBHOOKS)):
        for secret, service in services.items():
            host = f"{service}.{namespace}.svc"
            made = webhook_ca.issue(service, ca=False, hosts=(host,))
            bundle = base64.b64encode(webhook_ca.pem.encode()).decode()
            pair = _secret(*made, manager="cert-manager")
            secrets[f"{namespace}/{secret}"] = {**pair, "data": {**pair["data"], "ca.crt": bundle}}
            client = {
                "caBundle": bundle,
                "service": {"name": service, "namespace": namespace},
            }
            if service == "tap":
                api_services.append({"spec": client})
            else:
                webhooks.append({"webhooks": [{"clientConfig": client}]})
    names = ("linkerd-destination", "linkerd-identity", "linkerd-proxy-injector")
    return Seen(
        deployments=[_deployment(name) for name in names],
        pods=[_pod(name, node) for name in names for node in "abc"],
        nodes=[{"metadata": {"name": node}} for node in "abc"],
        config_maps={"linkerd/linkerd-identity-trust-roots": {"data": {"ca-bundle.crt": root.pem}}},
        secrets=secrets,
        certificates=[_issuer_certificate()],
        webhooks=webhooks,
        api_services=api_services,
        anchors={_SIGNING: root.pem},
        attempts={
            vault_proofs.READ_KEY: Attempt(200, {"key_id": "x", "key_type": "ec"}),
            vault_proofs.EXPORT_KEYS: Attempt(404),
            vault_proofs.SIGN_HERE: Attempt(400),
            vault_proofs.SIGN_ELSEWHERE: Attempt(403),
            vault_proofs.READ_KV: Attempt(403),
        },
        files={"sandbox.json": b"{}"},
    )


@functools.cache
def _root() -> Authority:
    return Authority.root("root.linkerd.cluster.local")


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    lifetime: timedelta,
    *,
    path_length: int | None,
    ca: bool = True,
    hosts: tuple[str, ...] = (),
) -> x509.Certificate:
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    )
    # digitalSignature, then seven others, of which keyCertSign and cRLSign are a CA's.
    usage = [True, False, False, False, False, ca, ca, False, False]
    builder = builder.add_extension(x509.KeyUsage(*usage), critical=True)
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _pkcs8(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _secret(certificate: bytes, key: bytes, manager: str) -> dict[str, Any]:
    data = {"tls.crt": certificate, "tls.key": key}
    return {
        "metadata": {"managedFields": [{"manager": manager, "fieldsV1": {"f:data": {}}}]},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


def _deployment(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "linkerd", "generation": 1},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 1, "availableReplicas": 3},
    }


def _pod(deployment: str, node: str) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{deployment}-5d4f-{node}", "namespace": "linkerd"},
        "spec": {"nodeName": node},
        "status": {"phase": "Running"},
    }


def _issuer_certificate() -> dict[str, Any]:
    return {
        "metadata": {"name": "linkerd-identity-issuer", "namespace": "linkerd"},
        "spec": {"secretName": "linkerd-identity-issuer", "renewBefore": "25h0m0s"},
        "status": {"conditions": [{"type": "Ready", "status": "True", "message": "current"}]},
    }
