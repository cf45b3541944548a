"""A healthy mesh as an API server would give it, for the tests of `bot status`."""

from __future__ import annotations

import copy
import functools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.clients import vault as vault_client
from bot.clients.https import Answer, Client
from bot.clients.target import Target
from bot.mesh.status import control_plane, judge, sources
from bot.mesh.status.facts import Facts
from bot.mesh.status.model import Line
from bot.mesh.status.sources import WantedSources
from bot.mesh.trust import vault as trust_vault
from bot.mesh.trust.model import Kept
from components.trust_bundle import CERTIFICATE_KEY, anchor_secret
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, VIZ_WEBHOOKS
from schema.certificates import certificates_in
from stack.config import StackConfig
from tests.certificates import Authority
from tests.unit import status_objects as made
from tests.unit.stack_files import REPO, KeyPath, load, spoilt

STACK, GENERATION = "test", "anchor-1"
VERSION = "edge-26.6.3"
# A mesh's last sign of life is compared with our clock: one that was made long ago is not healthy.
_FRESH_SECONDS = 15
SECTIONS: dict[KeyPath, Any] = {
    ("buoyantCloud",): {"enabled": True},
    ("rollout",): {"waves": [{"name": "w0", "state": "on", "namespaces": ["shop"]}]},
    ("policy",): {
        "namespaces": {
            "shop": {
                "rung": "audit",
                "services": [
                    {"name": "cart", "selector": {"app": "cart"}, "ports": [{"port": 8080}]}
                ],
            }
        }
    },
    ("gatewayApi",): {"version": "1.5.1"},
    ("ingress",): {
        "enabled": True,
        "identity": {
            "issuer": "https://idp.example.com/",
            "audiences": ["shop"],
            "jwks": "https://idp.example.com/jwks",
        },
        "issuers": {"own": {"ca": True}},
        "listeners": [{"name": "shop", "host": "shop.example.com", "issuer": "own"}],
        "routes": [{"name": "cart", "host": "shop.example.com", "service": "shop/cart"}],
    },
    ("egress",): {
        "namespaces": {"shop": {"mode": "deny"}},
        "gateway": {
            "enabled": True,
            "partners": [
                {
                    "name": "bank",
                    "host": "api.bank.example.com",
                    "credential": {"vaultPath": "partners/bank-key"},
                    "allow": ["shop/cart"],
                }
            ],
        },
    },
    ("traffic",): {
        "services": {
            "shop/cart": {
                "port": 80,
                "timeouts": {"request": "5s"},
                "retries": {"on": ["gateway-error"], "bodies": True},
            }
        }
    },
    ("observability",): {"alerts": {"form": "file", "runbooks": "https://runbooks.example.com"}},
}


@dataclass(frozen=True)
class FakeApi(Client):
    """An API server that has what a test gives it, by path; a value may be a status."""

    objects: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        """The object, list or text at a path, 404 without one; nothing but reading is known."""
        assert method == "GET", f"{method} {path}"
        self.asked.append(path)
        place, _, query = path.partition("?")
        # A list of a kind that every cluster has is empty where there is none.
        always = "limit=" in query and (place.startswith("/api/") or "." not in place.split("/")[2])
        found = self.objects.get(place, [] if always else 404)
        if isinstance(found, int):
            return Answer(found)
        found = copy.deepcopy(found)
        kind = "PartialObjectMetadataList" if "Partial" in self.headers.get("Accept", "") else ""
        made = {"kind": kind, "items": found, "metadata": {}}
        return Answer(200, made if isinstance(found, list) else found)


@dataclass
class Mesh:
    """A mesh to be spoilt by a test. objects: by path. sections: of the stack file."""

    objects: dict[str, Any]
    sections: dict[KeyPath, Any] = field(default_factory=lambda: copy.deepcopy(SECTIONS))
    kept: tuple[Kept, ...] = ()
    vault: Any = None

    @property
    def config(self) -> StackConfig:
        """The stack file."""
        with tempfile.TemporaryDirectory() as folder:
            return load(Path(folder), spoilt(self.sections))

    def one(self, path: str, name: str) -> dict[str, Any]:
        """An object of a list, to be changed in place."""
        (found,) = [each for each in self.objects[path] if each["metadata"]["name"] == name]
        return found

    def drop(self, path: str, name: str) -> None:
        """Take an object out of a list."""
        kept = [each for each in self.objects[path] if each["metadata"]["name"] != name]
        assert len(kept) < len(self.objects[path]), name
        self.objects[path] = kept


Read = Callable[..., Facts]


