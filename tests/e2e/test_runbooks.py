"""Each runbook is run: a procedure that nobody has followed is wrong on the night it is needed."""

from __future__ import annotations

import shlex
import shutil
import time

import pytest

from bot.mesh.status.verification_trust import signed_by
from sandbox import controllers, toolchain, vault
from sandbox.processes import Supervisor
from tests.e2e import runbook
from tests.e2e.runbook import FOLDER, Runbook, blocks, without_kubelet
from tests.e2e.trust_mesh import TrustMesh

pytestmark = pytest.mark.e2e
PAGES = (
    "rotate-the-anchor.md",
    "lost-vault.md",
    "expired-issuer.md",
    "expired-anchor.md",
    "add-a-cluster.md",
    "cluster-was-off.md",
)
_COMMANDS = {"python", "kubectl", "vault", "pulumi", "make", "sed", "sh", "sleep", "true"}
_SHORT_SECONDS, _ANCHOR_SECONDS = 12, 60
# An anchor that is to end must not end before the updates that bring it in are through.
_UPDATES = 4


def _book(mesh: TrustMesh, page: str, old: str = "", new: str = "", **extra: str) -> Runbook:
    names = {"anchor-2026": old, "anchor-2030": new} if old else {}
    without_kubelet(mesh)
    return Runbook(mesh, page, names, extra)


def _next(mesh: TrustMesh) -> str:
    return f"anchor-{len(mesh.generations) + 1}"


@pytest.mark.parametrize("page", PAGES)
def test_runbook_names_only_commands_that_an_operator_has(page: str) -> None:
    """A helper of ours in a runbook is one more thing that is missing at night."""
    scripts = [block.text for block in blocks(page) if block.language == "sh"]
    assert scripts
    for line in "".join(scripts).splitlines():
        for part in line.replace("||", "|").split("|"):
            assert shlex.split(part)[0] in _COMMANDS, line
    assert len((FOLDER / page).read_text().splitlines()) < 160


def test_rotate_the_anchor(trust_mesh: TrustMesh) -> None:
    """As it is written, with a mesh that restarts when the page says so: no leaf is refused."""
    mesh, old, new = trust_mesh, trust_mesh.signing, _next(trust_mesh)
    book = _book(mesh, "rotate-the-anchor.md", old, new)
    anchors = mesh.serials()
    with mesh.watch() as checker:
        book.run("Rotate the anchor")
        said = book.run("Add")
        assert "rollout restart deployment/linkerd-proxy-injector" in said
        assert "UNSAFE" not in said
        checker.restart()
        step = ("--stack", "sandbox", "--step", "retire")
        code, refused = mesh.try_run("bot", "trust", "check", *step)
        assert code in (2, 4), refused
        book.run("Switch")
        assert mesh.signer() == new
        checker.settle()
        book.run("Retire")
        checker.restart()
        time.sleep(1)
    assert checker.failures == {}
    assert len(mesh.roots()) == 1
    assert {name: mesh.serials()[name] for name in anchors} == anchors
    assert mesh.has_key(old)
    book.run("Destroy the old key")
    assert not mesh.has_key(old)
    mesh.assert_unchanged()


def test_expired_anchor(trust_mesh: TrustMesh) -> None:
    """The one case with an outage: it must end with the page, and without another fault."""
    mesh, started = trust_mesh, time.monotonic()
    mesh.add("vault")
    mesh.up()
    seconds = max(_ANCHOR_SECONDS, round(_UPDATES * (time.monotonic() - started)))
    with mesh.issuers_capped(seconds):
        old = mesh.add("vault")
        mesh.up()
        mesh.signing = old
        mesh.retire(old)
        mesh.up()
    new = _next(mesh)
    book = _book(mesh, "expired-anchor.md", old, new)
    mesh.wait("end of the anchor", lambda: mesh.left(mesh.anchors()[old]) < 0, 2 * seconds)
    said = book.run("Expired anchor")
    assert "ended" in said
    book.run("One change instead of three")
    with mesh.watch() as checker:
        book.run("Restart everything")
        time.sleep(1)
    assert checker.failures == {}
    assert mesh.signer() == new
    assert mesh.roots() == [mesh.anchors()[new]]


