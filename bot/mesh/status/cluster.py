"""What a status reads from the API server: lists of objects, and a few objects by name."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from bot.clients.connect import Unreadable
from bot.clients.https import Answer, Client
from bot.mesh.drift.discovery import ACCEPT, groups
from bot.mesh.rollout.reader import items
from bot.mesh.status.facts import Manifest, Secret, places
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
_CORE, _APPS, _RBAC = "/api/v1", "/apis/apps/v1", "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_NOT_FOUND = 404
# Lists of the whole cluster. Those that the rollout reads as well have its paths.
LISTS = {
    "nodes": f"{_CORE}/nodes",
    "leases": "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
    "namespaces": f"{_CORE}/namespaces",
    "pods": f"{_CORE}/pods",
    "services": f"{_CORE}/services",
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
    "service accounts": f"{_CORE}/namespaces/{{}}/serviceaccounts",
    "disruption budgets": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "certificates": "/apis/cert-manager.io/v1/namespaces/{}/certificates",
    "external secrets": "/apis/external-secrets.io/v1/namespaces/{}/externalsecrets",
}
DISCOVERY = "served versions"
_PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
Read = Callable[[Client], Any]


class Once(Client):
    """A client that asks for each list once, whoever wants it and however many at a time."""

    def __init__(self, of: Client) -> None:
        super().__init__(of.base, of.ca_file, of.client_pair, of.headers)
        answers: dict[str, Answer] = {}
        locks: dict[str, threading.Lock] = {}
        for name, value in (("of", of), ("answers", answers), ("locks", locks)):
            object.__setattr__(self, name, value)

    of: Client
    answers: dict[str, Answer]
    locks: dict[str, threading.Lock]

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
        if method != "GET" or body is not None or content_type != "application/json":
            raise ValueError(f"{method} {path}: a status changes nothing")
        with self.locks.setdefault(path, threading.Lock()):
            if path not in self.answers:
                self.answers[path] = self.of.request("GET", path, seconds=min(seconds, SECONDS))
            return self.answers[path]


def version(api: Client) -> str:
    """What the API server calls itself, such as `v1.35.4`; raises Unreadable."""
    answer = api.request("GET", "/version", seconds=_FIRST_SECONDS)
    _checked(api, "/version", answer)
    return str(answer.body["gitVersion"])


def reads(config: StackConfig) -> Iterator[tuple[str, Read]]:
    """Every source by name, with how it is read."""
    for name, path in LISTS.items():
        yield name, partial(_list, path=path)
    for name, path in METADATA_LISTS.items():
        yield name, partial(_metadata, path=path)
    for name, form in PLACE_LISTS.items():
        yield name, partial(_lists, paths=[form.format(place) for place in places(config)])
    yield DISCOVERY, _served
    for place, name in config_maps(config):
        path = f"{_CORE}/namespaces/{place}/configmaps/{name}"
        yield f"config map {place}/{name}", partial(_data, path=path)
    for place, name in secrets(config):
        path = f"{_CORE}/namespaces/{place}/secrets/{name}"
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


def _list(api: Client, path: str) -> list[Manifest]:
    """The objects of a list; none where the kind is not installed."""
    try:
        return list(items(api, path))
    except Unreadable as error:
        if str(error).endswith(f"status {_NOT_FOUND}"):
            return []
        raise


def _lists(api: Client, paths: Sequence[str]) -> list[Manifest]:
    return [each for path in paths for each in _list(api, path)]


def _metadata(api: Client, path: str) -> list[Manifest]:
    return _list(_accepting(api, _PARTIAL), path)


def _accepting(api: Client, form: str) -> Client:
    """A client that asks for this form, and shares no answers with another."""
    of = api.of if isinstance(api, Once) else api
    return replace(of, headers={**of.headers, "Accept": form})


def _served(api: Client) -> set[str]:
    """The names of all served kinds with their version, such as `servers.policy.linkerd.io/v1`."""
    asking = _accepting(api, ACCEPT)
    return {
        f"{each['resource']}.{group['metadata'].get('name', '')}/{version['version']}"
        for group in groups(asking, "/apis")
        for version in group.get("versions") or ()
        for each in version.get("resources") or ()
    }


def _data(api: Client, path: str) -> dict[str, str] | None:
    found = _one(api, path)
    return None if found is None else dict(found.get("data") or {})


def _secret(api: Client, path: str) -> Secret | None:
    """What may be kept of a Secret: a key is compared with its certificate, and dropped."""
    found = _one(api, path)
    return None if found is None else secret(found)


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


def _one(api: Client, path: str) -> Manifest | None:
    answer = api.request("GET", path, seconds=SECONDS)
    if answer.status == _NOT_FOUND:
        return None
    _checked(api, path, answer)
    return dict(answer.body)


def _checked(api: Client, path: str, answer: Answer) -> None:
    if not answer.ok:
        said = {0: "no answer", 401: "not logged in (401)", 403: "not allowed (403)"}
        why = said.get(answer.status, f"status {answer.status}")
        raise Unreadable(f"{api.base}{path}: {why}")
