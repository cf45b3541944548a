"""What a status reads from the API server: lists of objects, and a few objects by name."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from bot.clients.https import Answer, Client, Unreadable
from bot.clients.kubernetes import NOT_FOUND, Manifest, get_object, groups, list_objects
from bot.mesh.status import egress_gateway, ingress
from bot.mesh.status.facts import Secret, places
from bot.mesh.traffic import reader as traffic_reader
from components.buoyant_cloud import CREDENTIALS_SECRET
from components.names import (
    IDENTITY_ISSUER,
    LINKERD,
    LINKERD_BUOYANT,
    LINKERD_VIZ,
)
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, VIZ_WEBHOOKS
from schema.certificates import certificates_in
from stack.config import StackConfig

SECONDS = 10.0
_FIRST_SECONDS = 5.0
VERSION = "version"
CORE, _APPS, _RBAC = "/api/v1", "/apis/apps/v1", "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
# Lists of the whole cluster. Those that the rollout reads as well have its paths.
LISTS = {
    "nodes": f"{CORE}/nodes",
    "leases": "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
    "namespaces": f"{CORE}/namespaces",
    "pods": f"{CORE}/pods",
    "services": f"{CORE}/services",
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
    "replicasets": f"{_APPS}/replicasets",
    "mutating webhooks": f"{_ADMISSION}/mutatingwebhookconfigurations",
    "validating webhooks": f"{_ADMISSION}/validatingwebhookconfigurations",
    "api services": "/apis/apiregistration.k8s.io/v1/apiservices",
    "cluster issuers": "/apis/cert-manager.io/v1/clusterissuers",
    "cluster secret stores": "/apis/external-secrets.io/v1/clustersecretstores",
    "bundles": "/apis/trust.cert-manager.io/v1alpha1/bundles",
}
# Of these the metadata says enough, and is a fraction of the whole.
METADATA_LISTS = {
    "cluster roles": f"{_RBAC}/clusterroles",
    "cluster role bindings": f"{_RBAC}/clusterrolebindings",
    "crds": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
}
# Lists of each namespace of ours.
PLACE_LISTS = {
    "deployments": f"{_APPS}/namespaces/{{}}/deployments",
    "daemonsets": f"{_APPS}/namespaces/{{}}/daemonsets",
    "service accounts": f"{CORE}/namespaces/{{}}/serviceaccounts",
    "disruption budgets": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "certificates": "/apis/cert-manager.io/v1/namespaces/{}/certificates",
    "external secrets": "/apis/external-secrets.io/v1/namespaces/{}/externalsecrets",
}
DISCOVERY = "served versions"
FLAGGER = "image of flagger"
Read = Callable[[Client], Any]


@dataclass(frozen=True)
class Once(Client):
    """A client that asks for each list once, whoever wants it and however many at a time."""

    of: Client | None = None
    answers: dict[tuple[object, str], Answer] = field(default_factory=dict)
    locks: dict[tuple[object, str], threading.Lock] = field(default_factory=dict)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        seconds: float = SECONDS,
    ) -> Answer:
        """The answer of the first request for a path. It reads, whatever is asked for."""
        if method != "GET" or body is not None or content_type != "application/json" or not self.of:
            raise ValueError(f"{method} {path}: a status changes nothing")
        key = (self.headers.get("Accept"), path)
        with self.locks.setdefault(key, threading.Lock()):
            if key not in self.answers:
                api = replace(self.of, headers=self.headers)
                self.answers[key] = api.request("GET", path, seconds=min(seconds, SECONDS))
            return self.answers[key]


def once(api: Client) -> Once:
    """Such a client for another."""
    return Once(api.base, api.ca_file, headers=api.headers, of=api)


def version(api: Client) -> str:
    """What the API server calls itself, such as `v1.35.4`; raises Unreadable."""
    answered = get_object(api, "/version", _FIRST_SECONDS)
    if answered is None:
        raise Unreadable(f"{api.base}/version: status {NOT_FOUND}: no API server")
    return str(answered["gitVersion"])


def reads(config: StackConfig) -> Iterator[tuple[str, Read]]:
    """Every source by name, with how it is read."""
    for name, path in LISTS.items():
        yield name, partial(list_objects, path=path)
    for name, path in traffic_reader.LISTS.items() if config.traffic.services else ():
        yield name, partial(list_objects, path=path)
    for name, path in ingress.LISTS.items() if config.ingress.enabled else ():
        yield name, partial(list_objects, path=path)
    for name, path in egress_gateway.LISTS.items() if config.egress.gateway.enabled else ():
        yield name, partial(list_objects, path=path)
    if config.traffic.services:
        yield FLAGGER, traffic_reader.flagger
    for name, path in METADATA_LISTS.items():
        yield name, partial(_metadata, path=path)
    for name, form in PLACE_LISTS.items():
        yield name, partial(_lists, paths=[form.format(place) for place in places(config)])
    yield DISCOVERY, _served
    for place, name in config_maps(config):
        path = f"{CORE}/namespaces/{place}/configmaps/{name}"
        yield f"config map {place}/{name}", partial(_data, path=path)
    for place, name in secrets(config):
        path = f"{CORE}/namespaces/{place}/secrets/{name}"
        yield f"secret {place}/{name}", partial(_secret, path=path)


def config_maps(config: StackConfig) -> list[tuple[str, str]]:
    """The ConfigMaps that are read, by namespace and name."""
    found = [(LINKERD, "linkerd-config")]
    if config.viz.enabled and config.viz.prometheus_url is None:
        found.append((LINKERD_VIZ, "prometheus-config"))
    if config.buoyant_cloud.enabled:
        found.append((LINKERD_BUOYANT, "agent-metadata"))
    return found


def secrets(config: StackConfig) -> list[tuple[str, str]]:
    """The Secrets that are read: certificates of the mesh, and the agent's credentials."""
    found = [(LINKERD, IDENTITY_ISSUER), *((LINKERD, name) for name in CONTROL_PLANE_WEBHOOKS)]
    if config.viz.enabled:
        found += [(LINKERD_VIZ, name) for name in VIZ_WEBHOOKS]
    if config.buoyant_cloud.enabled:
        found.append((LINKERD_BUOYANT, CREDENTIALS_SECRET))
    return found


