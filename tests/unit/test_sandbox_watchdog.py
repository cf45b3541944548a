"""The watchdog: a forgotten sandbox ends by itself."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from sandbox import watchdog
from sandbox.processes import Supervisor


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.05)
    return tmp_path / "state"


def test_everything_stops_after_the_time_to_live(state):
    supervisor = Supervisor(state / "run", state / "log")
    record = supervisor.start("server", ["sleep", "300"])
    watchdog.watch(state, 0.2)
    assert not record.running()
    assert supervisor.records() == []


def test_deleting_the_state_folder_stops_everything(state):
    """`git clean -fdx` takes the records away; the servers must not stay for good."""
    record = Supervisor(state / "run", state / "log").start("server", ["sleep", "300"])
    watcher = threading.Thread(target=watchdog.watch, args=(state, 60))
    watcher.start()
    time.sleep(0.3)
    shutil.rmtree(state)
    watcher.join(10)
    assert not watcher.is_alive()
    assert not record.running()
