"""How the engine is run: whatever it or the operator does, there is a record, and no process."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from bot import engine
from bot.clients.target import Target
from bot.engine import errors as engine_errors
from bot.engine import recover as engine_recover
from bot.engine import report as engine_report
from bot.engine import target as engine_target
from bot.engine.events import OperationRecord
from bot.engine.progress import Progress
from bot.exit_codes import BadInputError, BotError, MissingToolError
from tests.unit import fake_engine

_GOOD = """
resource("resourcePreEvent", "create", COMPONENT, custom=False)
resource("resourcePreEvent", "create", MOUNT, COMPONENT)
resource("resOutputsEvent", "create", MOUNT, COMPONENT)
resource("resOutputsEvent", "create", COMPONENT, custom=False)
summary()
"""
_HANGS = """
child = subprocess.Popen(["sleep", "60"], process_group=0)
print(child.pid, file=open(os.environ["CHILD"], "w"), flush=True)
resource("resourcePreEvent", "create", MOUNT)
"""


def _alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _with_child(tmp_path: Path) -> tuple[Target, Path]:
    file = tmp_path / "child"
    target = fake_engine.target(tmp_path)
    environment = {"CHILD": str(file)}
    return Target(target.stack, tmp_path, target.config, None, environment), file


def test_record_comes_from_events(tmp_path: Path) -> None:
    """Standard output changes from release to release; the events are an interface."""
    found = fake_engine.engine(tmp_path, "print('0 changes')\n" + _GOOD)
    result = engine.run(found, fake_engine.target(tmp_path), "up")
    assert result.ok
    assert not result.unchanged
    assert result.record.by_component() == {"anchor": {"created": 2}}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="no-summary"),
        pytest.param(_GOOD + "sys.exit(1)", id="exit-code"),
        pytest.param(_GOOD + "summary('failed')", id="own-word"),
        pytest.param(
            "say(diagnosticEvent=dict(severity='error', message='no'))" + _GOOD, id="error"
        ),
    ],
)
def test_any_doubt_is_a_failure(tmp_path: Path, body: str) -> None:
    """Exit code 0 without a summary is an engine that crashed politely: nothing may be promised."""
    found = fake_engine.engine(tmp_path, body)
    assert not engine.run(found, fake_engine.target(tmp_path), "up").ok


def test_what_the_program_wrote_is_the_reason(tmp_path: Path) -> None:
    """The engine says no more than that the program ended: the way on is in its last words."""
    body = """
say(diagnosticEvent=dict(severity="info#err", message="chart archives missing: web 1.0"))
say(diagnosticEvent=dict(severity="error", message="program exited with non-zero exit code: 2"))
summary("failed")
sys.exit(255)
"""
    found = fake_engine.engine(tmp_path, body)
    result = engine.run(found, fake_engine.target(tmp_path), "preview")
    told = engine_report.failure(result)
    assert told[0] == "failed: chart archives missing: web 1.0"
    assert "make charts" in told[-1]
    assert not any("non-zero" in line for line in told)


def test_a_reason_that_is_cut_is_kept_whole_in_a_log(tmp_path: Path) -> None:
    """The terminal is its only copy otherwise, and the end of it is the server's answer."""
    text = f"error: the server refused: {'x' * 400} password=hunter22 because of quota"
    body = f"sys.stderr.write({text!r}); sys.exit(255)"
    result = engine.run(fake_engine.engine(tmp_path, body), fake_engine.target(tmp_path), "up")
    told = engine_report.failure(result)
    assert told[-1].startswith("the engine's full output is in ")
    (log,) = (tmp_path / ".local" / "log").iterdir()
    assert "[secret] because of quota" in log.read_text()
    assert str(log) in told[-1]


def test_unknown_operation_counts_as_change(tmp_path: Path) -> None:
    """A newer engine may know more operations: what nobody can read must not look like nothing."""
    body = 'resource("resourcePreEvent", "teleport", MOUNT)\nsummary()'
    found = fake_engine.engine(tmp_path, body)
    result = engine.run(found, fake_engine.target(tmp_path), "preview")
    assert result.ok
    assert not result.unchanged
    assert [step.kind for step in result.record.changes] == ["unknown"]