def _lists(api: Client, paths: Sequence[str]) -> list[Manifest]:
    return [each for path in paths for each in list_objects(api, path)]


def _metadata(api: Client, path: str) -> list[Manifest]:
    return list_objects(api, path, metadata=True)


def _served(api: Client) -> set[str]:
    """The names of all served kinds with their version, such as `servers.policy.linkerd.io/v1`."""
    return {
        f"{each['resource']}.{group['metadata'].get('name', '')}/{version['version']}"
        for group in groups(api, "/apis")
        for version in group.get("versions") or ()
        for each in version.get("resources") or ()
    }


def _data(api: Client, path: str) -> dict[str, str] | None:
    kept = get_object(api, path, SECONDS)
    return None if kept is None else dict(kept.get("data") or {})


def _secret(api: Client, path: str) -> Secret | None:
    """What may be kept of a Secret: a key is compared with its certificate, and dropped."""
    kept = get_object(api, path, SECONDS)
    return None if kept is None else secret(kept)


def secret(manifest: Manifest) -> Secret:
    """A Secret without its secrets."""
    data = {key: base64.b64decode(text) for key, text in (manifest.get("data") or {}).items()}
    chain = tuple(certificates_in(data.get("tls.crt", b"")))
    key = data.get("tls.key", b"")
    return Secret(
        keys=frozenset(name for name, value in data.items() if value.strip()),
        labels=manifest["metadata"].get("labels") or {},
        chain=chain,
        fits=bool(chain) and _fits(chain[0], key),
        pkcs8=key.startswith(b"-----BEGIN PRIVATE KEY-----"),
        authorities=tuple(certificates_in(data.get("ca.crt", b""))),
    )


def _fits(certificate: Any, key: bytes) -> bool:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        public = load_pem_private_key(key, None).public_key().public_bytes(*form)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return bool(public == certificate.public_key().public_bytes(*form))
