"""What all tiers share: nothing of whoever runs the tests leaks into them."""

from __future__ import annotations

import pytest

from bot.text import log_file

_OF_THE_CALLER = ("PULUMI_CONFIG", "PULUMI_STACK", "VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_TOKEN")


@pytest.fixture(autouse=True)
def _no_settings_of_the_caller(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A test that passes only with somebody's Vault or stack selected proves nothing."""
    monkeypatch.setattr(log_file, "PROJECT_DIR", tmp_path_factory.getbasetemp())
    for name in _OF_THE_CALLER:
        monkeypatch.delenv(name, raising=False)
