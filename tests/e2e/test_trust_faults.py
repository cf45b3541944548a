"""What breaks during a renewal, and that it mends itself; and that no key was left anywhere."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import pytest

from bot.mesh.status.verification_vault import base64_forms, leaks
from sandbox import controllers, vault
from tests.e2e import written
from tests.e2e.trust_mesh import TrustMesh

pytestmark = pytest.mark.e2e
# Long enough for the controllers to try and to fail.
_OUTAGE_SECONDS = 4.0
_KEY = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIPlanted"


def _custody(mesh: TrustMesh, custody: str) -> None:
    """Have a generation of this custody sign, by the three updates of a rotation."""
    if mesh.custody == custody:
        return
    name = mesh.add(custody)
    mesh.up()
    mesh.signing = name
    mesh.up()
    mesh.retire(name)
    mesh.up()


def _renews_after(mesh: TrustMesh, broken: Callable[[], None], mended: Callable[[], None]) -> None:
    """A renewal that begins while something is away is made when it is back, by nobody's hand."""
    anchors, issuer = mesh.serials(), mesh.issuer().serial_number
    with mesh.watch() as checker:
        broken()
        try:
            mesh.renew()
            time.sleep(_OUTAGE_SECONDS)
            assert mesh.issuer().serial_number == issuer, "it was renewed all the same"
        finally:
            mended()
        mesh.wait("renewal", lambda: mesh.issuer().serial_number != issuer)
        time.sleep(1)
    assert checker.failures == {}
    assert len(checker.issuers) >= 2
    assert mesh.serials() == anchors
    mesh.assert_unchanged()


def test_renewal_waits_for_a_sealed_vault(trust_mesh: TrustMesh) -> None:
    """Vault seals itself with every restart: an hour of that must not cost the mesh anything."""
    mesh = trust_mesh
    _custody(mesh, "vault")
    settings = mesh.copy.settings
    _renews_after(mesh, lambda: vault.seal(settings), lambda: vault.unseal(settings))


def test_renewal_waits_for_cert_manager(trust_mesh: TrustMesh) -> None:
    """An upgrade of cert-manager in the hour of a renewal: it must be picked up afterwards."""
    mesh, settings = trust_mesh, trust_mesh.copy.settings
    _renews_after(
        mesh,
        lambda: controllers.stop(settings, "cert-manager"),
        lambda: controllers.start(settings, "cert-manager"),
    )


def test_add_completes_when_external_secrets_comes_back(trust_mesh: TrustMesh) -> None:
    """An update that waits for an operator must go on with it, not fail or make another root."""
    mesh = trust_mesh
    settings, anchors = mesh.copy.settings, mesh.serials()
    controllers.stop(settings, "external-secrets")
    name = mesh.add("vault")
    mesh.write()
    process = mesh.copy.start("bot", "up", "--stack", "sandbox", "--yes")
    try:
        mesh.wait("root", lambda: name in mesh.serials())
        made = mesh.serials()
        time.sleep(_OUTAGE_SECONDS)
        assert process.poll() is None, mesh.copy.output()
    finally:
        controllers.start(settings, "external-secrets")
    assert process.wait(600) == 0, mesh.copy.output()
    assert mesh.serials() == {**anchors, **made}
    assert mesh.anchors()[name] in mesh.roots()
    mesh.assert_unchanged()


def test_no_key_and_no_token_is_left_in_anything_written(trust_mesh: TrustMesh) -> None:
    """After both custodies: state, its history, what was printed, and plans of both modes.

    What other modules do to a mesh of theirs is searched when they have ended.
    """
    mesh = trust_mesh
    for custody in ("vault", "cluster"):
        _custody(mesh, custody)
    before = list(mesh.generations), mesh.signing
    for custody in ("vault", "cluster"):
        mesh.signing = mesh.add(custody)
        mesh.write()
        mesh.run("bot", "plan", "--stack", "sandbox", "--out", f"plan-{custody}")
        mesh.run("bot", "plan", "--stack", "sandbox", "--json")
        mesh.run("bot", "preview", "--stack", "sandbox")
    mesh.generations, mesh.signing = before
    mesh.write()
    files = written.files(mesh, "plan-vault", "plan-cluster")
    state = {name: content for name, content in files.items() if "state" in name}
    assert len(state) > 20
    assert len(files) > len(state) + 10
    # A deployment, three updates, and six looks at least.
    assert len(mesh.said) >= 10
    assert leaks({**files, **mesh.said}, written.secrets(mesh)) == []


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_scan_finds_a_planted_key_in_every_form(offset: int) -> None:
    """A scan that finds nothing proves nothing, unless it can find."""
    padded = b"x" * offset + _KEY
    assert leaks({"state": padded}, []) == ["private key in state"]
    assert leaks({"state": base64.b64encode(padded)}, []) == ["private key in state"]
    assert leaks({"log": b"token hvs.abc"}, ["hvs."]) == ["token in log"]
    assert len(base64_forms(b"PRIVATE KEY-----")) == 3