def reader(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads a mesh as the command does, from servers that a test makes up."""

    def read(mesh: Mesh, wanted: WantedSources | None = None) -> Facts:
        api = FakeApi("https://api", Path("ca.crt"), objects=mesh.objects)
        answer = Answer(200, mesh.vault) if isinstance(mesh.vault, dict) else Answer(503)

        @contextmanager
        def client(_: Target) -> Iterator[Client]:
            yield api

        @contextmanager
        def vault(_: Target) -> Iterator[Client]:
            yield FakeVault("https://vault", Path("ca.crt"), answer=answer)

        monkeypatch.setattr(sources, "api_server", client)
        monkeypatch.setattr(vault_client, "unauthenticated", vault)
        monkeypatch.setattr(trust_vault, "read", lambda _: mesh.kept)
        target = Target(STACK, REPO, mesh.config, None, {})
        return sources.read(target, wanted or WantedSources(cli=False))

    return read


@dataclass(frozen=True)
class FakeVault(Client):
    """A Vault that gives one answer."""

    answer: Answer = field(default_factory=lambda: Answer(0))

    def request(self, *_: Any, **__: Any) -> Answer:
        """The answer."""
        return self.answer


def lines(facts: Facts, check: str) -> list[Line]:
    """What one check says."""
    return [line for line in judge.judge(facts) if line.check == check]


def good() -> Mesh:
    """Every check of the cluster holds."""
    objects, root = _good(int(time.monotonic() // _FRESH_SECONDS))
    (certificate,) = certificates_in(root.encode())
    kept = (Kept(GENERATION, certificate, certificate, True),)
    vault = {"sealed": False, "version": "1.21.4"}
    return Mesh(copy.deepcopy(objects), kept=kept, vault=vault)


@functools.lru_cache(maxsize=1)
def _good(_period: int) -> tuple[dict[str, Any], str]:
    root = Authority.root("root.linkerd.cluster.local")
    chain, key = root.issue("identity.linkerd.cluster.local", path_length=0)
    objects = {**_cluster(), **_certificates(root, chain, key)}
    left = certificates_in(chain)[0].not_valid_after_utc - datetime.now(UTC)
    for pod in objects["/api/v1/pods"]:
        name = pod["metadata"]["name"]
        if name.startswith("linkerd-identity-"):
            path = f"/api/v1/namespaces/linkerd/pods/{name}:9990/proxy/metrics"
            objects[path] = f"issuer_cert_ttl_seconds {left.total_seconds()}\n"
    digest = made.digest(root.pem)
    for pod in objects["/api/v1/pods"]:
        if pod["metadata"]["namespace"] != "linkerd":
            pod["metadata"]["annotations"]["linkerd.io/trust-root-sha256"] = digest
    return objects, root.pem


def _cluster() -> dict[str, Any]:
    config = {
        "linkerdVersion": VERSION,
        "clusterNetworks": "10.0.0.0/8,172.16.0.0/12",
        "proxy": {"defaultInboundPolicy": "all-unauthenticated"},
        "proxyInit": {"runAsRoot": False},
    }
    roles = [*control_plane.ROLES, *made.VIZ_ROLES]
    bindings = [*control_plane.ROLES, *made.VIZ_BINDINGS]
    apps, rbac = "/apis/apps/v1/namespaces", "/apis/rbac.authorization.k8s.io/v1"
    accounts = [made.named(each, "linkerd") for each in control_plane.DEPLOYMENTS]
    budgets = ("linkerd-dst", "linkerd-identity", "linkerd-proxy-injector")
    agent = made.deployment("linkerd-buoyant", "buoyant-cloud-agent", "buoyant/agent:v0.40.6", 1)
    metrics = made.named("buoyant-cloud-metrics", "linkerd-buoyant")
    metrics["status"] = {"numberReady": 3, "desiredNumberScheduled": 3}
    return {
        "/version": {"gitVersion": "v1.35.4"},
        "/api/v1/nodes": [made.node(name, at) for at, name in enumerate("abc")],
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases": [
            made.lease(name) for name in "abc"
        ],
        "/api/v1/namespaces": made.namespaces(),
        "/api/v1/pods": made.pods(VERSION),
        "/api/v1/services": [made.service("shop", "cart"), made.service("linkerd", "linkerd-dst")],
        "/apis/gateway.networking.k8s.io/v1/httproutes": [
            made.route("shop", "cart", 80),
            made.way_to_partner("shop", "bank"),
        ],
        **made.ingress(),
        **made.egress_gateway(),
        "/api/v1/events": [],
        "/apis/discovery.k8s.io/v1/endpointslices": [made.slice_("shop", "cart", "cart-5d4f-a")],
        "/apis/apps/v1/replicasets": [made.named("linkerd-identity-5d4f", "linkerd")],
        "/apis/batch/v1/jobs": [],
        f"{apps}/linkerd/deployments": [
            made.deployment("linkerd", name, f"l5d/controller:{VERSION}", 3)
            for name in control_plane.DEPLOYMENTS
        ],
        f"{apps}/cert-manager/deployments": [
            made.deployment("cert-manager", "cert-manager", "jetstack/controller:v1.21.1", 2),
            made.deployment("cert-manager", "trust-manager", "jetstack/trust:v0.24.0", 2),
        ],
        f"{apps}/external-secrets/deployments": [
            made.deployment("external-secrets", "external-secrets", "eso/eso:v2.9.0", 2)
        ],
        f"{apps}/linkerd-viz/deployments": [
            made.deployment("linkerd-viz", name, f"l5d/{name}:{VERSION}", 1)
            for name in made.VIZ_PARTS
        ],
        f"{apps}/linkerd-buoyant/deployments": [agent],
        f"{apps}/linkerd-buoyant/daemonsets": [metrics],
        f"{apps}/shop/deployments": [made.deployment("shop", "cart", "cart:1", 1)],
        f"{apps}/shop/statefulsets": [],
        f"{apps}/shop/daemonsets": [],
        "/api/v1/namespaces/shop/services": [made.service("shop", "cart")],
        "/api/v1/namespaces/linkerd/serviceaccounts": accounts,
        "/apis/policy/v1/namespaces/linkerd/poddisruptionbudgets": [
            made.named(each, "linkerd") for each in budgets
        ],
        f"{rbac}/clusterroles": [made.named(each) for each in roles],
        f"{rbac}/clusterrolebindings": [made.named(each) for each in bindings],
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": [
            made.gateway_crd(each) for each in ("httproutes", "tcproutes")
        ],
        "/apis": made.discovery(control_plane.CRDS),
        "/api/v1/namespaces/linkerd/configmaps/linkerd-config": {
            "data": {"values": json.dumps(config)}
        },
        "/api/v1/namespaces/linkerd-viz/configmaps/prometheus-config": {"data": {}},
        "/api/v1/namespaces/linkerd-buoyant/configmaps/agent-metadata": {"data": {}},
    }


def _certificates(root: Authority, chain: bytes, key: bytes) -> dict[str, Any]:
    webhook_ca = Authority.root("webhook.linkerd.cluster.local")
    places = {
        **{("linkerd", secret): service for secret, service in CONTROL_PLANE_WEBHOOKS.items()},
        **{("linkerd-viz", secret): service for secret, service in VIZ_WEBHOOKS.items()},
    }
    found: dict[str, Any] = {}
    hooks: list[dict[str, Any]] = []
    apis: list[dict[str, Any]] = []
    for (namespace, secret), service in places.items():
        host = f"{service}.{namespace}.svc"
        leaf = webhook_ca.issue(service, ca=False, hosts=(host,), lifetime=timedelta(days=7))
        path = f"/api/v1/namespaces/{namespace}/secrets/{secret}"
        found[path] = made.secret({"tls.crt": leaf[0], "tls.key": leaf[1]})
        caller = made.caller(namespace, service, webhook_ca.pem)
        (apis if service == "tap" else hooks).append(caller)
    mutating = [each for each in hooks if "injector" in each["metadata"]["name"]]
    issuer = {"ca.crt": root.pem.encode(), "tls.crt": chain, "tls.key": key}
    credentials = {"client_id": b"an id", "client_secret": b"a secret"}
    admission = "/apis/admissionregistration.k8s.io/v1"
    cert_manager = "/apis/cert-manager.io/v1"
    secrets = "/apis/external-secrets.io/v1"
    anchor = f"/api/v1/namespaces/cert-manager/secrets/{anchor_secret(GENERATION)}"
    return {
        **found,
        f"{admission}/mutatingwebhookconfigurations": mutating,
        f"{admission}/validatingwebhookconfigurations": [h for h in hooks if h not in mutating],
        "/apis/apiregistration.k8s.io/v1/apiservices": apis,
        "/api/v1/namespaces/linkerd/secrets/linkerd-identity-issuer": made.secret(issuer),
        "/api/v1/namespaces/linkerd-buoyant/secrets/buoyant-cloud-org-credentials": made.secret(
            credentials, {"app.kubernetes.io/part-of": "buoyant-cloud"}
        ),
        anchor: made.secret({CERTIFICATE_KEY: root.pem.encode()}),
        "/api/v1/namespaces/linkerd/configmaps/linkerd-identity-trust-roots": made.bundle(root.pem),
        f"{cert_manager}/namespaces/linkerd/certificates": [
            made.ready("linkerd-identity-issuer", "linkerd", renewalTime=made.later(20))
        ],
        f"{cert_manager}/namespaces/linkerd/certificaterequests": [],
        f"{cert_manager}/clusterissuers": [made.ready("linkerd-trust-anchor")],
        f"{secrets}/clustersecretstores": [made.ready("linkerd-platform-vault")],
        f"{secrets}/namespaces/linkerd-buoyant/externalsecrets": [
            made.ready("buoyant-cloud-org-credentials", "linkerd-buoyant")
        ],
        "/apis/trust.cert-manager.io/v1alpha1/bundles": [
            made.ready("linkerd-identity-trust-roots", kind="Synced")
        ],
    }
