"""The end of a key reaches the Secrets of every cluster, and only those that hold it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.clients import vault as vault_client
from bot.clients.https import Answer, Client
from bot.clients.target import Target
from bot.exit_codes import BotError, RefusedError
from bot.mesh.trust import destroy as trust_destroy
from bot.mesh.trust import key_secrets as trust_key_secrets
from bot.mesh.trust.fleet import Gathered
from components.trust import Generation
from tests.unit.bot_trust_samples import DAY, authority, seen
from tests.unit.bot_trust_vault import FakeVault
from tests.unit.test_bot_trust_fleet import config
from tests.unit.test_bot_trust_import import NOW

OWN, OTHER = authority("own", starts=NOW - DAY), authority("other", starts=NOW - DAY)
KEY, ORIGIN = "linkerd-trust-anchor-own-key", "linkerd-trust-anchor-own-origin"
PLACE = "/namespaces/cert-manager"


@dataclass(frozen=True)
class Cluster(Client):
    """An API server with Secrets of cert-manager and the names of its ExternalSecrets."""

    base: str = "https://cluster.example.com"
    ca_file: Path = Path()
    secrets: dict[str, Any] = field(default_factory=dict)
    external: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)

    def request(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        kind, name = path.split("/")[-2:]
        assert f"{PLACE}/" in path
        if method in self.refuses:
            return Answer(403)
        if kind == "externalsecrets":
            return Answer(200 if name in self.external else 404)
        if name not in self.secrets:
            return Answer(404)
        if method == "DELETE":
            del self.secrets[name]
            return Answer(200)
        return Answer(200, {"data": self.secrets[name]})


def secret(anchor: Any = OWN) -> dict[str, str]:
    texts = {"tls.crt": anchor.pem, "tls.key": anchor.key_pem}
    return {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}


class Fleet:
    """An owner with a cluster of its own, and two others; the key lies in KV."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, source: Any = "generated") -> None:
        self.clusters = {name: Cluster() for name in ("home", "east", "west")}
        self.vault = FakeVault()
        entry = {"tls.crt": OWN.pem, "tls.key": OWN.key_pem}
        self.vault.entries.update(
            {"anchor-keys/own": [entry], "anchors/own": [{"certificate": OWN.pem}]}
        )
        file = config("a", signing="a", role="trust")
        own = Generation(name="own", source=source, custody="cluster", retired=True)
        generations = (*file.trust.generations, own)
        trust = file.trust.model_copy(update={"generations": generations})
        self.config = file.model_copy(update={"trust": trust})

        @contextmanager
        def vault(_: Target) -> Iterator[FakeVault]:
            yield self.vault

        @contextmanager
        def cluster(target: Target) -> Iterator[Cluster]:
            yield self.clusters[target.stack]

        monkeypatch.setattr(vault_client, "connected", vault)
        monkeypatch.setattr(trust_destroy, "target_of", self.target)
        monkeypatch.setattr(trust_key_secrets, "cluster", cluster)

    def target(self, stack: str, _folder: Path | None = None) -> Target:
        return Target(stack, Path(), self.config, None, {})

    def destroy(self) -> str:
        anchors = {"own": OWN.certificate}
        clusters = {name: seen("a", stack=name, anchors=("a",)) for name in self.clusters}
        for each in clusters.values():
            each.anchors.update(anchors)  # type: ignore[attr-defined]
        gathered = Gathered({"home": self.config}, "home", clusters)
        return "\n".join(trust_destroy.run(self.target("home"), "own", gathered))

    @property
    def key_in_vault(self) -> bool:
        return "PRIVATE KEY" in str(self.vault.entries)


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(monkeypatch)


def test_what_is_left_of_the_key_is_deleted_in_every_cluster(fleet: Fleet) -> None:
    """One Secret that a backup brought back is the key of every mesh that trusted it."""
    for name in ("east", "home"):
        fleet.clusters[name].secrets[KEY] = secret()
    fleet.clusters["home"].secrets[ORIGIN] = secret()
    said = fleet.destroy()
    assert all(not each.secrets for each in fleet.clusters.values())
    assert not fleet.key_in_vault
    for line in (f"own: east: Secret cert-manager/{KEY} with the key is deleted",
                 f"own: home: Secret cert-manager/{ORIGIN} with the key is deleted"):  # fmt: skip
        assert line in said.splitlines()
    assert "west" not in said
    assert "PRIVATE KEY" not in said


def test_a_secret_with_another_certificate_stays(fleet: Fleet) -> None:
    """cert-manager has filled the first one again: deleting it would make a root each time."""
    for name, key in (("home", ORIGIN), ("east", KEY)):
        fleet.clusters[name].secrets[key] = secret(OTHER)
    fleet.destroy()
    assert fleet.clusters["home"].secrets[ORIGIN] == secret(OTHER)
    assert fleet.clusters["east"].secrets[KEY] == secret(OTHER)


def test_the_first_secret_is_looked_for_in_the_owners_cluster_alone(fleet: Fleet) -> None:
    """Elsewhere one of that name is not ours."""
    fleet.clusters["west"].secrets[ORIGIN] = secret()
    fleet.destroy()
    assert ORIGIN in fleet.clusters["west"].secrets


def test_nothing_is_destroyed_while_a_cluster_still_brings_the_key(fleet: Fleet) -> None:
    """It would be without its signer from one moment to the next."""
    fleet.clusters["east"].secrets[KEY] = secret()
    fleet.clusters["east"].external.add(KEY)
    with pytest.raises(RefusedError, match=r"own: east: ExternalSecret .* deploy the stack first"):
        fleet.destroy()
    assert fleet.key_in_vault
    assert KEY in fleet.clusters["east"].secrets


def test_a_cluster_that_does_not_tell_stops_it_before_anything_changes(fleet: Fleet) -> None:
    """Half destroyed is neither kept nor gone."""
    fleet.clusters["west"].refuses.add("GET")
    with pytest.raises(BotError, match=r"west: ExternalSecret .* status 403"):
        fleet.destroy()
    assert fleet.key_in_vault


def test_a_secret_that_cannot_be_deleted_is_an_error_and_a_second_run_ends_it(fleet: Fleet) -> None:
    """The key is in Vault no more by then, and yet not gone."""
    fleet.clusters["east"].secrets[KEY] = secret()
    fleet.clusters["east"].refuses.add("DELETE")
    with pytest.raises(BotError, match="with the key is still there: status 403"):
        fleet.destroy()
    fleet.clusters["east"].refuses.clear()
    assert "destroyed already" in fleet.destroy()
    assert fleet.clusters["east"].secrets == {}


def test_an_imported_key_has_no_first_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """cert-manager did not make it."""
    fleet = Fleet(monkeypatch, "imported")
    fleet.clusters["home"].secrets.update({ORIGIN: secret(), KEY: secret()})
    fleet.destroy()
    assert list(fleet.clusters["home"].secrets) == [ORIGIN]
