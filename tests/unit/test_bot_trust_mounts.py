"""The first anchor of a fleet can be imported before anything was deployed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot import engine
from bot.clients import vault as vault_client
from bot.clients.target import Target
from bot.deploy import trust_import, trust_mounts
from bot.deploy.gate import Requirement
from bot.engine import report as engine_report
from bot.engine import target as engine_target
from bot.exit_codes import BadInputError, BotError, RefusedError
from components.trust import Generation
from tests.unit.bot_trust_samples import DAY, authority
from tests.unit.bot_trust_vault import FakeVault
from tests.unit.custody import variant
from tests.unit.test_bot_trust_fleet import config
from tests.unit.test_bot_trust_import import NOW

OWN = authority("own", starts=NOW - DAY)
KV, PKI = "linkerd/kv", "linkerd/pki"
KV_NAME, PKI_NAME = "trust-anchor-kv", "trust-anchor-pki"


def target(custody: Any = "vault", **vault: Any) -> Target:
    """An owner whose one generation is imported."""
    file = config("own", signing="own", role="trust")
    own = Generation(name="own", source="imported", custody=custody)
    trust = file.trust.model_copy(update={"generations": (own,)})
    changed = file.vault.model_copy(update=vault)
    made = file.model_copy(update={"trust": trust, "vault": changed})
    return Target("trust", Path(), made, None, {})


class Engine:
    """Makes in the Vault the mounts that it is told to; records how it was run."""

    def __init__(
        self, vault: FakeVault, monkeypatch: pytest.MonkeyPatch, ok: bool = True, **rule: Any
    ) -> None:
        self.vault, self.ok, self.targets = vault, ok, []
        monkeypatch.setattr(engine, "find", lambda: None)
        monkeypatch.setattr(engine, "run", self.run)
        monkeypatch.setattr(engine_target, "of", lambda *_: "whole target")
        monkeypatch.setattr(
            trust_mounts.gate, "requirement_of", lambda stack, _folder: Requirement(stack, **rule)
        )
        monkeypatch.setattr(engine_report, "failure", lambda _: ["no stack 'trust'"])

    targets: list[list[str]]

    def run(self, _engine: Any, whole: Any, operation: str, *, target: list[str]) -> Any:
        assert (whole, operation) == ("whole target", "up")
        self.targets.append(target)
        for name, mount in ((KV_NAME, KV), (PKI_NAME, PKI)):
            if self.ok and any(flag.endswith(f"::{name}") for flag in target):
                self.vault.mounts.add(mount)
        return SimpleNamespace(ok=self.ok)


def imported(vault: FakeVault, owner: Target, folder: Path, patch: pytest.MonkeyPatch) -> str:
    @contextmanager
    def client(_target: Target) -> Iterator[FakeVault]:
        yield vault

    patch.setattr(vault_client, "connected", client)
    files = {"own.crt": OWN.pem, "own.key": OWN.key_pem}
    for name, text in files.items():
        (folder / name).write_text(text)
    return "\n".join(trust_import.run(owner, "own", *(str(folder / name) for name in files)))


@pytest.mark.parametrize(
    ("custody", "made"),
    [("vault", "created linkerd/kv and linkerd/pki"), ("cluster", "created linkerd/kv")],
)
def test_an_import_into_an_empty_vault_has_the_mounts_made(
    custody: str, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first deployment would have to fail once, in the worst hour to learn why."""
    vault = FakeVault(mounts=set())
    runs = Engine(vault, monkeypatch)
    said = imported(vault, target(custody), tmp_path, monkeypatch)
    assert said.startswith(f"{made}, as resources of the stack trust\n")
    assert len(runs.targets) == 1
    assert "PRIVATE KEY" not in said
    assert vault.issuers or vault.entries
    assert not any(PKI_NAME in flag for flag in runs.targets[0]) or custody == "vault"
    before = len(runs.targets)
    assert "nothing was changed" in imported(vault, target(custody), tmp_path, monkeypatch)
    assert len(runs.targets) == before


def test_only_what_is_absent_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A KV engine that is there may hold the anchors of years."""
    vault = FakeVault(mounts={KV})
    runs = Engine(vault, monkeypatch)
    owner = target()
    assert trust_mounts.ensure(vault, owner, owner.config.trust.generations[0]) == [
        "created linkerd/pki, as resources of the stack trust"
    ]
    assert [flag.rpartition("::")[2] for flag in runs.targets[0]] == ["trust-anchor", PKI_NAME]


def test_every_flag_is_a_target_so_that_nothing_else_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One flag that is none, and the whole stack would be deployed by an import."""
    vault = FakeVault(mounts=set())
    runs = Engine(vault, monkeypatch)
    owner = target()
    trust_mounts.ensure(vault, owner, owner.config.trust.generations[0])
    assert len(runs.targets[0]) == 3
    assert all(urn.startswith("urn:pulumi:trust::") for urn in runs.targets[0])


@pytest.mark.parametrize("role", ["owner", "standalone"])
def test_the_targets_are_resources_of_the_program(role: str) -> None:
    """The engine says nothing of a target that no resource has, and makes nothing."""
    program = variant(role, "imported-vault")
    urns = {resource.urn for resource in program.resources}
    wanted = trust_mounts.targets(f"{role}-imported-vault", KV_NAME, PKI_NAME)
    assert set(wanted) <= urns


def test_vault_is_asked_for_the_anchor_after_what_such_an_update_leaves_out() -> None:
    """An update of the mounts alone must not ask for an issuer that is not imported yet."""
    program = variant("owner", "imported-vault")
    entry = program.named("trust-anchor-a-certificate")
    assert program.comes_after(entry, program.named("trust-anchor-a-sign"))


def test_a_kv_mount_that_is_somebody_elses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack file says that it is there."""
    vault = FakeVault(mounts=set())
    runs = Engine(vault, monkeypatch)
    owner = target(create_kv_mount=False)
    with pytest.raises(BadInputError, match=r"Pulumi\.trust\.yaml: vault\.createKvMount"):
        trust_mounts.ensure(vault, owner, owner.config.trust.generations[0])
    assert runs.targets == []


def test_an_engine_that_fails_is_told_and_nothing_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in a Vault that the stack does not know would be found by nobody."""
    vault = FakeVault(mounts=set())
    Engine(vault, monkeypatch, ok=False)
    with pytest.raises(BotError, match="no stack 'trust'"):
        imported(vault, target(), tmp_path, monkeypatch)
    assert not vault.issuers
    assert not vault.entries


def test_mounts_of_an_owner_that_needs_an_approval_are_not_made_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an update of the owner stack, whoever asks for it."""
    vault = FakeVault(mounts=set())
    runs = Engine(vault, monkeypatch, approval=True)
    with pytest.raises(RefusedError, match=r"takes only a commit|needs an approval"):
        imported(vault, target(), tmp_path, monkeypatch)
    assert runs.targets == []


def test_a_token_that_may_not_look_is_no_reason_to_deploy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rights on the two engines alone an import worked, and works still."""
    vault = FakeVault(fails=["GET /v1/sys/mounts"])
    runs = Engine(vault, monkeypatch)
    assert "imported into linkerd/pki" in imported(vault, target(), tmp_path, monkeypatch)
    assert runs.targets == []
    blind = replace(vault, mounts=set(), issuers={}, keys={})
    with pytest.raises(BotError, match="it needs sys/mounts"):
        imported(blind, target(), tmp_path, monkeypatch)
