"""A project in git with an older commit, for tests of what goes back to it."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.changes.model import ChangeSet
from bot.clients.target import Target
from bot.deploy import rollback, rollback_rules, up, verify
from bot.deploy.rollback import Rollback
from bot.deploy.tree import Tree
from bot.engine import Engine
from bot.exit_codes import DONE
from tests.unit.bot_project import PROJECT_DIR
from tests.unit.context import Context
from tests.unit.git_repository import commit, git
from tests.unit.waves_sample import project, two_waves

Delivered = list[tuple[Target, Rollback]]


def edit(folder: Path, stack: str, old: str, new: str) -> None:
    """Replace text in a stack file."""
    file = folder / f"Pulumi.{stack}.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def repository(folder: Path) -> Path:
    """A project with a first commit, a virtual environment, and what runs leave behind."""
    made = project(folder, two_waves())
    for name in ("Pulumi.yaml", "charts.yaml"):
        (made / name).write_bytes((PROJECT_DIR / name).read_bytes())
    (made / "__main__.py").write_text("first = True\n")
    (made / "requirements.txt").write_text("pulumi==1.0.0\n")
    (made / ".gitignore").write_text(".venv/\n.local/\n.sandbox/\n*.kubeconfig\n")
    (made / "docs").mkdir()
    (made / "docs" / "page.md").write_text("page\n")
    (made / ".venv").mkdir()
    git(made, "init", "--quiet", "--initial-branch", "main")
    commit(made, "first")
    return made


def template(folder: Path) -> Path:
    """A project whose older commit had another log level; made once, and copied for each test."""
    made = repository(folder)
    edit(made, "one", "logLevel: info", "logLevel: debug")
    commit(made, "debug")
    return made


def prepared(made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the template; charts, state and engine are made up."""
    copied = Path(shutil.copytree(made, folder / "project"))
    Context(monkeypatch).engine()
    monkeypatch.setattr(rollback.Charts, "link", lambda *_charts: None)
    monkeypatch.setattr(rollback_rules, "deployed_crds", lambda _engine, _today: {})
    monkeypatch.setattr(verify, "refuse_unable", lambda _target: None)
    return copied


def deliveries(monkeypatch: pytest.MonkeyPatch) -> Delivered:
    """What is handed over to be applied from now on."""
    found: Delivered = []

    def deliver(
        _engine: Engine,
        target: Target,
        wanted: Rollback,
        _arguments: argparse.Namespace,
        refuse: Callable[[ChangeSet], None],
        _checked_out: Callable[[], Tree],
    ) -> int:
        refuse(ChangeSet(stack=target.stack, source="preview"))
        found.append((target, wanted))
        return DONE

    monkeypatch.setattr(up, "deliver", deliver)
    return found


def arguments(**more: Any) -> argparse.Namespace:
    """What the parser makes of `--stack one --to HEAD~1 --yes`, with different values for some."""
    values: dict[str, Any] = {
        "stack": "one",
        "to": "HEAD~1",
        "preview": False,
        "approve_by": None,
        "yes": True,
        "approved": None,
        "out": None,
        "allow": [],
        "skip_waves": False,
        "reason": None,
        "refresh": False,
        "no_verify": False,
        "wait": 0.0,
        "timeout": 1800.0,
    }
    return argparse.Namespace(**{**values, **more})
