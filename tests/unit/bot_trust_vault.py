"""A Vault in memory with as much of PKI and KV as `trust import` and `destroy-key` use.

It answers as Vault 1.20 was seen to: an unknown issuer is a 500, a key in use is not deleted, an
issuer is known by its certificate, and `cas: 0` is refused where there ever was a version.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.clients.https import Answer, Client
from schema.certificates import certificates_in

PKI, KV, MOUNTS = "/v1/linkerd/pki", "/v1/linkerd/kv", "/v1/sys/mounts/"


@dataclass(frozen=True)
class FakeVault(Client):
    """issuers: id to name, PEM and key; keys: id to name; entries: path to its versions.

    mounts: the engines that are there. A version is None once it is destroyed. fails: the request
    that ends the run, as a kill would.
    """

    base: str = "https://vault.example.com"
    ca_file: Path = Path()
    issuers: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    entries: dict[str, list[dict[str, str] | None]] = field(default_factory=dict)
    mounts: set[str] = field(default_factory=lambda: {"linkerd/pki", "linkerd/kv"})
    requests: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: itertools.count(1))

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        seconds: float = 10.0,
    ) -> Answer:
        del content_type, seconds
        self.requests.append(f"{method} {path}")
        if any(f"{method} {path}".startswith(each) for each in self.fails):
            return Answer(0)
        if path.startswith(MOUNTS):
            there = path.removeprefix(MOUNTS) in self.mounts
            return Answer(200, {"data": {}}) if there else Answer(400, {"errors": ["No secret..."]})
        if not any(path.startswith(f"/v1/{mount}/") for mount in self.mounts):
            return Answer(404, {"errors": []})
        if path.startswith(KV):
            kind, _, name = path.removeprefix(f"{KV}/").partition("/")
            return self._kv(method, kind, name, body)
        return self._pki(method, path.removeprefix(f"{PKI}/"), body)

    def _kv(self, method: str, kind: str, name: str, body: Any) -> Answer:
        versions = self.entries.get(name, [])
        if kind == "destroy":
            for number in body["versions"]:
                versions[number - 1] = None
            return Answer(204)
        if method == "GET" and (not versions or versions[-1] is None):
            return Answer(404, {"errors": []})
        if kind == "metadata":
            listed = {str(n): {"destroyed": v is None} for n, v in enumerate(versions, 1)}
            return Answer(200, {"data": {"current_version": len(versions), "versions": listed}})
        if method == "GET":
            return Answer(200, {"data": {"data": versions[-1]}})
        if body["options"]["cas"] != len(versions):
            return Answer(400, {"errors": ["check-and-set parameter did not match"]})
        self.entries.setdefault(name, []).append(body["data"])
        return Answer(200, {"data": {}})

    def _pki(self, method: str, path: str, body: Any) -> Answer:
        if path.startswith("issuers/import/"):
            return self._import(body["pem_bundle"])
        if path == "keys":
            info = {each: {"key_name": name} for each, name in self.keys.items()}
            return Answer(200, {"data": {"key_info": info}}) if info else Answer(404)
        kind, name = path.split("/")[:2]
        if kind == "key":
            return self._key(method, name, body)
        found = next((i for i, v in self.issuers.items() if name in (i, v["name"])), None)
        if found is None:
            return Answer(500, {"errors": ["unable to find PKI issuer"]})
        if method == "DELETE":
            del self.issuers[found]
        if method == "POST":
            self.issuers[found]["name"] = body["issuer_name"]
        issuer = self.issuers.get(found, {})
        data = {"certificate": issuer.get("pem"), "key_id": issuer.get("key")}
        return Answer(200, {"data": data})

    def _key(self, method: str, key: str, body: Any) -> Answer:
        if method == "DELETE":
            if any(issuer["key"] == key for issuer in self.issuers.values()):
                return Answer(400, {"errors": ["Failed to Delete Key. Key in Use by Issuer"]})
            del self.keys[key]
            return Answer(204)
        if method == "POST":
            self.keys[key] = body["key_name"]
        return Answer(200 if key in self.keys else 404, {"data": {}})

    def _import(self, bundle: str) -> Answer:
        (certificate,) = certificates_in(bundle.encode())
        for issuer, known in self.issuers.items():
            if certificates_in(known["pem"].encode()) == [certificate]:
                mapping = {issuer: known["key"]}
                return Answer(200, {"data": {"existing_issuers": [issuer], "mapping": mapping}})
        issuer, key = f"issuer-{next(self.ids)}", ""
        if "PRIVATE KEY" in bundle:
            key = f"key-{next(self.ids)}"
            self.keys[key] = ""
        self.issuers[issuer] = {"name": "", "pem": bundle, "key": key}
        data = {"imported_issuers": [issuer], "mapping": {issuer: key}}
        return Answer(200, {"data": data})
