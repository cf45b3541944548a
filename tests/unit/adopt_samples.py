"""A cluster with a Linkerd that is not ours: what Helm and the CLI leave behind."""

from __future__ import annotations

import argparse
import base64
import copy
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import stacks
from bot.clients import kubeconfig
from bot.clients.https import Answer, Client
from bot.clients.kubeconfig import Selected
from bot.deploy import adopt
from stack import load as stack_load
from stack.config import StackConfig
from tests.certificates import Authority
from tests.unit.bot_trust_samples import authority
from tests.unit.whole_program import project

VALUES: dict[str, Any] = {
    "linkerdVersion": "edge-25.4.4",
    "controllerReplicas": 3,
    "highAvailability": True,
    "controllerLogLevel": "warn",
    "controllerImage": "mirror.example.com/linkerd/controller",
    "webhookFailurePolicy": "Fail",
    "identityTrustDomain": "mesh.example.com",
    "clusterDomain": "cluster.local",
    "clusterNetworks": "10.0.0.0/8,fd00::/8",
    "cniEnabled": False,
    "disableHeartBeat": True,
    "identity": {"issuer": {"issuanceLifetime": "12h0m0s", "clockSkewAllowance": "30s"}},
    "proxy": {"await": True, "nativeSidecar": False, "defaultInboundPolicy": "deny"},
}
GIVEN = {
    "controllerReplicas": 3,
    "proxy": {"defaultInboundPolicy": "deny", "logLevel": "debug"},
    "tolerations": [{"key": "mesh"}],
    "identityTrustAnchorsPEM": "x",
}
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: linkerd-identity, namespace: linkerd}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: linkerd-linkerd-identity}
"""
DEPLOYMENT = "apps/v1 Deployment linkerd/linkerd-identity"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def secret(name: str, **data: bytes) -> dict[str, Any]:
    """A Secret with these values."""
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": name}, "data": encoded}


def record(
    chart: str, namespace: str, *, revision: int = 1, status: str = "deployed", **more: Any
) -> dict[str, Any]:
    """Helm's record of a revision of a release."""
    made = {
        "name": chart,
        "namespace": namespace,
        "chart": {"metadata": {"name": chart, "version": "2026.6.3"}},
        **more,
    }
    packed = base64.b64encode(gzip.compress(json.dumps(made).encode()))
    found = secret(f"sh.helm.release.v1.{chart}.v{revision}", release=packed)
    found["metadata"] |= {"namespace": namespace, "labels": {"owner": "helm", "status": status}}
    return found


def _objects(listed: dict[str, Any]) -> dict[str, Any]:
    """What is in these lists, and each of it by its own path too."""
    single = {
        f"{path.rpartition('/')[0]}/namespaces/{each['metadata']['namespace']}"
        f"/{path.rpartition('/')[2]}/{each['metadata']['name']}": each
        for path, found in listed.items()
        if isinstance(found, list)
        for each in found
        if "namespace" in each["metadata"] and "name" in each["metadata"]
    }
    return single | listed


@dataclass(frozen=True)
class Server(Client):
    """An API server by path, which remembers what was changed."""

    objects: dict[str, Any] = field(default_factory=dict)
    changed: list[tuple[str, str, Any]] = field(default_factory=list)

    def request(self, method: str, path: str, body: Any = None, **_: Any) -> Answer:
        """What lies at a path; every change is answered with `done`."""
        place = path.partition("?")[0]
        if method != "GET":
            self.changed.append((method, path, body))
            return Answer(200, {})
        if place in ("/api", "/apis"):
            return Answer(200, {"kind": "APIGroupDiscoveryList", "items": _groups(place)})
        if place not in self.objects and "limit=" not in path:
            return Answer(404)
        found = copy.deepcopy(self.objects.get(place, []))
        if "labelSelector=" in path and isinstance(found, list):
            # Helm's records have its own label, the plugin's objects theirs; else any is fitting.
            own, plugin = "owner%3Dhelm" in path, "cni-resource" in path
            found = [
                each
                for each in found
                if own or "owner" not in each["metadata"].get("labels", {})
                if not plugin or each["metadata"]["name"].startswith("linkerd-cni")
            ]
        if isinstance(found, dict):
            return Answer(200, found)
        kind = "PartialObjectMetadataList" if "Partial" in self.headers.get("Accept", "") else ""
        return Answer(200, {"kind": kind, "items": found, "metadata": {}})