def test_expired_issuer(trust_mesh: TrustMesh) -> None:
    """cert-manager was away past the issuer's end: leaves fail, and the page brings them back."""
    mesh = trust_mesh
    book, settings, anchors = _book(mesh, "expired-issuer.md"), mesh.copy.settings, mesh.serials()
    with mesh.watch() as checker:
        with mesh.issuers_capped(_SHORT_SECONDS):
            mesh.renewed()
            controllers.stop(settings, "cert-manager")
        mesh.wait("end of the issuer", lambda: mesh.left(mesh.issuer()) < 0)
        mesh.wait("failures", lambda: bool(checker.failures), 120)
        said = book.run("Expired issuer")
        assert "ended" in said or "expired" in said.lower()
        controllers.start(settings, "cert-manager")
        book.run("Have a new one made")
        checker.restart()
        time.sleep(1)
        checker.failures.clear()
        time.sleep(3)
        assert checker.failures == {}
    assert mesh.serials() == anchors


def test_lost_vault(trust_mesh: TrustMesh) -> None:
    """Sealed, then gone and restored: the mesh goes on all the while, with the same anchor."""
    mesh, settings = trust_mesh, trust_mesh.copy.settings
    key = (settings.state_dir / "vault" / "unseal-key").read_text()
    book, anchors = _book(mesh, "lost-vault.md", UNSEAL_KEY=key), mesh.serials()
    with mesh.watch() as checker:
        vault.seal(settings)
        book.run("Lost Vault", "Sealed, or down")
        _lose_and_restore(mesh)
        book.run("The data is lost")
        time.sleep(1)
    assert checker.failures == {}
    assert mesh.serials() == anchors
    assert signed_by(mesh.issuer(), mesh.anchors()[mesh.signing])[0]


def test_public_reports_cluster_was_off(trust_mesh: TrustMesh) -> None:
    """pi-cluster#85: off past the issuer's end, and Vault is sealed when it comes back."""
    mesh = trust_mesh
    settings, anchors = mesh.copy.settings, mesh.serials()
    key = (settings.state_dir / "vault" / "unseal-key").read_text()
    book = _book(mesh, "cluster-was-off.md", UNSEAL_KEY=key)
    mesh.copy.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "vault"}})
    with mesh.issuers_capped(_SHORT_SECONDS):
        mesh.renewed()
        controllers.stop(settings, "cert-manager")
    vault.seal(settings)
    mesh.wait("end of the issuer", lambda: mesh.left(mesh.issuer()) < 0)
    controllers.start(settings, "cert-manager")
    book.run("The cluster was off", "A namespace that waits for the injector")
    book.run("Vault, then a new issuer", "The control plane, then the workloads")
    with mesh.watch() as checker:
        time.sleep(1)
    assert checker.failures == {}
    assert mesh.serials() == anchors
    assert mesh.left(mesh.issuer()) > 0


def _lose_and_restore(mesh: TrustMesh) -> None:
    """Vault's data is deleted, and put back as a snapshot would."""
    settings = mesh.copy.settings
    supervisor = Supervisor(settings.run_dir, settings.log_dir)
    data, snapshot = settings.state_dir / "vault" / "data", mesh.copy.folder / "snapshot"
    supervisor.stop(vault.NAME)
    shutil.rmtree(snapshot, ignore_errors=True)
    shutil.copytree(data, snapshot)
    shutil.rmtree(data)
    assert not data.exists()
    shutil.copytree(snapshot, data)
    vault.start(supervisor, settings, toolchain.ensure(["vault"]))
    vault.open_up(supervisor, settings)


def test_every_runbook_of_trust_is_run_here() -> None:
    """A page that is added without a test is a page that nobody has followed.

    That of a second cluster is run by test_add_a_cluster.py; the commands of delivery are under
    test in test_delivery.py, test_rollback.py and test_drift.py; those of adoption are followed by
    test_rollout_runbook.py, test_policy.py and test_mesh_egress.py; that of alerts by
    test_alert_delivery.py and test_alert_credentials.py, that of the agent by
    test_status_buoyant.py; that of a mesh which is there already by test_adopt.py, that of a newer
    Linkerd by test_upgrade.py. latency.md is run by test_latency.py. Tests in `ingress` show what
    ingress.md tells of the gateway, run its part about Vault, and go the way of
    gateway-api-back.md; those in `egress` show what egress-gateway.md tells.
    """
    delivery = {"deploy.md", "drift.md", "fleet.md", "roll-back.md"}
    adoption = {"mesh-a-namespace.md", "deny.md", "open-an-egress-host.md"}
    observed = {"alert-routing.md", "buoyant-cloud.md", "latency.md"}
    gateway = {"ingress.md", "egress-gateway.md", "gateway-api-back.md"}
    taken_over = {"adopt.md", "upgrade.md"}
    others = {"first-deployment.md", *taken_over, *observed, *delivery, *adoption, *gateway}
    assert {page.name for page in FOLDER.glob("*.md")} - others == set(PAGES)
    assert runbook.KUBELET_SECONDS > 0
