"""Start, watch and stop the processes of a sandbox, by process id and never by name.

A process is remembered in `run/<name>.json` with its id and its start time: an id that the system
has given to somebody else since is never signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.engine.process_start import start_time

STOP_SECONDS = 10.0
PROJECT = Path(__file__).resolve().parent.parent
_HELD_BACK = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class StartError(Exception):
    """A process ended, or was not ready in time; the text has the last lines of its log."""


@dataclass(frozen=True)
class ProcessRecord:
    """One started process. order: when it was started among the others (seconds since epoch)."""

    name: str
    pid: int
    start_time: str
    order: float

    def running(self) -> bool:
        """Tell whether this very process is alive: same id and same start time."""
        return start_time(self.pid) == self.start_time


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold SIGINT, SIGTERM and SIGHUP back in the block, so that no stop is left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread alone: none can interrupt this one.
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Supervisor:
    """The processes whose records are in one folder; several supervisors may share the folder."""

    def __init__(self, run_dir: Path, log_dir: Path) -> None:
        self.run_dir = run_dir
        self.log_dir = log_dir
        self.started: list[str] = []

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> ProcessRecord:
        """Start `command` in a session of its own, its output going to `<log_dir>/<name>.log`.

        A process of that name that runs already is returned as it is. env: added to the
        environment. The program begins only after its record is written: interrupted or killed
        before that, this process takes the waiting child along.
        """
        running = self.record(name)
        if running and running.running():
            return running
        for folder in (self.run_dir, self.log_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log_path(name).open("ab") as log:
            process = subprocess.Popen(
                # At end of file, which is what a dead parent leaves, `read` fails and sh ends.
                ["/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', name, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env} if env else None,
                start_new_session=True,
            )
        try:
            return self._admit(name, process)
        except BaseException:
            if process.stdin:
                process.stdin.close()
            raise

    def _admit(self, name: str, process: subprocess.Popen[bytes]) -> ProcessRecord:
        _children[process.pid] = process
        record = ProcessRecord(name, process.pid, start_time(process.pid) or "", time.time())
        self.started.append(name)
        partial = self.run_dir / f".{name}.partial"
        partial.write_text(json.dumps(asdict(record)))
        partial.replace(self.run_dir / f"{name}.json")
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"go\n")
                process.stdin.close()
        return record

    def record(self, name: str) -> ProcessRecord | None:
        """Return what is known of the process `name`, running or not."""
        try:
            return ProcessRecord(**json.loads((self.run_dir / f"{name}.json").read_text()))
        except FileNotFoundError:
            return None

    def records(self) -> list[ProcessRecord]:
        """Return every record, in the order in which the processes were started."""
        found = (self.record(path.stem) for path in self.run_dir.glob("*.json"))
        return sorted((each for each in found if each), key=lambda each: each.order)

    def running(self, name: str) -> bool:
        """Tell whether the process `name` is alive."""
        record = self.record(name)
        return bool(record and record.running())

    def log_path(self, name: str) -> Path:
        """Return the log file of the process `name`."""
        return self.log_dir / f"{name}.log"

    def wait_ready(self, name: str, probe: Callable[[], bool], seconds: float) -> None:
        """Return once `probe` answers True.

        Raises StartError when the process ends first, or `seconds` pass.
        """
        deadline = time.monotonic() + seconds
        while not probe():
            if not self.running(name):
                raise StartError(f"{name} ended while it was starting\n{self.log_tail(name)}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"{name} was not ready after {seconds:.0f} s\n{self.log_tail(name)}"
                )
            time.sleep(0.05)

    def log_tail(self, name: str, lines: int = 12) -> str:
        """Return the last lines of a log, with the path of the whole."""
        path = self.log_path(name)
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join([*text.splitlines()[-lines:], f"(log: {path})"])

    def stop(self, name: str, grace: float = STOP_SECONDS) -> None:
        """Stop the process `name` and what it started; return when none of it is left.

        grace: seconds between SIGTERM and SIGKILL. Without such a process nothing happens.
        """
        record = self.record(name)
        if record is None:
            return
        with signals_held():
            stop_record(record, grace)
            (self.run_dir / f"{name}.json").unlink(missing_ok=True)

    def stop_all(self, grace: float = STOP_SECONDS) -> None:
        """Stop every process, the one started last first."""
        with signals_held():
            for record in reversed(self.records()):
                self.stop(record.name, grace)

    def stop_started(self, grace: float = STOP_SECONDS) -> None:
        """Stop what this supervisor started and leave alone what ran before."""
        with signals_held():
            for name in reversed(self.started):
                self.stop(name, grace)


def python_path() -> dict[str, str]:
    """Return the environment in which `python -m sandbox...` works from any folder."""
    rest = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{PROJECT}{os.pathsep}{rest}" if rest else str(PROJECT)}


# Kept so that a child's exit is collected; a collected Popen object would complain that it runs.
_children: dict[int, subprocess.Popen[bytes]] = {}


def stop_record(record: ProcessRecord, grace: float) -> None:
    """Stop the process of `record` and its process group, then wait until they are gone."""
    now = start_time(record.pid)
    if now not in (None, record.start_time):
        return  # The id belongs to somebody else now.
    _signal_group(record.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while _group(record.pid):
        if time.monotonic() > deadline:
            _signal_group(record.pid, signal.SIGKILL)
            deadline += grace
        time.sleep(0.02)
    child = _children.pop(record.pid, None)
    if child:
        child.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    # A process group keeps its number reserved: while it has members, the number is ours.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _group(pgid: int) -> list[int]:
    """Return the living members of a process group."""
    answer: list[int] = []
    if not Path("/proc/self/stat").exists():
        rows = subprocess.run(
            ["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=False
        ).stdout.splitlines()
        split = (row.split() for row in rows)
        return [int(pid) for pid, group, state in split if int(group) == pgid and state[0] != "Z"]
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group = path.read_text().rpartition(")")[2].split()[:3]
            if int(group) == pgid and state not in "ZX":
                answer.append(int(path.parent.name))
    return answer
