"""What is left of an `up` that was interrupted or killed: nothing, after `down` at the latest."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sandbox
from sandbox.settings import Settings
from tests.e2e.sandbox_cluster import logging_to, skip_without_tools

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("attempt", range(4))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_no_process(tmp_path, attempt, number):  # noqa: ARG001
    """Whatever it is doing when Ctrl-C comes."""
    skip_without_tools()
    state = tmp_path / "state"
    command = [sys.executable, "-m", "sandbox", "cluster", "up", "--ephemeral"]
    up = subprocess.Popen(
        [*command, "--state-dir", str(state)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # Another moment each time it runs; the failure names it.
    delay = random.uniform(0.1, 4.0)  # noqa: S311
    time.sleep(delay)
    up.send_signal(number)
    up.communicate(timeout=60)
    if up.returncode == 0:  # It was done before the signal came.
        sandbox.cluster_down(Settings(state))
    assert logging_to(state / "log") == [], delay


def test_down_finds_what_a_killed_up_left_behind(tmp_path):
    """Nothing runs its clean-up after SIGKILL; the records are enough."""
    skip_without_tools()
    state = tmp_path / "state"
    command = [sys.executable, "-m", "sandbox", "cluster", "up", "--ephemeral"]
    up = subprocess.Popen(
        [*command, "--state-dir", str(state)], cwd=PROJECT, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not logging_to(state / "log"):
        assert time.monotonic() < deadline, "no server was started"
        time.sleep(0.1)
    up.kill()
    up.wait()
    sandbox.cluster_down(Settings(state))
    assert logging_to(state / "log") == []
    assert not state.exists()
