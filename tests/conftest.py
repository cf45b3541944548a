"""What all tiers share: nothing of whoever runs the tests leaks into them."""

from __future__ import annotations

import pytest

_OF_THE_CALLER = ("PULUMI_CONFIG", "PULUMI_STACK", "VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_TOKEN")


@pytest.fixture(autouse=True)
def _no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that passes only with somebody's Vault or stack selected proves nothing."""
    for name in _OF_THE_CALLER:
        monkeypatch.delenv(name, raising=False)
