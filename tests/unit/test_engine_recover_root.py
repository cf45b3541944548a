"""A root that a killed run had made must be taken over, and only that one."""

from __future__ import annotations

from typing import Any

import pytest

from bot.clients.https import Answer
from bot.engine import recover as engine_recover
from bot.engine import recover_root as engine_recover_root
from bot.plan.mock.values import throwaway_certificate

_PEM = throwaway_certificate()
_URN = "urn:pulumi:s::p::vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert::root"
_PENDING: dict[str, Any] = {
    "urn": _URN,
    "type": engine_recover_root.ROOT,
    "inputs": {"backend": "pki", "issuerName": "g2", "keyName": "g2-abcd1234", "__defaults": []},
}


class _Vault:
    """Vault's answers by path."""

    def __init__(self, key_name: str | None) -> None:
        self.answers: dict[str, dict[str, str]] = {}
        if key_name:
            issuer = {"issuer_id": "i-1", "key_id": "k-1", "certificate": f"{_PEM}\n"}
            self.answers = {"/v1/pki/issuer/g2": issuer, "/v1/pki/key/k-1": {"key_name": key_name}}

    def request(self, _method: str, path: str) -> Answer:
        found = self.answers.get(path)
        return Answer(200, {"data": found}) if found else Answer(404, {})


def test_root_is_entered_with_what_vault_says_of_it() -> None:
    """Without id and certificate the engine would make another root, or publish nothing."""
    made = engine_recover_root.looked_up(_Vault("g2-abcd1234"), _PENDING)  # type: ignore[arg-type]
    assert made is not None
    assert made["id"] == "pki/issuer/i-1"
    assert made["outputs"]["certificate"] == _PEM.strip()
    assert made["outputs"]["keyId"] == "k-1"
    assert "__defaults" not in made["outputs"]
    pairs = made["outputs"]["serialNumber"].split(":")
    assert {len(pair) for pair in pairs} == {2}


@pytest.mark.parametrize("key_name", [None, "g2-ffff0000", "g2"])
def test_root_of_somebody_else_is_left_alone(key_name: str | None) -> None:
    """One of the same name, with a key that this run did not name, is not ours to take."""
    assert engine_recover_root.looked_up(_Vault(key_name), _PENDING) is None  # type: ignore[arg-type]


def test_found_root_is_entered_in_the_state() -> None:
    """What was looked up goes in as it is; a pending root that Vault has not is made anew."""
    deployment = {"pending_operations": [{"type": "creating", "resource": _PENDING}]}
    whole = {**_PENDING, "id": "pki/issuer/i-1", "outputs": {"certificate": _PEM}}
    mended, adopted = engine_recover.entered(deployment, {_URN: whole})
    assert (mended["resources"], adopted) == ([whole], [_URN])
    mended, adopted = engine_recover.entered(deployment, {})
    assert (mended["resources"], adopted) == ([], [])
    assert mended["pending_operations"] == []
