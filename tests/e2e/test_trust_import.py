"""The first anchor of a fleet is imported before anything is deployed, and no update fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from sandbox import vault
from stack import fleet
from tests.e2e.project import Copy
from tests.programs import ran
from tests.unit.bot_trust_samples import DAY, authority
from tests.unit.test_bot_trust_import import NOW

pytestmark = pytest.mark.e2e
_NAME = "corporate-2026"


def _owner(copy: Copy, custody: str) -> Mapping[str, str]:
    """The stack `trust` on the sandbox's Vault; the environment of who deploys it."""
    file = copy.folder / "Pulumi.trust.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["config"] |= {
        "linkerd-platform:vault": {
            "address": copy.settings.vault_addr,
            "caFile": ".sandbox/pki/vault-ca.crt",
        },
        "linkerd-platform:trust": {
            "generations": [
                {"name": _NAME, "custody": custody, "source": "imported", "lifetime": "365d"}
            ],
            "signing": _NAME,
        },
    }
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    # The clusters of this fleet trust another anchor.
    (copy.folder / fleet.FILE).unlink()
    return {**copy.environment(), **copy.target.environment}


def _run(copy: Copy, environment: Mapping[str, str], *words: str) -> str:
    done = ran(
        words, cwd=copy.folder, env=dict(environment),
        timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.parametrize("custody", ["vault", "cluster"])
def test_an_imported_anchor_can_be_the_first(empty: Copy, custody: str) -> None:
    """Import, up, nothing left to do; and it is that very certificate which is published."""
    environment = _owner(empty, custody)
    own = authority("corporate", starts=NOW - DAY)
    for name, text in (("own.crt", own.pem), ("own.key", own.key_pem)):
        (empty.folder / name).write_text(text)
    bot = (sys.executable, "-m", "bot")
    _run(empty, environment, "pulumi", "stack", "init", "organization/linkerd-platform/trust")
    said = _run(
        empty, environment, *bot, "trust", "import", "--stack", "trust", "--generation", _NAME,
        "--certificate", "own.crt", "--key", "own.key",
    )  # fmt: skip
    assert "as resources of the stack trust" in said
    assert "PRIVATE KEY" not in said
    _run(empty, environment, *bot, "up", "--stack", "trust", "--yes")
    _run(empty, environment, *bot, "preview", "--stack", "trust", "--expect-no-changes")
    answer: Any = vault.request(empty.settings, "GET", f"/v1/linkerd/kv/data/anchors/{_NAME}")
    published = answer["data"]["data"]["certificate"]
    assert published.strip() == own.pem.strip()
    outputs = _run(empty, environment, "pulumi", "stack", "output", "--stack", "trust", "--json")
    assert f'"{_NAME}"' in outputs
    state = _run(empty, environment, "pulumi", "stack", "export", "--stack", "trust")
    assert "PRIVATE KEY" not in state
    assert os.linesep.join(own.key_pem.splitlines()[1:2]) not in state