def _groups(place: str) -> list[dict[str, Any]]:
    kinds = (
        [("", "v1", "secrets", "Secret", True), ("", "v1", "namespaces", "Namespace", False)]
        if place == "/api"
        else [("apps", "v1", "deployments", "Deployment", True)]
    )
    return [
        {
            "metadata": {"name": group},
            "versions": [
                {
                    "version": version,
                    "resources": [
                        {
                            "resource": plural,
                            "responseKind": {"kind": kind},
                            "scope": "Namespaced" if namespaced else "Cluster",
                            "verbs": ["list"],
                        }
                    ],
                }
            ],
        }
        for group, version, plural, kind, namespaced in kinds
    ]


def server(anchor: Authority, **more: Any) -> Server:
    """A cluster with a Linkerd of Helm's, and a cert-manager."""
    pem = anchor.pem
    config = {"metadata": {}, "data": {"values": yaml.safe_dump(VALUES)}}
    labels = {"app.kubernetes.io/name": "cert-manager"}
    spec = {"containers": [{"image": "q/cert-manager-controller:v1.18.2", "args": []}]}
    spec["containers"][0]["args"] = ["--cluster-resource-namespace=$(POD_NAMESPACE)"]
    return Server(
        "https://api",
        Path("ca.crt"),
        objects=_objects(
            {
                "/api/v1/namespaces/linkerd/configmaps/linkerd-config": config,
                "/api/v1/namespaces/linkerd/configmaps/linkerd-identity-trust-roots": {
                    "data": {"ca-bundle.crt": pem}
                },
                "/api/v1/secrets": [
                    record("linkerd-control-plane", "linkerd", config=GIVEN, manifest=MANIFEST),
                    record("another", "shop", config={}, manifest=""),
                ],
                "/apis/apps/v1/deployments": [
                    {
                        "metadata": {"name": "cm", "namespace": "security", "labels": labels},
                        "spec": {"template": {"spec": {"serviceAccountName": "cm", **spec}}},
                    }
                ],
                CRDS: [
                    {
                        "metadata": {
                            "name": "httproutes.gateway.networking.k8s.io",
                            "annotations": {"gateway.networking.k8s.io/bundle-version": "v1.3.0"},
                        }
                    }
                ],
                "/api/v1/configmaps": [],
                "/api/v1/pods": [{"metadata": {"namespace": "shop", "name": "web"}}],
                **more,
            }
        ),
    )


def looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, api: Server
) -> tuple[list[str], StackConfig]:
    """What `adopt` prints, and the stack file that it writes."""
    lines = adopt.look("adopted", asked(monkeypatch, tmp_path, api))
    return lines, stack_load.from_file(tmp_path / "Pulumi.adopted.yaml")


def asked(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    api: Server,
    address: str = "https://10.0.0.1:6443",
) -> argparse.Namespace:
    """The arguments of `adopt` for this cluster, at this address in the current context."""
    chosen = Selected("kind", {"server": address}, {}, tmp_path / "config")
    ca = authority("root").pem

    @contextmanager
    def client(*_: object) -> Iterator[Client]:
        yield api

    monkeypatch.setattr(kubeconfig, "find", lambda *_: chosen)
    monkeypatch.setattr(kubeconfig, "authority_of", lambda _: ca)
    monkeypatch.setattr(kubeconfig, "client", client)
    monkeypatch.setattr(stacks, "PROJECT_DIR", tmp_path)
    (tmp_path / "charts.yaml").write_text((project() / "charts.yaml").read_text("utf-8"))
    monkeypatch.delenv("VAULT_CACERT", raising=False)
    return argparse.Namespace(
        stack="adopted",
        finish=False,
        context=None,
        kubeconfig=None,
        vault="https://vault.example.com:8200",
        out=None,
    )
