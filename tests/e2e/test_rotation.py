"""Rotation of issuer and anchor on real servers, while a checker verifies what is in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from components.cluster_anchor import origin
from components.identity_issuer import cluster_issuer_name, key_secret_name
from components.names import CERT_MANAGER, TRUST_ROOTS_CONFIG_MAP
from components.trust_bundle import anchor_secret
from sandbox import controllers, vault
from tests.e2e.checker import Checker, serials
from tests.e2e.trust_mesh import LEAF_SECONDS, SKEW_SECONDS, TrustMesh

pytestmark = pytest.mark.e2e
_BUNDLE = f"/apis/trust.cert-manager.io/v1alpha1/bundles/{TRUST_ROOTS_CONFIG_MAP}"
_ISSUERS = "/apis/cert-manager.io/v1/clusterissuers"
_PUSHES = f"/apis/external-secrets.io/v1alpha1/namespaces/{CERT_MANAGER}/pushsecrets"
_SECRETS = f"/api/v1/namespaces/{CERT_MANAGER}/secrets"
# Rounds per second that a checker must have done: five on an idle machine, one on the busiest.
_RATE = 1
Kill = Callable[[str], bool]


def _sound(checker: Checker, seconds: float) -> None:
    """The checker saw no fault, and was not asleep."""
    print(checker.report())
    assert checker.failures == {}
    assert checker.rounds >= _RATE * seconds
    # No leaf comes and goes between two rounds.
    assert checker.longest < LEAF_SECONDS
    assert checker.checks > 6 * checker.rounds


def _up(mesh: TrustMesh, killed: Callable[[], bool] | None) -> None:
    """Deploy; or have the update killed at a moment, release its lock, and deploy again."""
    before = mesh.serials()
    if killed:
        mesh.up_killed(killed)
        # What the killed update has made stays too, published or not.
        before |= mesh.serials()
    mesh.up()
    assert mesh.serials() == {**mesh.serials(), **before}
    mesh.assert_unchanged()


def _add(mesh: TrustMesh, custody: str, killed: Kill | None = None) -> str:
    name = mesh.add(custody)
    _up(mesh, (lambda: killed(name)) if killed else None)
    # trust-manager sorts them by content: their order says nothing.
    anchors = mesh.anchors()
    wanted = {anchors[mesh.signing].serial_number, anchors[name].serial_number}
    assert set(serials(mesh.roots())) == wanted
    return name


def _switch(mesh: TrustMesh, name: str, killed: Kill | None = None) -> None:
    mesh.signing = name
    _up(mesh, (lambda: killed(name)) if killed else None)
    assert mesh.signer() == name


def _retire(mesh: TrustMesh, name: str, killed: Kill | None = None) -> None:
    mesh.retire(name)
    _up(mesh, (lambda: killed(name)) if killed else None)
    assert serials(mesh.roots()) == [mesh.anchors()[name].serial_number]


def _in_pki(mesh: TrustMesh) -> Kill:
    return lambda name: mesh.in_vault(f"{mesh.copy.target.config.vault.pki_mount}/issuer/{name}")


def _has_issuer(mesh: TrustMesh) -> Kill:
    return lambda name: mesh.exists(f"{_ISSUERS}/{cluster_issuer_name(name)}")


def _has_origin(mesh: TrustMesh) -> Kill:
    return lambda name: mesh.exists(f"{_SECRETS}/{origin(name)}")


def _has_push(mesh: TrustMesh) -> Kill:
    return lambda name: mesh.exists(f"{_PUSHES}/{origin(name)}")


def _has_key(mesh: TrustMesh) -> Kill:
    return lambda name: mesh.exists(f"{_SECRETS}/{key_secret_name(name)}")


def _one_source(mesh: TrustMesh) -> Kill:
    return lambda _name: len(mesh.copy.api.request("GET", _BUNDLE).body["spec"]["sources"]) == 1


def test_issuer_is_renewed_unattended_and_no_leaf_notices(trust_mesh: TrustMesh) -> None:
    """Every day for years, with nobody there: it must work each time, and be no change to us."""
    mesh = trust_mesh
    anchors = mesh.serials()
    started = time.monotonic()
    with mesh.issuers_capped(), mesh.watch() as checker:
        mesh.wait("first look", lambda: bool(checker.issuers))
        mesh.renewed()
        span = mesh.issuer().not_valid_after_utc - mesh.issuer().not_valid_before_utc
        assert span.total_seconds() < 120
        for _ in range(2):
            mesh.next_issuer()
            mesh.assert_unchanged()
        seconds = time.monotonic() - started
    _sound(checker, seconds)
    assert len(set(checker.issuers)) >= 4
    assert mesh.serials() == anchors
    mesh.renewed()


def test_anchor_rotates_in_vault_with_every_update_killed_once(trust_mesh: TrustMesh) -> None:
    """A machine may die in any step; who skips a restart or a wait has the outage, and is seen.

    Beside the mesh that follows the runbook there are two that do not: one switches before its pods
    have restarted, one retires before its leaves have ended. They prove that the checker can fail.
    """
    mesh = trust_mesh
    started = time.monotonic()
    early = Checker(mesh.copy.api, 100 * LEAF_SECONDS, SKEW_SECONDS)
    with mesh.watch() as checker, mesh.watch(simulated=True) as hasty, early:
        name = _add(mesh, "vault", _in_pki(mesh))
        checker.restart()
        early.restart()
        assert hasty.failures == {}
        _switch(mesh, name, _has_issuer(mesh))
        mesh.wait("failure of who has not restarted", lambda: bool(hasty.failures), 60)
        assert any(text.startswith("issuer ") for text in hasty.failures)
        mesh.wait("a refused issuer", lambda: bool(hasty.skipped), 60)
        assert early.failures == {}
        checker.settle()
        _retire(mesh, name, _one_source(mesh))
        assert early.failures == {}
        early.restart("web")
        mesh.wait("failure of who retired too early", lambda: bool(early.failures), 60)
        assert any(text.startswith("leaf of issuer ") for text in early.failures)
        checker.restart()
        time.sleep(1)
        seconds = time.monotonic() - started
    _sound(checker, seconds)
    assert len(set(checker.issuers)) >= 2


def test_anchor_moves_from_vault_to_cluster_custody(trust_mesh: TrustMesh) -> None:
    """Another custody is an ordinary rotation: nothing is re-issued at once, nothing stops.

    Every update is killed once. What the second custody is for comes after it: renewals go on with
    Vault and External Secrets away.
    """
    mesh = trust_mesh
    started = time.monotonic()
    with mesh.watch() as checker:
        name = _add(mesh, "cluster", _has_origin(mesh))
        checker.restart()
        _switch(mesh, name, _has_issuer(mesh))
        checker.settle()
        _retire(mesh, name, _one_source(mesh))
        checker.restart()
        anchors = mesh.serials()
        with _without_vault_and_external_secrets(mesh):
            for _ in range(2):
                mesh.renewed()
                new = mesh.issuer().serial_number
                mesh.wait("a look at it", lambda: checker.issuers[-1] == new, 60)  # noqa: B023
        mesh.refresh(anchor_secret(name))
        time.sleep(1)
        seconds = time.monotonic() - started
    _sound(checker, seconds)
    assert len(set(checker.issuers)) >= 4
    assert mesh.serials() == anchors
    mesh.assert_unchanged()


def test_anchor_rotates_within_cluster_custody_with_every_update_killed_once(
    trust_mesh: TrustMesh,
) -> None:
    """Here a killed update may leave a root that was not pushed, or a key that signs nothing."""
    mesh = trust_mesh
    if mesh.custody != "cluster":
        _rotate(mesh, "cluster")
    old, started = mesh.signing, time.monotonic()
    with mesh.watch() as checker:
        name = _add(mesh, "cluster", _has_push(mesh))
        checker.restart()
        _switch(mesh, name, _has_key(mesh))
        checker.settle()
        assert not mesh.exists(f"{_SECRETS}/{key_secret_name(old)}"), "the old key is left there"
        _retire(mesh, name, _one_source(mesh))
        checker.restart()
        time.sleep(1)
        seconds = time.monotonic() - started
    _sound(checker, seconds)
    assert len(set(checker.issuers)) >= 2


def _rotate(mesh: TrustMesh, custody: str) -> None:
    """A whole rotation at once, of a mesh that nobody watches."""
    name = _add(mesh, custody)
    _switch(mesh, name)
    _retire(mesh, name)


@contextmanager
def _without_vault_and_external_secrets(mesh: TrustMesh) -> Iterator[None]:
    settings = mesh.copy.settings
    controllers.stop(settings, "external-secrets")
    vault.seal(settings)
    try:
        yield
    finally:
        vault.unseal(settings)
        controllers.start(settings, "external-secrets")
