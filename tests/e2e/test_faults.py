"""What breaks in the middle of an update, and that the next run mends it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from bot.engine.process_start import start_time
from bot.mesh.status import evidence
from sandbox import vault, verify
from sandbox.verify import state_files
from tests.e2e import project
from tests.e2e.project import Copy

pytestmark = pytest.mark.e2e
_UP = ("bot", "up", "--stack", "sandbox", "--yes")


def _anchors(copy: Copy) -> dict[str, str]:
    """The roots that Vault has by now."""
    return dict(evidence.read(copy.target, state_files(copy.folder)).anchors)


@pytest.mark.parametrize(
    ("point", "seconds"),
    [
        pytest.param("cert-manager begins", 1.0, id="early-crds"),
        pytest.param("webhook-certificates begins", 1.0, id="middle-trust"),
        pytest.param("viz begins", 1.5, id="late-control-plane"),
    ],
)
def test_killed_update_converges_with_the_same_anchor(
    empty: Copy, point: str, seconds: float
) -> None:
    """A machine dies mid-way: what it had made must be taken over, above all the trust anchor.

    The engine itself loses what was being made: the next run would end with `already exists`.
    """
    process = empty.start(*_UP)
    empty.wait_in_update(point, process)
    time.sleep(seconds)
    project.kill_all(process)
    before = _anchors(empty)

    done = empty.run(*_UP)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "was taken over: its run is dead" in done.stderr
    after = _anchors(empty)
    assert before == after or before == {"sandbox-1": ""}
    assert [p for p in verify.prove(empty.target, empty.folder) if not p.ok] == []
    seen = empty.run("bot", "preview", "--stack", "sandbox", "--expect-no-changes")
    assert seen.returncode == 0, seen.stdout


def test_sealed_vault_is_named_and_second_run_completes(empty: Copy) -> None:
    """Vault reseals on every restart: the error must name it, and the way on must be short."""
    process = empty.start(*_UP)
    empty.wait_in_update("gateway-api begins", process)
    vault.seal(empty.settings)
    process.wait(300)
    first = empty.output()
    if process.returncode == 0:
        pytest.fail(f"the update did not notice:\n{first}")
    assert process.returncode == 1
    assert "Vault is sealed" in first
    assert "unseal" in first
    assert "Traceback" not in first

    vault.unseal(empty.settings)
    done = empty.run(*_UP)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert [p for p in verify.prove(empty.target, empty.folder) if not p.ok] == []


def test_interrupt_leaves_no_process_of_a_half_started_sandbox(
    tmp_path: Path,
) -> None:
    """Ctrl-C is how people say stop: ten servers that go on running are not stopped."""
    reason = project.missing_engine()
    if reason:
        pytest.skip(reason)
    copy = project.copy_to(tmp_path / "project")
    process = copy.start("sandbox", "run", "--ephemeral")
    try:
        copy.wait_for("namespaces begins", process)
        pids = {pid: start_time(pid) for pid in project.sessions_below(process.pid)}
        pids |= {r.pid: r.start_time for r in project.records(copy)}
        assert len(pids) > 10
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert {pid for pid, since in pids.items() if start_time(pid) == since} == set()
        assert not (copy.folder / ".sandbox").exists()
        assert "interrupted" in copy.output()
    finally:
        if process.poll() is None:
            project.kill_all(process)
        copy.down()
