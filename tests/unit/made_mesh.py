"""A mesh as the servers would describe it, with certificates made here: for the proofs' tests."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from bot.mesh.status import evidence
from bot.mesh.status.evidence import Attempt, Evidence
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, VIZ_WEBHOOKS
from stack.config import StackConfig
from stack.load import from_file
from tests.certificates import Authority
from tests.unit.stack_files import REPO

_CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
_SIGNING = "sandbox-1"


@functools.cache
def config() -> StackConfig:
    """The sandbox stack's config."""
    from bot.plan.mock.values import throwaway_certificate

    return from_file(REPO / "Pulumi.sandbox.yaml", lambda _path: throwaway_certificate())


def anchor_of(seen: Evidence) -> Authority:
    """The anchor of a mesh that `good` made."""
    return _made[seen.anchors[_SIGNING]]


_made: dict[str, Authority] = {}


def good(
    root: Authority | None = None, issuer_lifetime: timedelta = timedelta(hours=48)
) -> Evidence:
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
    return Evidence(
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
            evidence.READ_KEY: Attempt(200, {"key_id": "x", "key_type": "ec"}),
            evidence.EXPORT_KEYS: Attempt(404),
            evidence.SIGN_HERE: Attempt(400),
            evidence.SIGN_ELSEWHERE: Attempt(403),
            evidence.READ_KV: Attempt(403),
        },
        files={"sandbox.json": b"{}"},
    )


@functools.cache
def _root() -> Authority:
    return Authority.root("root.linkerd.cluster.local")


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
