"""The generations as Vault has them: what is published, what signs, whose key is there."""

from __future__ import annotations

from bot.clients import vault as vault_client
from bot.clients.https import Client
from bot.clients.target import Target
from bot.mesh.trust.model import Kept
from components.names import anchor_key_path
from components.trust import Generation
from stack.config import StackConfig


def read(target: Target) -> tuple[Kept, ...]:
    """Every generation of the stack file as Vault has it.

    Raises MissingToolError without a token, Unreadable when Vault does not tell. Whether a key is
    there may be beyond a token's rights: `key` is None then.
    """
    with vault_client.connected(target) as client:
        generations = target.config.trust.generations
        return tuple(kept(client, target.config, each) for each in generations)


def kept(client: Client, config: StackConfig, generation: Generation) -> Kept:
    """One generation."""
    entry = vault_client.published(client, config, generation.name)
    if generation.custody == "cluster":
        return Kept(generation.name, entry, key=_kv_key(client, config, generation.name))
    made = vault_client.issuer(client, config, generation.name)
    return Kept(generation.name, entry, made, _pki_key(client, config, generation.name))


def _pki_key(client: Client, config: StackConfig, generation: str) -> bool | None:
    found = vault_client.key_id(client, config, generation)
    if not found:
        return None if found is None else False
    answer = client.request("GET", f"/v1/{config.vault.pki_mount}/key/{found}")
    return True if answer.ok else (None if answer.status == 403 else False)


def _kv_key(client: Client, config: StackConfig, generation: str) -> bool | None:
    path = f"/v1/{config.vault.kv_mount}/data/{anchor_key_path(generation)}"
    answer = client.request("GET", path)
    if answer.status == vault_client.NOT_FOUND:
        return False
    if not answer.ok:
        return None
    return "tls.key" in (answer.body["data"]["data"] or {})
