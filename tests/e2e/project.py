"""A copy of the project in a folder of its own, with a sandbox on free ports, for e2e tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot import engine
from bot.clients import environment
from bot.clients.https import Client
from bot.clients.target import Target
from bot.engine import Engine
from bot.engine import target as engine_target
from sandbox import cluster, lifecycle, providers, toolchain
from sandbox.processes import ProcessRecord, Supervisor
from sandbox.settings import Settings
from stack.charts import Charts
from tests.programs import ran

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("bot", "components", "policies", "sandbox", "schema", "stack")
# A forgotten sandbox ends by itself: one of a test or a module, and one that a whole run shares.
TTL_SECONDS = 3600
SHARED_TTL_SECONDS = 3 * 3600


# The plugins that `place_standins` found none of.
_STOOD_IN: list[str] = []


def missing_engine(*, standins: bool = False) -> str | None:
    """Why a test with the engine cannot run here; None when it can.

    standins: it runs with stand-ins for plugins too. Those are for `make sandbox`, and so is the
    Kubernetes provider that Go builds: it is older, and repairs of fields that others own differ.
    """
    if _STOOD_IN and not standins:
        return f"pulumi-resource-{_STOOD_IN[0]} is not on PATH, and stand-ins are for make sandbox"
    if shutil.which("pulumi") is None:
        return "pulumi is not on PATH"
    if not environment.plugins_on_path(os.environ["PATH"]):
        return "the providers' plugins are not on PATH"
    return missing_charts() or toolchain.missing_reason()


def place_standins(folder: Path) -> None:
    """Put stand-ins for the plugins that this machine lacks on PATH, behind everything else.

    With the engine and the Kubernetes provider alone `make sandbox` then runs as with all of them;
    what compares the stand-ins with the plugins looks for those where they were before.
    """
    names = [n for n in providers.NAMES if shutil.which(f"pulumi-resource-{n}") is None]
    if names:
        _STOOD_IN[:] = names
        placed = providers.place(folder, names)
        os.environ["PATH"] = os.pathsep.join((os.environ.get("PATH", os.defpath), str(placed)))


def missing_charts() -> str | None:
    """Why the charts cannot be used here; None when they can. The agent's chart is not public."""
    absent = [name for name in Charts(PROJECT).missing() if name != "linkerd-buoyant"]
    return f"chart archives missing: {', '.join(absent)} (make charts)" if absent else None


def copy_to(folder: Path, ttl_seconds: int = TTL_SECONDS) -> Copy:
    """Copy what the program, the bot and the sandbox are made of."""
    folder.mkdir(parents=True, exist_ok=True)
    left_out = shutil.ignore_patterns("__pycache__", ".venv")
    for name in COPIED:
        shutil.copytree(PROJECT / name, folder / name, ignore=left_out)
    for file in PROJECT.glob("*"):
        # In a linked working tree `.git` is a file: with it the copy's commits would be ours.
        if file.is_file() and file.name != ".git":
            shutil.copy2(file, folder / file.name)
    (folder / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    return Copy(folder, ttl_seconds)


@dataclass(frozen=True)
class Copy:
    """The copy, and its sandbox in `.sandbox`, which ends after `ttl_seconds` at the latest."""

    folder: Path
    ttl_seconds: int = TTL_SECONDS

    @property
    def settings(self) -> Settings:
        """The sandbox as it was started."""
        return lifecycle.adopted(Settings.default(self.folder))

    @property
    def api(self) -> Client:
        """A client of its API server."""
        return cluster.client(self.settings)

    @property
    def target(self) -> Target:
        """The sandbox stack for the engine."""
        return engine_target.of("sandbox", self.folder)

    @property
    def engine(self) -> Engine:
        """The engine of this machine."""
        return engine.find(install=False)

    def environment(self) -> dict[str, str]:
        """The environment of every command: nothing of the copied-from project."""
        return {**os.environ, "SANDBOX_TTL": str(self.ttl_seconds), "PYTHONPATH": str(self.folder)}

    def run(self, *arguments: str, seconds: float = 900) -> subprocess.CompletedProcess[str]:
        """Run `python -m ...` in the copy; its output is text."""
        return ran(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env=self.environment(),
            timeout=seconds,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `python -m ...` with its output in `output.log`."""
        with (self.folder / "output.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self.folder,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def output(self) -> str:
        """What the command of `start` has printed so far."""
        return (self.folder / "output.log").read_text(errors="replace")

    def wait_for(self, text: str, process: subprocess.Popen[bytes], seconds: float = 400) -> None:
        """Return as soon as the started command prints `text`."""
        self._wait(text, lambda: text in self.output(), process, seconds)

    def wait_in_update(self, text: str, process: subprocess.Popen[bytes]) -> None:
        """Return as soon as the update prints `text`; the verdict ends what its preview said."""
        self._wait(text, lambda: text in self.output().partition("verdict: ")[2], process, 400)

    def _wait(
        self,
        what: str,
        seen: Callable[[], bool],
        process: subprocess.Popen[bytes],
        seconds: float,
    ) -> None:
        deadline = time.monotonic() + seconds
        while not seen():
            assert process.poll() is None, f"ended before {what!r}:\n{self.output()}"
            assert time.monotonic() < deadline, f"no {what!r} in {seconds} s:\n{self.output()}"
            time.sleep(0.02)

    def down(self) -> None:
        """Stop the servers and delete the state."""
        lifecycle.down(self.settings, lambda _text: None)
        shutil.rmtree(self.folder / ".sandbox", ignore_errors=True)


def records(copy: Copy) -> list[ProcessRecord]:
    """The servers of the copy's sandbox."""
    return Supervisor(copy.settings.run_dir, copy.settings.log_dir).records()


def sessions_below(pid: int) -> list[int]:
    """The process and all its descendants: each session of them is killed by `kill_all`."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for the command and everything it started, as a crash of the machine would."""
    for pid in sessions_below(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait(60)
