"""The one client of Vault: its namespace, and what is absent and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.clients import vault as vault_client
from bot.clients.https import Answer, Client, Unreadable
from bot.clients.target import Target
from tests.unit import stack_files


def target(folder: Path, vault: dict[str, Any]) -> Target:
    (folder / "ca.pem").write_text(stack_files.certificate(), encoding="utf-8")
    changes: dict[stack_files.KeyPath, Any] = {
        ("vault", key): value for key, value in vault.items()
    }
    return Target("test", folder, stack_files.load(folder, stack_files.spoilt(changes)), None, {})


def test_the_namespace_is_that_of_the_stack_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the shell would send a deployment's questions to somebody else's engines."""
    monkeypatch.setenv("VAULT_TOKEN", "t")
    monkeypatch.setenv("VAULT_NAMESPACE", "elsewhere")
    for given, sent in ({"namespace": "mesh/team"}, "mesh/team"), ({}, None):
        with vault_client.connected(target(tmp_path, given)) as client:
            assert client.headers.get("X-Vault-Namespace") == sent
            assert client.headers["X-Vault-Token"] == "t"
            assert client.follows


@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_vault_does_not_know_is_empty(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The PKI engine answers 500 for the name of an issuer that it has not."""
    monkeypatch.setattr(Client, "request", lambda *_, **__: Answer(status))
    assert vault_client.data(Client("https://v", None), "pki/issuer/a") == {}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(403, {"errors": ["permission denied"]}), "pki/issuer/a: status 403: permission"),
        (Answer(0, reason="Connection refused"), r"pki/issuer/a: no answer \(Connection refused\)"),
    ],
)
def test_what_vault_does_not_tell_is_an_error(
    answer: Answer, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token without the right would make a root look as if it were not there."""
    monkeypatch.setattr(Client, "request", lambda *_, **__: answer)
    with pytest.raises(Unreadable, match=f"^https://v: {said}"):
        vault_client.data(Client("https://v", None), "pki/issuer/a")
