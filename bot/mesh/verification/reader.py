"""Reads from the API server, from Vault and from the state what the proofs are about."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.clients import kubeconfig
from bot.clients.https import Client, ReadError
from bot.clients.kubernetes import Manifest, get_object, list_objects
from bot.clients.target import Target
from bot.mesh.verification import vault as vault_proofs
from bot.mesh.verification.data import Attempt, Seen
from components.external_secrets import operators
from components.names import (
    IDENTITY_ISSUER,
    LINKERD,
    LINKERD_BUOYANT,
    LINKERD_TRACING,
    LINKERD_VIZ,
    TRUST_ROOTS_CONFIG_MAP,
    anchor_key_path,
    anchor_path,
    signing_policy,
)
from components.trust import Generation
from components.vault import VaultSection
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, VIZ_WEBHOOKS
from stack.config import StackConfig

_CORE, _ADMISSION = "/api/v1", "/apis/admissionregistration.k8s.io/v1"
_NODES = f"{_CORE}/nodes"
_API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


def read(target: Target, state_dir: Path) -> Seen:
    """Everything that the proofs need; raises ReadError when a server does not give it."""
    config = target.config
    if config.cluster is None:
        raise ReadError(f"stack {target.stack} has no cluster")
    environment = target.full_environment()
    token = environment.get("VAULT_TOKEN", "")
    cluster = config.cluster
    with kubeconfig.reached(
        cluster.kubeconfig, cluster.context, environment, target.project_dir
    ) as api:
        objects = cluster_objects(api, config)
    vault = vault_client(config.vault, target.project_dir, token)
    return Seen(
        **objects,
        anchors={g.name: _anchor(vault, config, g) for g in config.trust.generations},
        attempts=attempts(vault, config),
        files={
            str(file.relative_to(state_dir)): file.read_bytes()
            for file in sorted(state_dir.rglob("*"))
            if file.is_file()
        },
        tokens=[token],
    )


def cluster_objects(api: Client, config: StackConfig) -> dict[str, Any]:
    """What the proofs need of a cluster, by the names it has in `Seen`; raises ReadError.

    Only our namespaces are looked at, and of Secrets only those that the trust is made of: others'
    workloads are no proof of ours, and others' Secrets are none of our business.
    """
    places = namespaces(config)
    webhooks = [(LINKERD, name) for name in CONTROL_PLANE_WEBHOOKS]
    webhooks += [(LINKERD_VIZ, name) for name in (VIZ_WEBHOOKS if config.viz.enabled else ())]
    return {
        "deployments": [
            each
            for place in places
            for each in list_objects(api, f"/apis/apps/v1/namespaces/{place}/deployments")
        ],
        "pods": list_objects(api, f"{_CORE}/namespaces/{LINKERD}/pods"),
        "nodes": list_objects(api, _NODES),
        "certificates": list_objects(
            api, f"/apis/cert-manager.io/v1/namespaces/{LINKERD}/certificates"
        ),
        "external_secrets": list_objects(
            api, f"/apis/external-secrets.io/v1/namespaces/{LINKERD}/externalsecrets"
        ),
        "api_services": list_objects(api, _API_SERVICES),
        "webhooks": [
            each for kind in _WEBHOOKS for each in list_objects(api, f"{_ADMISSION}/{kind}")
        ],
        "secrets": _named(api, "secrets", [(LINKERD, IDENTITY_ISSUER), *webhooks]),
        "config_maps": _named(api, "configmaps", [(LINKERD, TRUST_ROOTS_CONFIG_MAP)]),
    }


def namespaces(config: StackConfig) -> list[str]:
    """The namespaces whose workloads are ours."""
    optional = [
        (LINKERD_VIZ, config.viz.enabled),
        (LINKERD_BUOYANT, config.buoyant_cloud.enabled),
        (LINKERD_TRACING, config.observability.tracing.bundled),
    ]
    return [*operators(config).ours, LINKERD, *(name for name, on in optional if on)]


def vault_client(vault: VaultSection, project_dir: Path, token: str) -> Client:
    """A client of the stack's Vault with a token."""
    if vault.ca_file:
        authority = project_dir / vault.ca_file
    elif vault.ca_pem:
        authority = project_dir / ".sandbox" / "stack" / "vault-ca.pem"
        authority.write_text(vault.ca_pem)
    else:
        authority = Path(ssl.get_default_verify_paths().cafile or "")
    headers = {"X-Vault-Token": token}
    if vault.namespace:
        headers["X-Vault-Namespace"] = vault.namespace
    return Client(vault.address, authority, headers=headers)


def _named(api: Client, kind: str, names: list[tuple[str, str]]) -> dict[str, Manifest]:
    found = {
        f"{place}/{name}": get_object(api, f"{_CORE}/namespaces/{place}/{kind}/{name}")
        for place, name in names
    }
    return {name: body for name, body in found.items() if body}


def _anchor(vault: Client, config: StackConfig, generation: Generation) -> str:
    """The certificate where its key is; in custody `cluster` that is the KV engine."""
    if generation.custody == "cluster":
        path = f"/v1/{config.vault.kv_mount}/data/{anchor_key_path(generation.name)}"
        entry = vault.request("GET", path)
        return str((entry.body["data"]["data"] or {}).get("tls.crt", "")) if entry.ok else ""
    answer = vault.request("GET", f"/v1/{config.vault.pki_mount}/issuer/{generation.name}/json")
    return str(answer.body["data"]["certificate"]) if answer.ok else ""


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
        vault_proofs.READ_KEY: _attempt(vault, "GET", f"{pki}/key/{key_id}"),
        vault_proofs.EXPORT_KEYS: _attempt(vault, "GET", f"{pki}/keys/export/{key_id}"),
    }
    wanted = {"policies": [signing_policy(signing)], "no_default_policy": True, "ttl": "60s"}
    made = vault.request("POST", "/v1/auth/token/create", wanted)
    if not made.ok:
        return tried
    token = made.body["auth"]["client_token"]
    narrow = replace(vault, headers={**vault.headers, "X-Vault-Token": token})
    tried |= {
        vault_proofs.SIGN_HERE: _attempt(
            narrow, "POST", f"{pki}/issuer/{signing}/sign-intermediate"
        ),
        vault_proofs.SIGN_ELSEWHERE: _attempt(narrow, "POST", f"{pki}/root/sign-intermediate"),
        vault_proofs.READ_KV: _attempt(
            narrow, "GET", f"{config.vault.kv_mount}/data/{anchor_path(signing)}"
        ),
    }
    accessor = {"accessor": made.body["auth"]["accessor"]}
    if not vault.request("POST", "/v1/auth/token/revoke-accessor", accessor).ok:
        raise ReadError("the token made for the proofs could not be revoked; it ends in 60 s")
    return tried


def _attempt(vault: Client, method: str, path: str) -> Attempt:
    answer = vault.request(method, f"/v1/{path}", {} if method == "POST" else None)
    data = answer.body.get("data") if isinstance(answer.body, dict) else None
    return Attempt(answer.status, data or {})
