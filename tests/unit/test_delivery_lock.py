"""Who holds a stack, and when a lock may be taken over: only when its run is proven dead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.clients.target import Target
from bot.deploy import lock
from bot.engine import runs as engine_runs
from bot.exit_codes import BotError
from tests.unit.context import Context
from tests.unit.delivery_samples import target


@pytest.fixture
def where(tmp_path: Path) -> Target:
    return target(tmp_path)


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def _locked(where: Target, pid: int, name: str = "one", **more: object) -> Path:
    folder = where.project_dir / "state/.pulumi/locks/organization/linkerd-platform/trust"
    folder.mkdir(parents=True, exist_ok=True)
    body = {
        "pid": pid,
        "username": "ada",
        "hostname": socket.gethostname(),
        # As Go writes it: nine digits, and Z.
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z",
        **more,
    }
    (folder / f"{name}.json.attrs").write_text("{}")
    file = folder / f"{name}.json"
    file.write_text(json.dumps(body))
    return file


def _noted(where: Target, pid: int, **more: object) -> Path:
    """The note that a killed bot leaves behind."""
    with engine_runs.noted(where.project_dir, where.stack, "up", pid):
        notes = engine_runs.recorded(where.project_dir, where.stack)
        file, run = next((file, run) for file, run in notes.items() if run.pid == pid)
        text = json.dumps({**asdict(run), **more})
    file.write_text(text)
    return file


def test_lock_of_a_dead_run_of_this_machine_is_taken_over(where: Target) -> None:
    """A runner that was killed must not need somebody at night to type `pulumi cancel`."""
    pid = _dead_pid()
    file, note = _locked(where, pid), _noted(where, pid)
    (gone,) = lock.take_over(where)
    assert (gone.user, gone.pid) == ("ada", pid)
    assert list(file.parent.iterdir()) == []
    assert not note.exists()


def test_lock_without_a_note_is_not_taken_over(where: Target) -> None:
    """Another container may have the same host name, and this process id in it may well live."""
    file = _locked(where, _dead_pid())
    assert lock.take_over(where) == []
    assert file.exists()


@pytest.mark.parametrize(
    "note",
    [
        {"boot": "another"},
        {"boot": ""},
        {"namespace": "pid:[1]"},
        {"host": "another"},
        {"began": (datetime.now(UTC) - timedelta(hours=1)).isoformat()},
        {"began": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
        {"stack": "another"},
    ],
)
def test_note_that_proves_nothing_about_this_lock(where: Target, note: dict[str, object]) -> None:
    """Another boot, another container, another time: the process may live where we cannot look."""
    pid = _dead_pid()
    file = _locked(where, pid)
    _noted(where, pid, **note)
    assert lock.take_over(where) == []
    assert file.exists()


def test_lock_of_a_living_run_stays(where: Target) -> None:
    """A killed bot leaves its engine running: it goes on writing the state."""
    file = _locked(where, os.getpid())
    _noted(where, os.getpid())
    assert lock.take_over(where) == []
    assert file.exists()


def test_lock_stays_while_a_provider_of_the_run_lives(where: Target) -> None:
    """The engine is gone, and a provider still finishes what it was asked to make."""
    leader = subprocess.Popen(
        ["sh", "-c", "sleep 30 & echo $!"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert leader.stdout is not None
    child = int(leader.stdout.readline())
    leader.wait()
    try:
        file = _locked(where, leader.pid)
        _noted(where, leader.pid)
        assert lock.take_over(where) == []
        assert file.exists()
    finally:
        os.kill(child, 9)
        leader.stdout.close()


def test_nothing_is_released_beside_a_lock_that_lives(where: Target) -> None:
    """With two locks the state is in doubt: that is for people."""
    pid = _dead_pid()
    _noted(where, pid)
    files = [_locked(where, pid, "one"), _locked(where, os.getpid(), "two")]
    assert lock.take_over(where) == []
    assert all(file.exists() for file in files)


def test_locks_are_read_with_owner_and_age(where: Target) -> None:
    """Half-written and foreign files are no locks; another backend shows none."""
    since = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    file = _locked(where, os.getpid(), timestamp=since)
    file.with_name("half.json").write_text('{"pid": 1')
    file.with_name("other.json").write_text("[]")
    (held,) = lock.held(where)
    assert f"ada@{socket.gethostname()}, process {os.getpid()}, for 5 min" in str(held)
    elsewhere = replace(where, environment={"PULUMI_BACKEND_URL": "s3://bucket"})
    assert lock.held(elsewhere) == []


def test_wait_shows_the_owner_and_goes_on_when_the_lock_is_gone(
    where: Target,
) -> None:
    """Two pipelines for one stack: the second one must do its work, not fail."""
    file = _locked(where, os.getpid())
    shown: list[str] = []
    notes: list[str] = []
    threading.Timer(0.1, file.unlink).start()
    wait = lock.Wait(20, shown.append, notes.append)
    assert wait.until_free(where)
    assert "ada@" in notes[0]
    assert "waiting for ada@" in shown[0]
    assert "more" in shown[0]


def test_without_time_to_wait_it_fails_at_once(
    where: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default: a terminal is not to hang for somebody else's run."""
    _locked(where, os.getpid())
    pauses: list[float] = []
    monkeypatch.setattr(lock.time, "sleep", pauses.append)
    assert not lock.Wait(0, print, print).until_free(where)
    assert not pauses
    pid = _dead_pid()
    for held in lock.held(where):
        held.file.unlink()
    _locked(where, pid)
    _noted(where, pid)
    assert lock.Wait(0, print, print).until_free(where)


def test_notes_of_dead_runs_go_when_no_lock_is_left(where: Target) -> None:
    """Process ids come again: an old note must not prove anything about a new lock."""
    dead, alive = _noted(where, _dead_pid()), _noted(where, os.getpid())
    assert lock.Wait(0, print, print).until_free(where)
    assert not dead.exists()
    assert alive.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_lock_that_cannot_be_read_is_named_with_its_file(
    where: Target, content: str, context: Context
) -> None:
    """A crash tears it; the engine then says `unexpected end of JSON input`, and not of what."""
    context.quick()
    file = _locked(where, os.getpid())
    file.write_text(content)
    wait = lock.Wait(0, lambda _: None, lambda _: None)
    with pytest.raises(BotError, match="cannot be read") as error:
        wait.until_free(where)
    assert str(file) in str(error.value)
    assert error.value.exit_code == 1
    assert file.exists()


def test_lock_that_is_being_written_is_waited_for(
    where: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is half there for a moment; nobody is to be sent to delete it."""
    file = _locked(where, os.getpid())
    file.write_text("{")
    monkeypatch.setattr(lock.time, "sleep", lambda _: file.unlink(missing_ok=True))
    lock.refuse_unreadable(where)
    assert not file.exists()
