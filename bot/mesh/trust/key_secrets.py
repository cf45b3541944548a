"""Secrets in clusters that hold the key of an anchor in custody `cluster`."""

from __future__ import annotations

import base64

from cryptography import x509

from bot.clients import vault as vault_client
from bot.clients.connect import cluster
from bot.clients.https import Client
from bot.clients.target import Target
from bot.exit_codes import BotError
from components.cluster_anchor import origin
from components.identity_issuer import key_secret_name
from components.names import CERT_MANAGER
from components.trust import Generation

_SECRETS = f"/api/v1/namespaces/{CERT_MANAGER}/secrets"
_EXTERNAL = f"/apis/external-secrets.io/v1/namespaces/{CERT_MANAGER}/externalsecrets"


def still_brought(target: Target, generation: str) -> list[str]:
    """Why a key in this cluster cannot be destroyed yet: an ExternalSecret brings it.

    Raises Unreadable and BotError when the cluster does not tell.
    """
    name = key_secret_name(generation)
    place = f"{target.stack}: ExternalSecret {CERT_MANAGER}/{name}"
    with cluster(target) as api:
        answer = api.request("GET", f"{_EXTERNAL}/{name}")
    if answer.status == vault_client.NOT_FOUND:
        return []
    if not answer.ok:
        raise BotError(f"{place}: status {answer.status}")
    return [f"{place} still brings the key: deploy the stack first"]


def delete(
    target: Target, generation: Generation, anchor: x509.Certificate | None, *, made_here: bool
) -> list[str]:
    """Delete each Secret of this cluster that holds the anchor with its key; what was deleted.

    The one that the ExternalSecret brought goes with that, unless something had kept it back: a
    restored backup, a deletion that orphans. made_here: the owner's first Secret too; cert-manager
    fills it again, with a root that nobody trusts and that is pushed nowhere. So a Secret with
    another certificate stays. Raises Unreadable and BotError.
    """
    names = [key_secret_name(generation.name)]
    if made_here and generation.source == "generated":
        names.append(origin(generation.name))
    with cluster(target) as api:
        return [line for name in names for line in _one(api, target.stack, name, anchor)]


def _one(api: Client, stack: str, name: str, anchor: x509.Certificate | None) -> list[str]:
    path, place = f"{_SECRETS}/{name}", f"{stack}: Secret {CERT_MANAGER}/{name}"
    found = api.request("GET", path)
    if found.status == vault_client.NOT_FOUND:
        return []
    if not found.ok:
        raise BotError(f"{place}: status {found.status}")
    data = found.body.get("data") or {}
    held = base64.b64decode(data.get("tls.crt", ""))
    if anchor is None or vault_client.first(held.decode()) != anchor:
        return []
    answer = api.request("DELETE", path)
    if not answer.ok and answer.status != vault_client.NOT_FOUND:
        raise BotError(f"{place} with the key is still there: status {answer.status}")
    return [f"{place} with the key is deleted"]
