"""Vault server of a sandbox: TLS, file storage, one unseal key, no dev mode."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from bot.clients.https import Answer, Client
from sandbox import pki
from sandbox.processes import StartError, Supervisor
from sandbox.settings import HOST, Settings

NAME = "vault"
START_SECONDS = 60.0


class VaultError(Exception):
    """Vault refused a request; the text has its reason."""


def start(supervisor: Supervisor, settings: Settings, tools: Mapping[str, Path]) -> None:
    """Start the server (does not wait; `open_up` does)."""
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = {
        "storage": {"file": {"path": str(folder / "data")}},
        "listener": {
            "tcp": {
                "address": f"{settings.vault_host}:{settings.ports.vault}",
                "cluster_address": f"{HOST}:{settings.ports.vault_cluster}",
                "tls_cert_file": str(settings.pki_dir / "vault.crt"),
                "tls_key_file": str(settings.pki_dir / "vault.key"),
            }
        },
        "api_addr": settings.vault_addr,
        # Locking memory needs a privilege that a developer's shell does not have.
        "disable_mlock": True,
        "ui": False,
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config, indent=1))
    supervisor.start(NAME, [str(tools[NAME]), "server", f"-config={path}", "-log-level=warn"])


def open_up(supervisor: Supervisor, settings: Settings) -> None:
    """Initialise Vault (one key share) if it is new and unseal it; raises StartError."""

    def answers() -> bool:
        return _client(settings).request("GET", "/v1/sys/seal-status", seconds=3).ok

    supervisor.wait_ready(NAME, answers, START_SECONDS)
    status = _client(settings).request("GET", "/v1/sys/seal-status").body
    if not status["initialized"]:
        shares = {"secret_shares": 1, "secret_threshold": 1}
        answer = _client(settings).request("PUT", "/v1/sys/init", shares, seconds=30)
        if not answer.ok:
            raise StartError(f"vault was not initialised: {answer.body}")
        # The key first: with it and the token lost, the data would be unreadable.
        pki.write_private(_folder(settings) / "unseal-key", answer.body["keys_base64"][0])
        pki.write_private(_folder(settings) / "root-token", answer.body["root_token"])
    unseal(settings)


def unseal(settings: Settings, seconds: float = 30.0) -> None:
    """Unseal Vault and wait until it serves; raises VaultError. Does nothing when it is open."""
    key = (_folder(settings) / "unseal-key").read_text()
    answer = _client(settings).request("PUT", "/v1/sys/unseal", {"key": key}, seconds=seconds)
    if not answer.ok:
        raise VaultError(f"unseal: {answer.status} {answer.body}")
    deadline = time.monotonic() + seconds
    while not is_open(settings):
        if time.monotonic() > deadline:
            raise VaultError(f"vault does not serve {seconds:.0f} s after it was unsealed")
        time.sleep(0.05)


def seal(settings: Settings) -> None:
    """Seal Vault, as an outage of it would look; raises VaultError."""
    request(settings, "PUT", "/v1/sys/seal")


def is_open(settings: Settings) -> bool:
    """Tell whether Vault is initialised, unsealed and active."""
    return _client(settings).request("GET", "/v1/sys/health", seconds=3).ok


def request(settings: Settings, method: str, path: str, body: object = None) -> object:
    """Send a request with the root token and return the decoded answer; raises VaultError."""
    token = (_folder(settings) / "root-token").read_text()
    answer: Answer = _client(settings, token).request(method, path, body)
    if not answer.ok:
        raise VaultError(f"{method} {path}: {answer.status} {answer.body}")
    return answer.body


def _client(settings: Settings, token: str | None = None) -> Client:
    headers = {"X-Vault-Token": token} if token else {}
    return Client(settings.vault_addr, settings.pki_dir / "vault-ca.crt", headers=headers)


def _folder(settings: Settings) -> Path:
    return settings.state_dir / "vault"
