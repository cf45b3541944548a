"""The supervisor, tried on processes that only sleep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.processes import ProcessRecord, StartError, Supervisor, start_time, stop_record

SLEEP = ["sleep", "300"]
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(tmp_path / "run", tmp_path / "log")
    yield made
    made.stop_all(grace=1)


def alive(pid: int) -> bool:
    return start_time(pid) is not None


def wait_until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_a_started_process_runs_in_a_session_of_its_own(supervisor):
    """Ctrl-C in the terminal must not reach a server that outlives the command."""
    record = supervisor.start("one", SLEEP)
    assert record.running()
    assert os.getsid(record.pid) == record.pid


def test_stop_returns_when_the_process_is_gone(supervisor):
    record = supervisor.start("one", SLEEP)
    supervisor.stop("one")
    assert not alive(record.pid)
    assert supervisor.record("one") is None


def test_stop_takes_along_what_the_process_started(supervisor, tmp_path):
    """A keeper's operator must not outlive its keeper."""
    child_file = tmp_path / "child"
    script = f"sleep 300 & echo $! > {child_file}; wait"
    supervisor.start("parent", ["sh", "-c", script])
    wait_until(lambda: child_file.exists() and child_file.read_text().strip())
    child = int(child_file.read_text())
    supervisor.stop("parent")
    assert not alive(child)


def test_stop_finds_the_group_of_a_leader_that_died(supervisor, tmp_path):
    """A keeper killed the hard way leaves its operator behind; stopping still reaches it."""
    child_file = tmp_path / "child"
    script = f"sleep 300 & echo $! > {child_file}; wait"
    record = supervisor.start("parent", ["sh", "-c", script])
    wait_until(lambda: child_file.exists() and child_file.read_text().strip())
    child = int(child_file.read_text())
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: not alive(record.pid))
    supervisor.stop("parent")
    assert not alive(child)


def test_a_process_deaf_to_sigterm_is_killed_after_the_grace(supervisor):
    script = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"  # noqa: E501
    record = supervisor.start("deaf", [sys.executable, "-c", script])
    wait_until(lambda: "1" in supervisor.log_path("deaf").read_text())
    started = time.monotonic()
    supervisor.stop("deaf", grace=0.3)
    assert not alive(record.pid)
    assert time.monotonic() - started < 5


def test_starting_twice_keeps_the_first(supervisor):
    first = supervisor.start("one", SLEEP)
    assert supervisor.start("one", SLEEP) == first
    assert supervisor.started == ["one"]


def test_stopping_twice_is_harmless(supervisor):
    supervisor.start("one", SLEEP)
    supervisor.stop_all()
    supervisor.stop_all()
    supervisor.stop("one")


def test_stop_all_stops_the_last_started_first(supervisor, monkeypatch):
    """An API server that loses its etcd first would wait for it while it shuts down."""
    for name in ("first", "second", "third"):
        supervisor.start(name, SLEEP)
    order = []
    stop = Supervisor.stop
    monkeypatch.setattr(
        Supervisor, "stop", lambda self, name, grace: (order.append(name), stop(self, name, grace))
    )
    supervisor.stop_all()
    assert order == ["third", "second", "first"]


def test_stop_started_leaves_alone_what_ran_before(supervisor):
    """An `up` that fails on a half-running sandbox undoes its own part only."""
    before = supervisor.start("before", SLEEP)
    second = Supervisor(supervisor.run_dir, supervisor.log_dir)
    mine = second.start("mine", SLEEP)
    second.stop_started()
    assert before.running()
    assert not mine.running()


def test_a_recycled_process_id_is_never_signalled():
    """After a reboot the recorded id may be anybody's."""
    bystander = subprocess.Popen(SLEEP, start_new_session=True)
    try:
        stop_record(ProcessRecord("ours", bystander.pid, "1", 0.0), grace=0.2)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_zombie_does_not_count_as_running():
    child = subprocess.Popen(["true"])
    wait_until(lambda: start_time(child.pid) is None)
    child.wait()


def test_a_process_that_ends_while_starting_shows_its_log(supervisor):
    supervisor.start("broken", ["sh", "-c", "echo no such flag >&2; exit 1"])
    with pytest.raises(StartError, match=r"(?s)broken ended.*no such flag.*broken\.log"):
        supervisor.wait_ready("broken", lambda: False, 10)


def test_waiting_for_readiness_is_bounded(supervisor):
    supervisor.start("slow", SLEEP)
    with pytest.raises(StartError, match=r"not ready after 0 s"):
        supervisor.wait_ready("slow", lambda: False, 0.1)


def test_an_interrupt_between_start_and_record_leaves_no_process(supervisor, monkeypatch):
    """The child waits for a word from its parent, which an interrupted parent never gives."""
    seen = []

    def interrupted(pid: int) -> str:
        seen.append(pid)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sandbox.processes.start_time", interrupted)
        with pytest.raises(KeyboardInterrupt):
            supervisor.start("one", SLEEP)
    wait_until(lambda: not alive(seen[0]))
    assert supervisor.record("one") is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_starter_that_is_shot_leaves_only_what_it_recorded(tmp_path, number):
    """Whatever moment is hit, every living child can be found and stopped by its record."""
    script = (
        "import sys; from pathlib import Path; from sandbox.processes import Supervisor\n"
        "base = Path(sys.argv[1]); one = Supervisor(base / 'run', base / 'log')\n"
        "print('go', flush=True)\n"
        "for number in range(200): one.start(f'n{number}', ['sleep', '300'])\n"
    )
    for delay in (0.0, 0.004, 0.011, 0.023):
        base = tmp_path / f"{number}-{delay}"
        starter = subprocess.Popen(
            [sys.executable, "-c", script, str(base)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=PROJECT,
        )
        starter.stdout.readline()
        time.sleep(delay)
        starter.send_signal(number)
        starter.wait()
        starter.stdout.close()
        supervisor = Supervisor(base / "run", base / "log")
        supervisor.stop_all(grace=1)
        wait_until(lambda base=base: not logging_to(base / "log"))


def logging_to(folder: Path) -> list[str]:
    """Processes whose output goes to `folder`, however they are called."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if str(link.readlink()).startswith(f"{folder}/"):
                found.append(link.parts[2])
        except OSError:
            continue
    return found
