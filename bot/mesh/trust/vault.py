"""The generations as Vault has them: what is published, what signs, whose key is there."""

from __future__ import annotations

from typing import Any

from cryptography import x509

from bot.clients.connect import Unreadable, vault
from bot.clients.https import Answer, Client
from bot.clients.target import Target
from bot.exit_codes import BotError
from bot.mesh.trust.model import Kept
from components.names import anchor_key_path, anchor_path
from components.trust import Generation
from schema.certificates import certificates_in
from stack.config import StackConfig

DESTROYED = "destroyed"
NOT_FOUND = 404
# As long as the suffix that a generated key has in its name.
IMPORTED = "imported"


def read(target: Target) -> tuple[Kept, ...]:
    """Every generation of the stack file as Vault has it.

    Raises MissingToolError without a token, Unreadable when Vault does not tell. Whether a key is
    there may be beyond a token's rights: `key` is None then.
    """
    with vault(target) as client:
        generations = target.config.trust.generations
        return tuple(kept(client, target.config, each) for each in generations)


def kept(client: Client, config: StackConfig, generation: Generation) -> Kept:
    """One generation."""
    entry = published(client, config, generation.name)
    if generation.custody == "cluster":
        return Kept(generation.name, entry, key=_kv_key(client, config, generation.name))
    made = issuer(client, config, generation.name)
    return Kept(generation.name, entry, made, _pki_key(client, config, generation.name))


def published(client: Client, config: StackConfig, generation: str) -> x509.Certificate | None:
    """The certificate in KV, which every cluster reads."""
    data = kv_data(client, config, anchor_path(generation))
    return first(str((data or {}).get("certificate", "")))


def issuer(client: Client, config: StackConfig, generation: str) -> x509.Certificate | None:
    """The certificate of the issuer in the PKI engine that is called like the generation."""
    answer = client.request("GET", f"/v1/{config.vault.pki_mount}/issuer/{generation}/json")
    # Vault answers 500 for a name it does not know, and 404 for a mount.
    if answer.status in (NOT_FOUND, 400, 500):
        return None
    return first(str(checked(client, answer, "PKI issuer")["data"]["certificate"]))


def key_id(client: Client, config: StackConfig, generation: str) -> str | None:
    """The key of that issuer; empty where it has none, None where the token may not see it."""
    answer = client.request("GET", f"/v1/{config.vault.pki_mount}/issuer/{generation}")
    if not answer.ok:
        return None
    return str(answer.body["data"].get("key_id") or "")


def _pki_key(client: Client, config: StackConfig, generation: str) -> bool | None:
    found = key_id(client, config, generation)
    if not found:
        return None if found is None else False
    answer = client.request("GET", f"/v1/{config.vault.pki_mount}/key/{found}")
    return True if answer.ok else (None if answer.status == 403 else False)


def _kv_key(client: Client, config: StackConfig, generation: str) -> bool | None:
    path = f"/v1/{config.vault.kv_mount}/data/{anchor_key_path(generation)}"
    answer = client.request("GET", path)
    if answer.status == NOT_FOUND:
        return False
    if not answer.ok:
        return None
    return "tls.key" in (answer.body["data"]["data"] or {})


def kv_data(client: Client, config: StackConfig, path: str) -> dict[str, Any] | None:
    """The entry at a path below the KV mount; None when there is none. Raises Unreadable."""
    answer = client.request("GET", f"/v1/{config.vault.kv_mount}/data/{path}")
    if answer.status == NOT_FOUND:
        return None
    return dict(checked(client, answer, f"{config.vault.kv_mount}/{path}")["data"]["data"] or {})


def import_bundle(client: Client, mount: str, name: str, bundle: str) -> None:
    """Bring a certificate into a PKI engine, with its key or without, and name the issuer.

    Raises BotError where there is no such engine, or it took anything else. Follows
    https://developer.hashicorp.com/vault/api-docs/secret/pki#import-ca-certificates-and-keys
    """
    keyed = "PRIVATE KEY" in bundle
    path = f"{mount}/issuers/import/{'bundle' if keyed else 'cert'}"
    answer = client.request("POST", f"/v1/{path}", {"pem_bundle": bundle})
    if answer.status == NOT_FOUND:
        raise BotError(
            f"{name}: there is no PKI engine at {mount}, and this token could not look for it: it "
            "needs sys/mounts, see docs/runbooks/policies/owner.hcl"
        )
    data = checked(client, answer, path)["data"]
    issuers = [*(data.get("imported_issuers") or ()), *(data.get("existing_issuers") or ())]
    key = (data.get("mapping") or {}).get(str(issuers[0])) if len(issuers) == 1 else None
    if len(issuers) != 1 or bool(key) != keyed:
        raise BotError(f"{name}: {path}: Vault took {len(issuers)} issuers: look at them there")
    # It is new, so that what a POST leaves out is at its default anyway.
    path = f"{mount}/issuer/{issuers[0]}"
    checked(client, client.request("POST", f"/v1/{path}", {"issuer_name": name}), path)
    if key:
        # Else nothing would tell whose key it is, should its issuer go.
        path = f"{mount}/key/{key}"
        body = {"key_name": f"{name}-{IMPORTED}"}
        checked(client, client.request("POST", f"/v1/{path}", body), path)


def checked(client: Client, answer: Answer, what: str) -> dict[str, Any]:
    """The body of an answer; raises Unreadable with what Vault says, which holds no secret."""
    if answer.ok:
        return dict(answer.body or {})
    errors = answer.body.get("errors") if isinstance(answer.body, dict) else None
    said = " ".join("; ".join(map(str, errors or ())).split())[:200]
    state = f"status {answer.status}" if answer.status else "no answer"
    raise Unreadable(f"{client.base}: {what}: {state}{f': {said}' if said else ''}")


def first(pem: str) -> x509.Certificate | None:
    """The first certificate of a PEM text."""
    return next(iter(certificates_in(pem.encode())), None)