def test_incomplete_preview_is_not_unchanged(tmp_path: Path) -> None:
    """A chart with an unknown value shows its objects as gone, or not at all."""
    text = "Input properties have unknown values. Preview is incomplete."
    body = f"say(diagnosticEvent=dict(severity='warning', message={text!r}))\nsummary()"
    result = engine.run(fake_engine.engine(tmp_path, body), fake_engine.target(tmp_path), "preview")
    assert result.ok
    assert not result.unchanged


def test_timeout_interrupts_and_says_so(tmp_path: Path) -> None:
    """A wait on a cluster that never becomes ready must end, and its record must be kept."""
    target, child = _with_child(tmp_path)
    body = _HANGS + "signal.signal(signal.SIGINT, lambda *_: sys.exit(1))\ntime.sleep(60)"
    result = engine.run(fake_engine.engine(tmp_path, body), target, "up", timeout=1.5)
    assert result.ending.ended == "timed out"
    assert not result.ending.killed
    assert not _alive(int(child.read_text()))
    told = "\n".join(engine_report.failure(result))
    assert "time-out" in told
    assert "started but not finished: anchor-pki" in told


def test_interrupt_reaches_engine_and_leaves_no_process(tmp_path: Path) -> None:
    """Providers are in process groups of their own: killing the engine's group would miss them."""
    target, child = _with_child(tmp_path)
    body = _HANGS + "signal.signal(signal.SIGINT, lambda *_: sys.exit(1))\ntime.sleep(60)"
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    result = engine.run(fake_engine.engine(tmp_path, body), target, "up")
    assert result.ending.ended == "interrupted"
    assert not _alive(int(child.read_text()))


def test_second_interrupt_kills_engine_that_ignores_the_first(tmp_path: Path) -> None:
    """An operator who presses Ctrl-C twice means it."""
    target, child = _with_child(tmp_path)
    body = _HANGS + "signal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)"
    for delay in (1.0, 1.8):
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
    result = engine.run(fake_engine.engine(tmp_path, body), target, "up")
    assert result.ending.killed
    assert not _alive(int(child.read_text()))
    assert "may stay locked" in "\n".join(engine_report.failure(result))


def test_lock_is_told_with_owner_and_age(tmp_path: Path) -> None:
    """Who holds it and since when decides between waiting and releasing."""
    lock = (
        "error: the stack is currently locked by 1 lock(s). Either wait or delete the lock\\n"
        "  file:///x/1.json: created by ada@elsewhere (pid 12) at 2020-01-02T03:04:05Z"
    )
    body = f'sys.stderr.write("{lock}\\n"); sys.exit(255)'
    result = engine.run(fake_engine.engine(tmp_path, body), fake_engine.target(tmp_path), "up")
    assert [(each.user, each.host, each.pid) for each in result.locks] == [("ada", "elsewhere", 12)]
    assert not result.locks[0].stale
    told = "\n".join(engine_report.failure(result))
    assert "ada@elsewhere, process 12" in told
    assert "pulumi cancel trust" in told
    assert not engine.cancel_stale(fake_engine.engine(tmp_path, body), result.target, result)


def test_missing_engine_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing that a new machine meets: the message must be enough."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(engine.EngineMissing, match=r"pulumi.com/docs/install") as caught:
        engine.find(install=False)
    assert caught.value.exit_code == 3


def test_engine_without_version_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build without its version breaks the engine's own tools in odd places later on."""
    fake_engine.engine(tmp_path, "print()")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(engine.EngineMissing, match="prints no version"):
        engine.find(install=False)


