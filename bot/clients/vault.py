"""The one client of Vault: how it is reached, and what its engines PKI and KV have.

https://developer.hashicorp.com/vault/api-docs
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509

from bot.clients.https import Answer, Client, Unreadable, trusts_anybody
from bot.clients.proxies import proxy_for
from bot.clients.target import Target
from bot.exit_codes import BadInputError, BotError, MissingToolError
from components.names import anchor_path
from components.vault import VaultSection
from schema.certificates import certificates_in
from stack.config import StackConfig

DESTROYED = "destroyed"
NOT_FOUND = 404
ABSENT = (NOT_FOUND, 400, 500)
# As long as the suffix that a generated key has in its name.
IMPORTED = "imported"
_NAMESPACE = "X-Vault-Namespace"


@contextmanager
def connected(target: Target) -> Iterator[Client]:
    """A client of the stack's Vault with the token of `VAULT_TOKEN`; raises MissingToolError.

    The sandbox has a token of its own, see `bot.engine.target.embedded_token`.
    """
    config = target.config.vault
    token = target.full_environment().get("VAULT_TOKEN", "")
    if not token:
        raise MissingToolError(
            f"stack {target.stack}: VAULT_TOKEN is not set: log in to {config.address} "
            "(vault login, vault token create) and export it"
        )
    headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
    if config.namespace:
        headers[_NAMESPACE] = config.namespace
    with _vault(target, headers) as client:
        yield client


def at_login(client: Client, config: VaultSection) -> Client:
    """The same client in the namespace in which clusters log in, where roles and policies are."""
    headers = {k: v for k, v in client.headers.items() if k != _NAMESPACE}
    if config.login_namespace:
        headers[_NAMESPACE] = config.login_namespace
    return replace(client, headers=headers)


@contextmanager
def unauthenticated(target: Target) -> Iterator[Client]:
    """A client of the stack's Vault without a token, for what it tells everybody.

    Without a namespace, too: whether it is sealed is asked of the whole server alone.
    """
    with _vault(target, {}) as client:
        yield client


@contextmanager
def _vault(target: Target, headers: dict[str, str]) -> Iterator[Client]:
    config = target.config.vault
    environment = target.full_environment()
    with TemporaryDirectory(prefix="linkerd-platform-") as scratch:
        # What the stack file does not say, the variables do, as for the engine's provider.
        named = config.ca_file or environment.get("VAULT_CACERT")
        authority = target.project_dir / named if named else None
        if pem := config.ca_pem or (not named and environment.get("VAULT_CACERT_BYTES")):
            authority = Path(scratch) / "ca.pem"
            authority.write_text(pem, encoding="utf-8")
        if authority is None and not trusts_anybody():
            raise MissingToolError(
                f"stack {target.stack}: no CA certificates on this machine: set vault.caFile"
            )
        yield Client(
            config.address,
            authority,
            _client_pair(target.project_dir, environment),
            headers=headers,
            proxy=proxy_for(config.address, environment),
            # A standby that does not forward says who is active.
            follows=True,
        )


def _client_pair(folder: Path, environment: Mapping[str, str]) -> tuple[Path, Path] | None:
    """Certificate and key for a Vault, or what is before it, that wants them of who calls."""
    certificate, key = (environment.get(f"VAULT_CLIENT_{each}") for each in ("CERT", "KEY"))
    if certificate and key:
        return folder / certificate, folder / key
    if certificate or key:
        raise BadInputError("VAULT_CLIENT_CERT and VAULT_CLIENT_KEY: set both, or none")
    return None


def data(client: Client, path: str) -> dict[str, Any]:
    """What Vault has at a path; empty where there is nothing. Raises Unreadable.

    The PKI engine answers 500 for a name that it does not know, and 404 for a mount.
    """
    answer = client.request("GET", f"/v1/{path}")
    if answer.status in ABSENT:
        return {}
    return dict(checked(client, answer, path)["data"] or {})


def published(client: Client, config: StackConfig, generation: str) -> x509.Certificate | None:
    """The certificate in KV, which every cluster reads."""
    data = kv_data(client, config, anchor_path(generation))
    return first(str((data or {}).get("certificate", "")))


def issuer(client: Client, config: StackConfig, generation: str) -> x509.Certificate | None:
    """The certificate of the issuer in the PKI engine that is called like the generation."""
    found = data(client, f"{config.vault.pki_mount}/issuer/{generation}/json")
    return first(str(found["certificate"])) if found else None


def key_id(client: Client, config: StackConfig, generation: str) -> str | None:
    """The key of that issuer; empty where it has none, None where the token may not see it."""
    answer = client.request("GET", f"/v1/{config.vault.pki_mount}/issuer/{generation}")
    if not answer.ok:
        return None
    return str(answer.body["data"].get("key_id") or "")


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
    state = answer.why
    raise Unreadable(f"{client.base}: {what}: {state}{f': {said}' if said else ''}")


def first(pem: str) -> x509.Certificate | None:
    """The first certificate of a PEM text."""
    return next(iter(certificates_in(pem.encode())), None)
