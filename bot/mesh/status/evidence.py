"""What a verification is made of: data as the servers and the state gave it, and its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from bot.clients import vault as vault_client
from bot.clients.connect import cluster
from bot.clients.https import Client, ReadError, Unreadable
from bot.clients.kubernetes import Manifest, get_object, list_objects
from bot.clients.target import Target
from bot.mesh.status.cluster import CORE, LISTS, PLACE_LISTS
from bot.mesh.status.facts import own_places
from components.names import (
    IDENTITY_ISSUER,
    LINKERD,
    LINKERD_TRACING,
    LINKERD_VIZ,
    TRUST_ROOTS_CONFIG_MAP,
    anchor_path,
    signing_policy,
)
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, VIZ_WEBHOOKS
from stack.config import StackConfig

# What `attempts` tries, by name.
READ_KEY = "read the root key"
EXPORT_KEYS = "export keys"
SIGN_HERE = "signing policy signs with its generation"
SIGN_ELSEWHERE = "signing policy signs with the default root"
READ_KV = "signing policy reads KV"


@dataclass(frozen=True)
class Verification:
    """One row: what is verified, what is expected, what is seen."""

    what: str
    expected: str
    seen: str
    ok: bool


@dataclass(frozen=True)
class Attempt:
    """A request to Vault that is made to be judged: its status, and its data."""

    status: int
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """Everything that was read. Objects are Kubernetes manifests; `secrets` by namespace/name.

    anchors: PEM per generation, from Vault's PKI. files: content of the state, by name.
    attempts: requests to Vault, by what they try.
    """

    deployments: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()
    nodes: Sequence[Manifest] = ()
    config_maps: Mapping[str, Manifest] = field(default_factory=dict)
    secrets: Mapping[str, Manifest] = field(default_factory=dict)
    certificates: Sequence[Manifest] = ()
    external_secrets: Sequence[Manifest] = ()
    webhooks: Sequence[Manifest] = ()
    api_services: Sequence[Manifest] = ()
    anchors: Mapping[str, str] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    tokens: Sequence[str] = ()


def read(target: Target, files: Mapping[str, bytes]) -> Evidence:
    """Everything that a verification needs; raises Unreadable and MissingToolError.

    files: the content of the state, by name. The custody of the root is tried only where the stack
    makes the root: others may not even try.
    """
    config = target.config
    objects = {}
    try:
        if config.cluster is not None:
            with cluster(target) as api:
                objects = cluster_objects(api, config)
        with vault_client.connected(target) as client:
            names = [generation.name for generation in config.trust.generations]
            published = {name: vault_client.published(client, config, name) for name in names}
            tried = attempts(client, config) if config.owns_anchor else {}
    except ReadError as error:
        raise Unreadable(f"stack {target.stack}: {error}") from None
    return Evidence(
        **objects,
        anchors={
            name: certificate.public_bytes(Encoding.PEM).decode() if certificate else ""
            for name, certificate in published.items()
        },
        attempts=tried,
        files=files,
        tokens=[target.full_environment().get("VAULT_TOKEN", "")],
    )


def cluster_objects(api: Client, config: StackConfig) -> dict[str, Any]:
    """What a verification needs of a cluster, by the names it has in Evidence; raises Unreadable.

    Only our namespaces are looked at, and of Secrets only those that the trust is made of: others'
    workloads say nothing of ours, and others' Secrets are none of our business.
    """
    tracing = (LINKERD_TRACING,) if config.observability.tracing.bundled else ()
    own = [*own_places(config), *tracing]
    webhooks = [(LINKERD, name) for name in CONTROL_PLANE_WEBHOOKS]
    webhooks += [(LINKERD_VIZ, name) for name in (VIZ_WEBHOOKS if config.viz.enabled else ())]

    def inside(kind: str, *namespaces: str) -> list[Manifest]:
        paths = [PLACE_LISTS[kind].format(name) for name in namespaces]
        return [each for path in paths for each in list_objects(api, path)]

    return {
        "deployments": inside("deployments", *own),
        "pods": list_objects(api, f"{CORE}/namespaces/{LINKERD}/pods"),
        "nodes": list_objects(api, LISTS["nodes"]),
        "certificates": inside("certificates", LINKERD),
        "external_secrets": inside("external secrets", LINKERD),
        "api_services": list_objects(api, LISTS["api services"]),
        "webhooks": [
            each
            for kind in ("mutating webhooks", "validating webhooks")
            for each in list_objects(api, LISTS[kind])
        ],
        "secrets": _named(api, "secrets", [(LINKERD, IDENTITY_ISSUER), *webhooks]),
        "config_maps": _named(api, "configmaps", [(LINKERD, TRUST_ROOTS_CONFIG_MAP)]),
    }


def _named(api: Client, kind: str, names: list[tuple[str, str]]) -> dict[str, Manifest]:
    found = {
        f"{place}/{name}": get_object(api, f"{CORE}/namespaces/{place}/{kind}/{name}")
        for place, name in names
    }
    return {name: body for name, body in found.items() if body}


def attempts(vault: Client, config: StackConfig) -> dict[str, Attempt]:
    """Requests that should be refused, and one that should not.

    Where the token may make tokens, one with the signing policy alone is made for a minute.
    """
    pki, signing = config.vault.pki_mount, config.trust.signing
    if config.trust.signer.custody == "cluster":
        return {}
    issuer = vault.request("GET", f"/v1/{pki}/issuer/{signing}")
    if not issuer.ok:
        return {}
    key_id = issuer.body["data"]["key_id"]
    tried = {
        READ_KEY: _attempt(vault, "GET", f"{pki}/key/{key_id}"),
        EXPORT_KEYS: _attempt(vault, "GET", f"{pki}/keys/export/{key_id}"),
    }
    wanted = {"policies": [signing_policy(signing)], "no_default_policy": True, "ttl": "60s"}
    made = vault.request("POST", "/v1/auth/token/create", wanted)
    if not made.ok:
        return tried
    token = made.body["auth"]["client_token"]
    narrow = replace(vault, headers={**vault.headers, "X-Vault-Token": token})
    tried |= {
        SIGN_HERE: _attempt(narrow, "POST", f"{pki}/issuer/{signing}/sign-intermediate"),
        SIGN_ELSEWHERE: _attempt(narrow, "POST", f"{pki}/root/sign-intermediate"),
        READ_KV: _attempt(narrow, "GET", f"{config.vault.kv_mount}/data/{anchor_path(signing)}"),
    }
    accessor = {"accessor": made.body["auth"]["accessor"]}
    if not vault.request("POST", "/v1/auth/token/revoke-accessor", accessor).ok:
        raise Unreadable(
            "the token made for the verification could not be revoked; it ends in 60 s"
        )
    return tried


def _attempt(vault: Client, method: str, path: str) -> Attempt:
    answer = vault.request(method, f"/v1/{path}", {} if method == "POST" else None)
    data = answer.body.get("data") if isinstance(answer.body, dict) else None
    return Attempt(answer.status, data or {})
