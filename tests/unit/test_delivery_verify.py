"""The proof after an update: waits for what settles, and is not satisfied by nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bot.clients import vault as vault_client
from bot.clients.https import Answer, Client, Unreadable
from bot.deploy import verify
from bot.exit_codes import BotError, MissingToolError
from bot.mesh.status import cluster, evidence
from bot.mesh.status.evidence import Evidence, Verification
from bot.mesh.status.verification import judge
from schema.certificates import certificates_in
from tests.unit import fake_engine
from tests.unit.made_mesh import config as sandbox_config
from tests.unit.made_mesh import good

_GOOD, _BAD = Verification("a", "x", "x", True), Verification("b", "y", "z", False)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_POLL_SECONDS", 0.01)


def test_what_settles_in_time_is_proven() -> None:
    """Controllers distribute a bundle after the engine is through."""
    looks = iter([Unreadable("not yet"), [_GOOD, _BAD], [_GOOD]])
    shown: list[str] = []

    def look() -> list[Verification]:
        found = next(looks)
        if isinstance(found, BotError):
            raise found
        return found

    assert verify.settled(look, shown.append, 5) == [_GOOD]
    assert shown == ["not verified yet: not yet", "not passed yet: b: z"]


def test_what_does_not_settle_is_not_proven() -> None:
    """The last look counts, and a server that does not answer is not a good one."""
    proofs = verify.settled(lambda: [_GOOD, _BAD], print, 0.05)
    assert proofs == [_GOOD, _BAD]
    assert not verify.healthy(proofs)
    assert verify.settled(list, print, 0) == []

    def unreadable() -> list[Verification]:
        raise Unreadable("no answer")

    with pytest.raises(Unreadable):
        verify.settled(unreadable, print, 0.05)


def test_nothing_proves_nothing() -> None:
    """An empty table has no failed row."""
    assert verify.healthy([_GOOD])
    assert not verify.healthy([])
    assert "no check could be made" in verify.lines([], "s")[-1]


def test_first_failure_is_named_after_the_table() -> None:
    """Thirty rows scroll away; the last line says where to look."""
    told = verify.lines([_GOOD, _BAD, Verification("c", "", "", False)], "staging")
    assert told[-1] == "failed: stack staging is not healthy: b: expected y, seen z"
    assert "1 of 3 checks passed" in told[-2]


class _Api:
    """An API server that has the objects of a mesh, and of others, and notes what was asked."""

    base = "https://api"

    def __init__(self, seen: Evidence) -> None:
        self.asked: list[str] = []
        self.objects: dict[str, dict[str, Any]] = {}
        for kind, group in (("secrets", seen.secrets), ("configmaps", seen.config_maps)):
            for name, body in group.items():
                place, _, short = name.partition("/")
                self.objects[f"/api/v1/namespaces/{place}/{kind}/{short}"] = body
        lists: dict[str, list[Any]] = {
            "/api/v1/nodes": list(seen.nodes),
            "/api/v1/namespaces/linkerd/pods": list(seen.pods),
            "/apis/cert-manager.io/v1/namespaces/linkerd/certificates": list(seen.certificates),
            "/apis/apiregistration.k8s.io/v1/apiservices": list(seen.api_services),
            cluster.LISTS["mutating webhooks"]: list(seen.webhooks),
            cluster.LISTS["validating webhooks"]: [],
        }
        for each in seen.deployments:
            place = each["metadata"]["namespace"]
            lists.setdefault(f"/apis/apps/v1/namespaces/{place}/deployments", []).append(each)
        self.objects |= {path: {"items": items} for path, items in lists.items()}

    def request(self, _method: str, path: str, **_options: object) -> Answer:
        self.asked.append(path)
        place, _, query = path.partition("?")
        always = "limit=" in query and (place.startswith("/api/") or "." not in place.split("/")[2])
        found = self.objects.get(place, {"items": []} if always else None)
        return Answer(200, found) if found else Answer(404)


def test_real_cluster_is_read_by_name_and_namespace() -> None:
    """Other teams' Secrets are not read, and their broken Deployments are no fault of ours."""
    seen = good()
    api = _Api(seen)
    broken = {"metadata": {"namespace": "shop", "name": "web", "generation": 2}, "spec": {}}
    api.objects["/apis/apps/v1/namespaces/shop/deployments"] = {"items": [broken]}
    objects = evidence.cluster_objects(api, sandbox_config())  # type: ignore[arg-type]
    assert not any(path.partition("?")[0].endswith("/secrets") for path in api.asked)
    assert not any("/shop/" in path for path in api.asked)
    read = Evidence(
        **objects,
        anchors=seen.anchors,
        attempts=seen.attempts,
        files=seen.files,
        tokens=seen.tokens,
    )
    assert [proof for proof in judge(read, sandbox_config()) if not proof.ok] == []


def test_server_that_fails_is_no_empty_cluster() -> None:
    """Everything would be missing, or, of webhooks, nothing be wrong."""

    class Broken(_Api):
        def request(self, _method: str, path: str, **_options: object) -> Answer:
            return Answer(500) if "nodes" in path else super().request(_method, path)

    with pytest.raises(Unreadable, match="500"):
        evidence.cluster_objects(Broken(good()), sandbox_config())  # type: ignore[arg-type]


@contextmanager
def _vault(_target: object) -> Iterator[Client | None]:
    yield None


def test_owner_without_a_cluster_is_proven_by_its_anchor(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stack `trust` has no mesh: that its anchor is there and kept is its health."""
    where = fake_engine.target(tmp_path)
    found = fake_engine.engine(tmp_path, "print('{}')")
    monkeypatch.setattr(vault_client, "connected", _vault)
    monkeypatch.setattr(evidence, "attempts", lambda *_: good().attempts)
    certificate = certificates_in(good().anchors["sandbox-1"].encode())[0]
    monkeypatch.setattr(vault_client, "published", lambda *_: certificate)
    assert [proof for proof in verify.prove(found, where) if not proof.ok] == []
    monkeypatch.setattr(vault_client, "published", lambda *_: None)
    assert "anchors in Vault" in [p.what for p in verify.prove(found, where) if not p.ok]


def test_update_that_could_not_be_verified_is_refused_before(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Afterwards it would be too late to say that there is no token."""
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"VAULT_TOKEN .*or give --no-verify"):
        verify.refuse_unable(fake_engine.target(tmp_path))


def test_cluster_that_shares_an_anchor_does_not_try_its_custody() -> None:
    """Its deployer has no right to: a refusal would prove nothing."""
    tried = "Vault keeps the root key"
    seen, config = good(), sandbox_config()
    assert tried in [proof.what for proof in judge(seen, config)]
    shares = config.model_copy(update={"role": "cluster"})
    proofs = judge(seen, shares)
    assert tried not in [proof.what for proof in proofs]
    assert all(proof.ok for proof in proofs)
