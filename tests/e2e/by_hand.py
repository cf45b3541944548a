"""Applies what the program asks for without an engine: through the API server and Vault alone.

Only for tests. The requests are those of the mock evaluation, so what is applied is the program's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.clients.https import Answer, Client
from bot.plan.mock.engine import Resource
from sandbox import cluster, vault
from sandbox.settings import Settings

_APPLY = "application/apply-patch+yaml"
_TRIES_SECONDS = 30.0


@dataclass
class ByHand:
    """One cluster and Vault; `certificates` are the roots made so far, by generation."""

    settings: Settings
    certificates: dict[str, str] = field(default_factory=dict)

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """Server-side apply; waits for the object's kind to be served."""
        api = cluster.client(self.settings)
        answer = Answer(0)
        for _ in _tries():
            path = _path(api, manifest)
            if path is None:
                continue
            query = "?fieldManager=e2e&fieldValidation=Strict&force=true"
            answer = api.request("PATCH", path + query, manifest, content_type=_APPLY)
            if answer.ok:
                return
            if answer.status not in (0, 404, 429):
                break
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        raise AssertionError(f"{name} was not applied: {answer.status} {answer.body}")

    def make_in_vault(self, resource: Resource) -> None:
        """Make one of the program's Vault resources; the provider's inputs are Vault's fields."""
        given = {_snake(key): value for key, value in resource.inputs.items()}
        match resource.type.rpartition(":")[2]:
            case "Mount":
                path = f"/v1/sys/mounts/{given.pop('path')}"
                ttl = {
                    name.removesuffix("_seconds"): given.pop(name)
                    for name in ("default_lease_ttl_seconds", "max_lease_ttl_seconds")
                    if name in given
                }
                self._vault("POST", path, {**given, "config": ttl})
            case "AuthBackend":
                self._vault("POST", f"/v1/sys/auth/{given.pop('path')}", given)
            case "Policy":
                body = {"policy": given["policy"]}
                self._vault("PUT", f"/v1/sys/policies/acl/{given['name']}", body)
            case "SecretBackendRootCert":
                path = f"/v1/{given.pop('backend')}/root/generate/{given.pop('type')}"
                answer = self._vault("POST", path, given)
                self.certificates[given["issuer_name"]] = answer["data"]["certificate"]
            case "SecretV2":
                generation = given["name"].rpartition("/")[2]
                body = {"data": {"certificate": self.certificates[generation]}}
                self._vault("POST", f"/v1/{given['mount']}/data/{given['name']}", body)
            case "AuthBackendConfig":
                self._vault("POST", f"/v1/auth/{given.pop('backend')}/config", given)
            case "AuthBackendRole":
                path = f"/v1/auth/{given.pop('backend')}/role/{given.pop('role_name')}"
                self._vault("POST", path, given)
            case "SecretBackendKey":
                path = f"/v1/{given.pop('backend')}/keys/{given.pop('name')}"
                self._vault("POST", path, given)
            case other:
                raise AssertionError(f"nobody has said how to make a {other} by hand")

    def _vault(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        for _ in _tries():
            try:
                return vault.request(self.settings, method, path, body)
            except vault.VaultError as error:
                # A new KV mount turns into version 2 a moment after it was made.
                if "Upgrading" not in str(error):
                    raise
        raise AssertionError(f"{path}: Vault was upgrading for too long")


def _tries() -> Any:
    deadline = time.monotonic() + _TRIES_SECONDS
    while time.monotonic() < deadline:
        yield
        time.sleep(0.2)


def _path(api: Client, manifest: Mapping[str, Any]) -> str | None:
    version = manifest["apiVersion"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    answer = api.request("GET", base)
    for kind in answer.body["resources"] if answer.ok else ():
        if kind["kind"] == manifest["kind"] and "/" not in kind["name"]:
            metadata = manifest["metadata"]
            place = f"/namespaces/{metadata['namespace']}" if kind["namespaced"] else ""
            return f"{base}{place}/{kind['name']}/{metadata['name']}"
    return None


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
