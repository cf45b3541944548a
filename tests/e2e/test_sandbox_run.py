"""What `make sandbox` does, on real servers with the real engine."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from bot.clients import environment
from bot.mesh.status import evidence
from bot.mesh.status.verification_vault import leaks
from sandbox import verify
from sandbox.verify import state_files
from tests.e2e import project
from tests.e2e.project import Copy
from tests.e2e.shared_mesh import owners_kept
from tests.programs import ran

pytestmark = pytest.mark.e2e
_ISSUER = "/api/v1/namespaces/linkerd/secrets/linkerd-identity-issuer"
_RENEWED_SECONDS = 60


def _preview(copy: Copy, *flags: str) -> None:
    done = copy.run("bot", "preview", "--stack", "sandbox", "--expect-no-changes", *flags)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_everything_is_proven_after_one_run(mesh: tuple[Copy, str]) -> None:
    """The first promise of the project: one command, a mesh, and the proof that it is one."""
    copy, _ = mesh
    proofs = verify.prove(copy.target, copy.folder)
    assert len(proofs) > 20
    assert [proof for proof in proofs if not proof.ok] == []


def test_unchanged_program_previews_as_no_change(mesh: tuple[Copy, str]) -> None:
    """A preview that always shows something hides the change that matters."""
    _preview(mesh[0])


def test_no_language_host_is_needed(mesh: tuple[Copy, str], tmp_path: Path) -> None:
    """The engine calls back into the bot: a machine needs the engine and its plugins, no more."""
    copy, _ = mesh
    for name in ("pulumi", *(f"pulumi-resource-{each}" for each in environment.PROVIDERS)):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    path = os.pathsep.join([str(tmp_path), "/usr/bin", "/bin"])
    assert shutil.which("pulumi-language-python", path=path) is None
    done = ran(
        [sys.executable, "-m", "bot", "preview", "--stack", "sandbox", "--expect-no-changes"],
        cwd=copy.folder,
        env={**copy.environment(), "PATH": path, "PULUMI_HOME": str(tmp_path / "home")},
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_variables_that_are_flags_of_the_engine_change_nothing(
    mesh: tuple[Copy, str], tmp_path: Path
) -> None:
    """`PULUMI_OPTION_TARGET` would leave all but one resource out of what was approved."""
    copy, _ = mesh
    other = tmp_path / "other.yaml"
    other.write_text("config: {}\n")
    own = {
        "PULUMI_OPTION_CONFIG_FILE": str(other),
        "PULUMI_OPTION_CWD": str(tmp_path),
        "PULUMI_OPTION_EXCLUDE": "**",
        "PULUMI_K8S_DELETE_UNREACHABLE": "true",
    }
    done = ran(
        [sys.executable, "-m", "bot", "preview", "--stack", "sandbox", "--json"],
        cwd=copy.folder,
        env={**copy.environment(), **own},
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert json.loads(done.stdout)["changes"] == []
    assert sum(json.loads(done.stdout)["components"]["linkerd"].values()) > 20
    assert f"not passed on to the engine: {', '.join(sorted([*own, 'PYTHONPATH']))}" in done.stderr


def test_preview_after_refresh_is_empty(mesh: tuple[Copy, str]) -> None:
    """Controllers write into our objects: what they write must not be taken for drift."""
    _preview(mesh[0], "--refresh")


def test_preview_stays_empty_after_issuer_renewal(mesh: tuple[Copy, str]) -> None:
    """cert-manager renews the issuer every day: a deployment must not see that as a change."""
    copy, _ = mesh
    before = copy.api.request("GET", _ISSUER).body["data"]["tls.crt"]
    assert copy.api.request("DELETE", _ISSUER).ok
    deadline = time.monotonic() + _RENEWED_SECONDS
    while True:
        answer = copy.api.request("GET", _ISSUER)
        if answer.ok and answer.body.get("data", {}).get("tls.crt") not in (None, "", before):
            break
        assert time.monotonic() < deadline, "cert-manager issued nothing"
        time.sleep(0.5)
    _preview(copy)
    _preview(copy, "--refresh")
    test_everything_is_proven_after_one_run(mesh)


def test_drift_is_seen_and_set_right(mesh: tuple[Copy, str]) -> None:
    """An empty preview proves nothing unless a real difference makes it non-empty."""
    copy, _ = mesh
    path = "/api/v1/namespaces/linkerd/configmaps/linkerd-config"
    assert copy.api.request("DELETE", path).ok
    seen = copy.run("bot", "preview", "--stack", "sandbox", "--refresh", "--expect-no-changes")
    assert seen.returncode == 5
    assert "linkerd " in seen.stdout
    done = copy.run("bot", "up", "--stack", "sandbox", "--refresh", "--yes")
    assert done.returncode == 0, done.stdout
    assert copy.api.request("GET", path).ok


def test_field_that_somebody_else_took_is_told_in_words(mesh: tuple[Copy, str]) -> None:
    """Somebody scales by hand: to take the field back unasked could undo an emergency measure."""
    copy, _ = mesh
    path = "/apis/apps/v1/namespaces/linkerd/deployments/linkerd-identity"
    merge = "application/merge-patch+json"

    def scale(replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        assert copy.api.request("PATCH", path, patch, content_type=merge).ok

    with owners_kept(copy.api, path):
        scale(1)
        seen = copy.run("bot", "preview", "--stack", "sandbox", "--refresh", "--expect-no-changes")
        done = copy.run("bot", "up", "--stack", "sandbox", "--refresh", "--yes")
        scale(3)
    # The failed update has left in the state what it saw.
    again = copy.run("bot", "up", "--stack", "sandbox", "--refresh", "--yes")
    assert again.returncode == 0, f"{again.stdout}\n{again.stderr}"
    assert seen.returncode == 5
    assert "linkerd-identity  (spec.replicas)" in seen.stdout
    assert done.returncode == 1
    assert "failed: linkerd: linkerd-control-plane:linkerd/linkerd-identity: " in done.stdout
    assert "cause: another field manager owns a field" in done.stdout
    assert "client connection is closing" not in done.stdout


def test_second_run_on_running_sandbox_is_safe(mesh: tuple[Copy, str]) -> None:
    """People type the command again: it must prove once more, and renew no anchor."""
    copy, _ = mesh
    before = evidence.read(copy.target, state_files(copy.folder)).anchors
    done = copy.run("sandbox", "run", "--strict")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "the sandbox is running" in done.stdout
    after = evidence.read(copy.target, state_files(copy.folder)).anchors
    assert after == before


def test_no_private_key_or_token_anywhere(mesh: tuple[Copy, str]) -> None:
    """State, output and logs are copied into tickets: nothing in them may be worth stealing."""
    copy, output = mesh
    sandbox = copy.folder / ".sandbox"
    token = (sandbox / "vault" / "root-token").read_text().strip()
    passphrase = (sandbox / "passphrase").read_text().strip()
    seen = copy.run("bot", "preview", "--stack", "sandbox", "--json")
    assert json.loads(seen.stdout)["ok"]
    files = {"run": output.encode(), "preview": (seen.stdout + seen.stderr).encode()}
    for folder in ("state", "log", "stack"):
        for file in (sandbox / folder).rglob("*"):
            if file.is_file():
                files[str(file.relative_to(sandbox))] = file.read_bytes()
    assert any(name.startswith("state/") for name in files)
    assert leaks(files, [token, passphrase]) == []
    for name in ("passphrase", "vault/root-token", "stack/Pulumi.sandbox.yaml"):
        assert (sandbox / name).stat().st_mode & 0o077 == 0, name


def test_tracked_stack_file_is_not_written(mesh: tuple[Copy, str]) -> None:
    """The engine writes a salt into the stack file it uses: a checkout must stay clean."""
    tracked = mesh[0].folder / "Pulumi.sandbox.yaml"
    assert tracked.read_bytes() == (project.PROJECT / "Pulumi.sandbox.yaml").read_bytes()
