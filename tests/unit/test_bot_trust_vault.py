"""What import and destroy-key do to Vault, and that they can be run again after any failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.clients import vault as vault_client
from bot.clients.target import Target
from bot.deploy import trust_import
from bot.exit_codes import BotError, RefusedError
from bot.mesh.trust import destroy as trust_destroy
from bot.mesh.trust.fleet import Gathered
from bot.mesh.trust.vault import kept
from components.trust import Generation
from tests.unit.bot_trust_samples import DAY, authority
from tests.unit.bot_trust_vault import FakeVault
from tests.unit.test_bot_trust_fleet import config
from tests.unit.test_bot_trust_import import NOW

OWN = authority("own", starts=NOW - DAY)
OTHER = authority("other", starts=NOW - DAY)


class Bench:
    """One imported generation `own` of an owner, its files, and a Vault."""

    def __init__(self, folder: Path, custody: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.vault = FakeVault()
        self.folder = folder
        self.generation = Generation(name="own", source="imported", custody=custody, retired=True)
        file = config("a", signing="a", role="trust")
        generations = (*file.trust.generations, self.generation)
        trust = file.trust.model_copy(update={"generations": generations})
        self.config = file.model_copy(update={"trust": trust})
        self.target = Target("trust", folder, self.config, None, {})
        monkeypatch.setattr(vault_client, "connected", self.client)

    @contextmanager
    def client(self, _target: Target) -> Iterator[FakeVault]:
        yield self.vault

    def put(self, anchor: Any = OWN) -> str:
        files = {"own.crt": anchor.pem, "own.key": anchor.key_pem}
        for name, text in files.items():
            (self.folder / name).write_text(text)
        words = [str(self.folder / name) for name in files]
        return "\n".join(trust_import.run(self.target, "own", *words))

    def destroy(self) -> str:
        found = Gathered({"trust": self.config}, "trust")
        return "\n".join(trust_destroy.run(self.target, "own", found))

    @property
    def key(self) -> bool | None:
        return kept(self.vault, self.config, self.generation).key


@pytest.fixture(params=["vault", "cluster"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, request.param, monkeypatch)


def everything(vault: FakeVault) -> str:
    return f"{vault.issuers} {vault.keys} {vault.entries}"


def test_an_import_can_sign_afterwards_and_a_second_changes_nothing(bench: Bench) -> None:
    """A pipeline that is run again must not fail, and not write."""
    assert not bench.key
    assert "PRIVATE KEY" not in bench.put()
    assert bench.key is True
    before = everything(bench.vault)
    assert "nothing was changed" in bench.put()
    assert everything(bench.vault) == before


def test_an_import_never_replaces_an_anchor(bench: Bench) -> None:
    """Whoever trusts the old one would be cut off."""
    bench.put()
    before = everything(bench.vault)
    with pytest.raises(RefusedError, match="add a generation"):
        bench.put(OTHER)
    assert everything(bench.vault) == before


def test_a_destroyed_key_is_gone_and_its_certificate_is_not(bench: Bench) -> None:
    """The stack file still names the generation: it must be found."""
    bench.put()
    assert "destroyed" in bench.destroy()
    assert bench.key is False
    assert bench.vault.keys == {}
    assert "PRIVATE KEY" not in everything(bench.vault)
    found = kept(bench.vault, bench.config, bench.generation)
    assert OWN.certificate in (found.made, found.published)
    assert "nothing was changed" in bench.destroy()


def test_a_destroyed_anchor_does_not_come_back(bench: Bench) -> None:
    """It was destroyed since nobody was to sign with it again."""
    bench.put()
    bench.destroy()
    with pytest.raises(RefusedError, match="does not come back"):
        bench.put()
    assert "PRIVATE KEY" not in everything(bench.vault)


STEPS = (
    ("vault", "DELETE /v1/linkerd/pki/issuer/"),
    ("vault", "DELETE /v1/linkerd/pki/key/"),
    ("vault", "POST /v1/linkerd/pki/issuers/import/cert"),
    ("vault", "POST /v1/linkerd/pki/issuer/"),
    ("cluster", "POST /v1/linkerd/kv/data/"),
    ("cluster", "PUT /v1/linkerd/kv/destroy/"),
)


@pytest.mark.parametrize(("custody", "step"), STEPS)
def test_a_destruction_that_was_cut_short_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, custody: str, step: str
) -> None:
    """A key that is left over without its issuer would be found by nobody."""
    bench = Bench(tmp_path, custody, monkeypatch)
    bench.put()
    bench.vault.entries.setdefault("anchors/own", [{"certificate": OWN.pem}])
    bench.vault.fails.append(step)
    with pytest.raises(BotError, match="no answer"):
        bench.destroy()
    bench.vault.fails.clear()
    bench.destroy()
    assert bench.key is False
    assert bench.vault.keys == {}
    assert "PRIVATE KEY" not in everything(bench.vault)
    if custody == "vault":
        assert kept(bench.vault, bench.config, bench.generation).made == OWN.certificate


def test_a_mark_is_in_the_keys_place_before_a_version_is_destroyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's PushSecret writes what is not there: for a moment it would be."""
    bench = Bench(tmp_path, "cluster", monkeypatch)
    bench.put()
    bench.vault.requests.clear()
    bench.destroy()
    writes = [each for each in bench.vault.requests if not each.startswith("GET")]
    assert writes == [
        "POST /v1/linkerd/kv/data/anchor-keys/own",
        "PUT /v1/linkerd/kv/destroy/anchor-keys/own",
    ]


def test_only_the_generation_s_own_keys_are_destroyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`own` and `own-2` begin alike."""
    bench = Bench(tmp_path, "vault", monkeypatch)
    bench.put()
    bench.vault.keys.update(
        {
            "x": "own-2-abcdefgh",
            "y": "other-abcdefgh",
            "z": "",
            "old": "own-abcdefgh",
        }
    )
    bench.destroy()
    assert bench.vault.keys == {"x": "own-2-abcdefgh", "y": "other-abcdefgh", "z": ""}


def test_a_certificate_is_one_generation_only(bench: Bench) -> None:
    """Retiring one name would leave the anchor trusted under the other."""
    bench.vault.entries["anchors/a"] = [{"certificate": OWN.pem}]
    with pytest.raises(RefusedError, match="is generation a already"):
        bench.put()
