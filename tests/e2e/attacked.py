"""A fleet in a repository with a program of a few lines, which the real engine runs alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e import project
from tests.e2e.project import Copy
from tests.programs import ran
from tests.unit.git_repository import git

# One resource whose value is that of a file beside the program. It waits where somebody wants to do
# something while it is evaluated.
PROGRAM = """\
import time

import pulumi_random


async def run(_config, _charts, project_dir):
    wait = project_dir / ".local" / "wait"
    if wait.exists():
        (project_dir / ".local" / "waits").touch()
        deadline = time.monotonic() + 60
        while wait.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    value = (project_dir / "value.txt").read_text()
    pulumi_random.RandomId("value", byte_length=4, keepers={"value": value})
"""
PULUMI = "name: linkerd-platform\nruntime:\n  name: python\n  options:\n    virtualenv: .venv\n"
_IGNORED = ".venv\n.local/\n.pipeline/\n__pycache__/\n*.pyc\n"


@dataclass(frozen=True)
class Attacked:
    """The copy, whose owner stack needs an approval, and takes unsigned ones."""

    copy: Copy

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.copy.folder

    @property
    def environment(self) -> dict[str, str]:
        """Of every command: a backend and an engine's home of its own."""
        state = self.folder / ".pipeline" / "state"
        state.mkdir(parents=True, exist_ok=True)
        return {
            # Dropped, and named on stderr, which `must` reads too.
            **{k: v for k, v in self.copy.environment().items() if k != "PYTHONPATH"},
            "PULUMI_BACKEND_URL": state.resolve().as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_HOME": str(self.folder / ".pipeline" / "home"),
        }

    def begin(self) -> None:
        """Make the stack, and commit everything."""
        (self.folder / ".gitignore").write_text(_IGNORED)
        (self.folder / ".local").mkdir()
        (self.folder / "stack" / "program.py").write_text(PROGRAM)
        (self.folder / "Pulumi.yaml").write_text(PULUMI)
        (self.folder / "value.txt").write_text("3")
        fleet = yaml.safe_load((self.folder / "fleet.yaml").read_text())
        fleet["owner"] = {"stack": "trust", "approval": "required"}
        (self.folder / "fleet.yaml").write_text(yaml.safe_dump(fleet))
        document = yaml.safe_load((self.folder / "Pulumi.trust.yaml").read_text())
        document["config"]["linkerd-platform:approvals"] = {"unsigned": True}
        (self.folder / "Pulumi.trust.yaml").write_text(yaml.safe_dump(document))
        self.pulumi("stack", "init", "organization/linkerd-platform/trust", "--no-select")
        self.git("init", "-q")
        self.commit()

    def git(self, *arguments: str) -> str:
        """Run git in the copy."""
        return git(self.folder, *arguments)

    def commit(self) -> str:
        """Commit all that is there; the commit."""
        self.git("add", "-A")
        self.git("commit", "-qm", "a change", "--allow-empty")
        return self.git("rev-parse", "HEAD")

    def pulumi(self, *arguments: str) -> str:
        """Run the engine by hand."""
        done = ran(
            [self.copy.engine.program, *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def must(self, code: int, *arguments: str) -> str:
        """Run the bot; what it printed. The exit code must be this one."""
        process = self.start(*arguments)
        told, _ = process.communicate(timeout=300)
        assert process.returncode == code, (
            f"bot {' '.join(arguments)}: {process.returncode}\n{told}"
        )
        assert "Traceback" not in told
        return told

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the bot."""
        return subprocess.Popen(
            [sys.executable, "-m", "bot", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def meanwhile(self, act: Callable[[], object], code: int, *arguments: str) -> str:
        """Run the bot, and act while the program of its preview is evaluated."""
        (self.folder / ".local" / "waits").unlink(missing_ok=True)
        wait = self.folder / ".local" / "wait"
        wait.touch()
        process = self.start(*arguments)
        deadline = time.monotonic() + 120
        while not (self.folder / ".local" / "waits").exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        act()
        wait.unlink()
        told, _ = process.communicate(timeout=300)
        assert process.returncode == code, told
        return told

    @property
    def changes(self) -> Path:
        """What a preview writes."""
        return self.folder / ".pipeline" / "changes.json"

    @property
    def approval(self) -> Path:
        """What an approval writes."""
        return self.folder / ".pipeline" / "approval.json"

    def preview(self, code: int = 0) -> str:
        """Preview into the file."""
        return self.must(code, "preview", "--stack", "trust", "--out", str(self.changes))

    def approve(self, *options: str, code: int = 0) -> str:
        """Approve what is in the file."""
        words = ("--stack", "trust", "--changes", str(self.changes), "--by", "ada")
        return self.must(code, "approve", *words, "--out", str(self.approval), *options)

    def up(self, code: int = 0) -> str:
        """Apply what was approved."""
        return self.must(code, *UP, str(self.approval))

    @property
    def applied(self) -> str | None:
        """The value that the resource has in the state; None where there is none."""
        state = json.loads(self.pulumi("stack", "export", "--stack", "trust"))
        resources: list[dict[str, Any]] = state["deployment"].get("resources") or []
        found = [
            r["outputs"]["keepers"]["value"] for r in resources if r["urn"].endswith("::value")
        ]
        return str(found[0]) if found else None

    def history(self) -> list[dict[str, Any]]:
        """What `bot history` tells, the newest first."""
        told = self.must(0, "history", "--stack", "trust", "--json")
        found: list[dict[str, Any]] = json.loads(told)["operations"]
        return found


UP = ("up", "--stack", "trust", "--no-verify", "--approved")


def missing() -> str | None:
    """Why the real engine cannot run such a program here; None when it can."""
    for name in ("pulumi", "pulumi-language-python", "pulumi-resource-pulumi-python"):
        if not any(
            os.access(Path(folder) / name, os.X_OK)
            for folder in os.environ.get("PATH", "").split(os.pathsep)
        ):
            return f"{name} is not on PATH"
    return None


def made(folder: Path) -> Attacked:
    """A fleet in this folder."""
    attacked = Attacked(project.copy_to(folder))
    attacked.begin()
    return attacked
