"""Roots that a killed run had made in Vault: looked up by name, because no import knows them.

The provider cannot import a root certificate
(https://registry.terraform.io/providers/hashicorp/vault/latest/docs/resources/pki_secret_backend_root_cert),
and Vault takes no second issuer of one name: without this the next run would end there, and by hand
one would make another root. What it gives out is public: the certificate and ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography import x509

from bot.clients import vault as vault_client
from bot.clients.https import Client
from bot.clients.target import Target

ROOT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
Resource = dict[str, Any]


def made(target: Target, deployment: Mapping[str, Any]) -> dict[str, Resource]:
    """The pending roots that are in Vault, by URN, as the provider would have written them.

    Asks Vault only where a root is pending; raises Unreadable and MissingToolError.
    """
    pending = [
        operation["resource"]
        for operation in deployment.get("pending_operations") or ()
        if operation["type"] == "creating" and operation["resource"]["type"] == ROOT
    ]
    if not pending:
        return {}
    with vault_client.connected(target) as client:
        found = {each["urn"]: looked_up(client, each) for each in pending}
    return {urn: resource for urn, resource in found.items() if resource}


def looked_up(client: Client, resource: Resource) -> Resource | None:
    """The resource with id and outputs; None when Vault has no such root, or one not of this run.

    The name of its key tells: it has a random suffix, which is in the state before the root is.
    """
    inputs = resource.get("inputs") or {}
    backend, name = inputs.get("backend"), inputs.get("issuerName")
    issuer = vault_client.data(client, f"{backend}/issuer/{name}")
    key = vault_client.data(client, f"{backend}/key/{issuer['key_id']}") if issuer else {}
    if not key or key.get("key_name") != inputs.get("keyName"):
        return None
    pem = str(issuer["certificate"]).strip()
    number = x509.load_pem_x509_certificate(pem.encode()).serial_number
    digits = f"{number:x}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    id_ = f"{backend}/issuer/{issuer['issuer_id']}"
    outputs = {
        **{name: value for name, value in inputs.items() if name != "__defaults"},
        "id": id_,
        "certificate": pem,
        "issuingCa": pem,
        "issuerId": issuer["issuer_id"],
        "keyId": issuer["key_id"],
        "serialNumber": ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)),
    }
    return {**resource, "id": id_, "outputs": outputs}
