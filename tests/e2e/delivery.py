"""A deployed sandbox in a git repository, as a pipeline has it: for tests of what `up` may do."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot import engine
from bot.deploy import lock
from tests.e2e import project
from tests.e2e.project import Copy
from tests.unit.git_repository import git

_FILE = "Pulumi.sandbox.yaml"
# What a pipeline leaves lying around is no change of the program.
_IGNORED = ".venv\n.local/\n.sandbox/\n.pipeline/\n__pycache__/\n"


@dataclass(frozen=True)
class Pipeline:
    """The copy, and what a pipeline does in it."""

    copy: Copy

    @property
    def folder(self) -> Path:
        """Where approvals and outputs go."""
        made = self.copy.folder / ".pipeline"
        made.mkdir(exist_ok=True)
        return made

    def begin(self) -> None:
        """Start the servers, commit everything, and deploy without viz."""
        copy = self.copy
        (copy.folder / ".gitignore").write_text(_IGNORED)
        (copy.folder / "fleet.yaml").unlink()
        self.git("init", "-q")
        self.configure({"viz": {"enabled": False}})
        done = copy.run("sandbox", "cluster", "up", "--ephemeral")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        self.must(0, "up", "--stack", "sandbox", "--yes")

    def git(self, *arguments: str) -> str:
        """Run git in the copy."""
        return git(self.copy.folder, *arguments)

    def configure(self, sections: dict[str, Any], *, commit: bool = True) -> None:
        """Set sections of the stack file, and commit."""
        file = self.copy.folder / _FILE
        document = yaml.safe_load(file.read_text())
        for name, section in sections.items():
            document["config"][f"linkerd-platform:{name}"] = section
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        if commit:
            self.commit()

    def commit(self) -> str:
        """Commit all that is there; the commit."""
        self.git("add", "-A")
        self.git("commit", "-qm", "a change", "--allow-empty")
        return self.git("rev-parse", "HEAD")

    def must(self, code: int, *arguments: str) -> str:
        """Run the bot; what it printed. The exit code must be this one."""
        done = self.copy.run("bot", *arguments)
        told = done.stdout + done.stderr
        assert done.returncode == code, f"bot {' '.join(arguments)}: {done.returncode}\n{told}"
        assert "Traceback" not in told
        return told

    def approve(self, *options: str, code: int = 0) -> Path:
        """Preview and approve the commit; the approval."""
        changes, approval = self.folder / "changes.json", self.folder / "approval.json"
        self.must(0, "preview", "--stack", "sandbox", "--out", str(changes))
        words = ["--stack", "sandbox", "--changes", str(changes), "--by", "ada"]
        self.must(code, "approve", *words, "--out", str(approval), *options)
        return approval

    def up(self, code: int, *options: str) -> str:
        """Bring the stack up; what was printed."""
        return self.must(code, "up", "--stack", "sandbox", *options)

    def start(self, name: str, *options: str) -> Started:
        """Start `up` with its output in a file of its own."""
        file = self.folder / f"{name}.log"
        with file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bot", "up", "--stack", "sandbox", *options],
                cwd=self.copy.folder,
                env=self.copy.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return Started(process, file)

    def history(self) -> list[dict[str, Any]]:
        """What `bot history` tells, the newest first."""
        text = self.copy.run("bot", "history", "--stack", "sandbox", "--json").stdout
        found: list[dict[str, Any]] = json.loads(text)["operations"]
        return found

    def pulumi(self, *arguments: str) -> str:
        """Run a short command of the engine on the stack."""
        words = (*arguments, "--stack", "sandbox")
        return engine.short(self.copy.engine, self.copy.target, *words)

    def urn(self, end: str) -> str:
        """The URN of a resource of the state."""
        resources = json.loads(self.pulumi("stack", "export"))["deployment"]["resources"]
        return next(str(each["urn"]) for each in resources if each["urn"].endswith(end))

    def locked(self) -> bool:
        """True when somebody works on the stack."""
        return bool(lock.held(self.copy.target))


@dataclass(frozen=True)
class Started:
    """A bot that runs beside the test."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, what: str, true: Callable[[], bool], seconds: float = 120) -> None:
        """Return as soon as something is true."""
        deadline = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, f"ended before {what}:\n{self.told()}"
            assert time.monotonic() < deadline, f"no {what} in {seconds} s:\n{self.told()}"
            time.sleep(0.05)

    def told(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def ended(self, code: int, seconds: float = 300) -> str:
        """Wait for its end; what it printed."""
        assert self.process.wait(seconds) == code, self.told()
        return self.told()

    def kill(self) -> None:
        """End it, and all that it started, as a machine's crash would."""
        project.kill_all(self.process)

    def stop(self) -> None:
        """Leave nothing running where a test fails."""
        if self.process.poll() is None:
            project.kill_all(self.process)
