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
from components.trust import Generation


def still_brought(target: Target, generation: str) -> list[str]:
    """Why a key in this cluster cannot be destroyed yet: an ExternalSecret brings it.

    Raises Unreadable and BotError when the cluster does not tell.
    """
    name, namespace = key_secret_name(generation), target.config.cert_manager.issuer_secrets
    place = f"{target.stack}: ExternalSecret {namespace}/{name}"
    path = f"/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets/{name}"
    with cluster(target) as api:
        answer = api.request("GET", path)
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
        return [line for name in names for line in _one(api, target, name, anchor)]


def _one(api: Client, target: Target, name: str, anchor: x509.Certificate | None) -> list[str]:
    namespace = target.config.cert_manager.issuer_secrets
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    place = f"{target.stack}: Secret {namespace}/{name}"
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