def test_passphrase_comes_from_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase made up here would encrypt secrets that nobody can ever read again."""
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    text = (fake_engine.REPO / "Pulumi.trust.yaml").read_text()
    (tmp_path / "Pulumi.trust.yaml").write_text(f"{text}\nencryptionsalt: v1:x\n")
    with pytest.raises(BadInputError, match=r"Pulumi\.trust\.yaml: encryptionsalt"):
        engine_target.of("trust", tmp_path)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    assert engine_target.of("trust", tmp_path).stack == "trust"


def test_sandbox_that_does_not_run_is_a_missing_server(tmp_path: Path) -> None:
    """Exit code 3 tells a script that a server is missing, not that the config is wrong."""
    for name in ("Pulumi.yaml", "Pulumi.sandbox.yaml"):
        (tmp_path / name).write_text((fake_engine.REPO / name).read_text())
    with pytest.raises(MissingToolError, match="make sandbox"):
        engine_target.of("sandbox", tmp_path)


def test_every_known_cause_has_a_next_step() -> None:
    """A reason without a way on is half an answer; the first match must be the particular one."""
    cases = {
        "Error making API request. Code: 503. Errors: * Vault is sealed": "Vault is sealed",
        "GET https://v/v1/auth/token/lookup-self\nCode: 403. Errors:": "Vault refused the token",
        "cluster is unreachable: unable to load schema information from the API server: the "
        "server has asked for the client to provide credentials": "refused the credentials",
        "configured Kubernetes cluster is unreachable: dial": "API server does not answer",
        'deployments.apps "x" already exists': "exists already",
        "Resource x cannot be deleted because it is protected": "protected",
        "Apply failed with 1 conflict: conflict with": "another field manager owns",
        'performing HTTP request: Get "https://x/api/user": dial tcp 1.2.3.4:1: connect: '
        "connection refused": "state backend does not answer",
        "chart archives missing: linkerd-viz 2026.6.3. Run `make charts`": "charts",
    }
    for text, expected in cases.items():
        what, next_step = engine_errors.explain([text], "staging")
        assert what is not None, text
        assert expected in what
        assert next_step
        assert "{stack}" not in next_step


def test_pending_creations_are_entered_as_made() -> None:
    """The engine forgets what a killed run was making; the next run must not make it again."""
    urn = "urn:pulumi:s::p::kubernetes:apps/v1:Deployment::web"
    made = {"metadata": {"name": "web", "namespace": "shop"}, "apiVersion": "apps/v1"}
    pending = [
        {"type": "creating", "resource": {"urn": urn, "type": urn.split("::")[2], "inputs": made}},
        {"type": "creating", "resource": {"urn": "u2", "type": "random:index:X", "inputs": {}}},
        {"type": "creating", "resource": {"urn": "u3", "type": "kubernetes:v1:X", "inputs": made}},
        {"type": "deleting", "resource": {"urn": "u4", "type": "kubernetes:v1:X", "inputs": made}},
    ]
    known = {"urn": "u3", "id": "shop/web"}
    state, adopted = engine_recover.entered({"resources": [known], "pending_operations": pending})
    assert adopted == [urn]
    assert [each["id"] for each in state["resources"]] == ["shop/web", "shop/web"]
    assert state["resources"][1]["outputs"]["__inputs"] == made
    assert [each["type"] for each in state["pending_operations"]] == ["deleting"]


def test_short_command_that_fails_gives_its_reason(tmp_path: Path) -> None:
    """`exit status 255` helps nobody."""
    body = "sys.stderr.write('error: no such backend\\n'); sys.exit(255)"
    with pytest.raises(BotError, match="no such backend"):
        engine.short(
            fake_engine.engine(tmp_path, body), fake_engine.target(tmp_path), "stack", "ls"
        )


def test_progress_names_what_is_waited_for(tmp_path: Path) -> None:
    """Minutes of silence make people press Ctrl-C."""
    record = OperationRecord()
    urn = "urn:pulumi:s::p::vault:index/mount:Mount::anchor-pki"
    state = {"parent": "", "custom": True}
    record.add(
        {"resourcePreEvent": {"metadata": {"op": "create", "urn": urn, "type": "t", "new": state}}}
    )
    line = Progress("up", fake_engine.target(tmp_path)).line(record, time.monotonic() + 65)
    assert "0 of at least 1 done" in line
    assert "waiting for anchor-pki (1 min 5 s)" in line


def test_destroy_is_counted_under_the_same_names() -> None:
    """A destroy reports a chart's objects before the component that they belong to."""
    record = OperationRecord()
    chart = "linkerd-platform:trust:TrustAnchor$kubernetes:helm.sh/v4:Chart"
    urn = f"urn:pulumi:s::p::{chart}$kubernetes:core/v1:Service::web"
    old = {"parent": f"urn:pulumi:s::p::{chart}::c", "custom": True}
    record.add(
        {"resourcePreEvent": {"metadata": {"op": "delete", "urn": urn, "type": "t", "old": old}}}
    )
    assert record.by_component() == {"trust-anchor": {"deleted": 1}}
