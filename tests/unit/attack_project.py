"""A fleet in a repository, with a stand-in of the engine: to try ways around an approval on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import engine
from bot.cli import dispatch
from bot.deploy import backend
from bot.engine import target as engine_target
from bot.exit_codes import DONE
from tests.unit import bot_project
from tests.unit import delivery_samples as samples
from tests.unit.context import Context
from tests.unit.git_repository import git

_PLAN = {"anchor-sign": "update"}
SKIP = ("--skip-waves", "--reason", "staging is away")
MODULE = "schema/values.py"
ARCHIVE = "linkerd-crds-2026.6.3.tgz"


@dataclass
class Project:
    """A fleet in a repository: `trust` makes the anchor, `production` needs an approval."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str, code: int = DONE) -> str:
        """Run the bot; what it printed."""
        self.capsys.readouterr()
        assert dispatch.main(list(words)) == code, "".join(self.capsys.readouterr())
        told = self.capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return told.out + told.err

    @property
    def changes(self) -> Path:
        return self.folder / "state" / "changes.json"

    @property
    def approval(self) -> Path:
        return self.folder / "state" / "approval.json"

    def preview(self, stack: str = "production", code: int = DONE) -> str:
        return self.run("preview", "--stack", stack, "--out", str(self.changes), code=code)

    def approve(self, *options: str, stack: str = "production", code: int = DONE) -> str:
        words = ("--changes", str(self.changes), "--by", "ada", "--out", str(self.approval))
        return self.run("approve", "--stack", stack, *words, *options, code=code)

    def up(self, *options: str, stack: str = "production", code: int = DONE) -> str:
        words = options or ("--approved", str(self.approval), *SKIP)
        return self.run("up", "--stack", stack, *words, code=code)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def git(self, *words: str) -> str:
        return git(self.folder, *words)

    def data(self, **more: Any) -> dict[str, Any]:
        """What the backend holds, with this in it from now on."""
        file = self.folder / "backend.json"
        found: dict[str, Any] = {**json.loads(file.read_text()), **more}
        file.write_text(json.dumps(found))
        return found

    @property
    def applied(self) -> int:
        """How many updates and destructions the engine was asked for."""
        calls = self.data().get("calls", ())
        return sum(c[0] in ("up", "destroy") and "--preview-only" not in c for c in calls)

    @property
    def entry(self) -> backend.Entry:
        """The newest of the history, as the bot reads it."""
        where = engine_target.of("production")
        return backend.history(engine.find(), where)[0]


@pytest.fixture
def project(
    tmp_path: Path,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Project:
    """The whole fleet committed, charts in the cache, a kubeconfig, an engine of the test."""
    folder = tmp_path / "project"
    folder.mkdir()
    reads = ["Pulumi.production.yaml", MODULE, f".local/{ARCHIVE}"]
    samples.target(folder, plan=_PLAN, reads=reads)
    made = Project(folder, capsys)
    made.write(MODULE, "replicas = 3\n")
    made.write(".github/workflows/stack.yml", "on: push\n")
    samples.repository(folder)
    monkeypatch.setenv("CHARTS_DIR", str(bot_project.archives(tmp_path / "charts")))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", (folder / "state").as_uri())
    contexts(tmp_path, production="https://api.production.example.com:6443")
    (folder / "state").mkdir(exist_ok=True)
    context.project(folder)
    context.engine()
    context.vault(samples.Transit())
    context.mesh()
    return made


def contexts(folder: Path, **servers: str) -> None:
    """A kubeconfig with a context for each server, of no authority of its own."""
    document: dict[str, Any] = {"contexts": [], "clusters": [], "users": []}
    for name, server in servers.items():
        document["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
        document["clusters"].append({"name": name, "cluster": {"server": server}})
        document["users"].append({"name": name, "user": {"token": name}})
    (folder / "kubeconfig").write_text(yaml.safe_dump(document))
