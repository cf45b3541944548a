"""A plan between two revisions and the engine's preview of the same change name the same things.

Without this a plan would be an opinion: reviewers of a fork's pull request have nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.changes.model import ChangeSet, Op
from tests.e2e.project import Copy
from tests.unit.git_repository import commit, repository

pytestmark = pytest.mark.e2e
_PREFIX = "linkerd-platform:"


@pytest.fixture(scope="module")
def revision(mesh: tuple[Copy, str]) -> Iterator[Copy]:
    """The deployed mesh, whose program is a commit for as long as this takes."""
    copy, _ = mesh
    repository(copy.folder)
    try:
        commit(copy.folder)
        yield copy
    finally:
        shutil.rmtree(copy.folder / ".git")


@pytest.fixture
def stack_file(revision: Copy) -> Iterator[Path]:
    """The sandbox's stack file, which is put back."""
    file = revision.folder / "Pulumi.sandbox.yaml"
    before = file.read_text(encoding="utf-8")
    yield file
    file.write_text(before, encoding="utf-8")


def _edit(file: Path, **sections: dict[str, Any]) -> None:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, values in sections.items():
        content["config"].setdefault(f"{_PREFIX}{name}", {}).update(values)
    file.write_text(yaml.safe_dump(content), encoding="utf-8")


def _both(copy: Copy) -> tuple[ChangeSet, ChangeSet]:
    """The change set of the engine, and that of the plan."""
    out = copy.folder / ".local" / "out"
    out.mkdir(parents=True, exist_ok=True)
    preview = copy.run("bot", "preview", "--stack", "sandbox", "--out", str(out / "preview.json"))
    assert preview.returncode == 0, f"{preview.stdout}\n{preview.stderr}"
    plan = copy.run(
        "bot", "plan", "--stack", "sandbox", "--base", "HEAD", "--out", str(out / "plan")
    )
    assert plan.returncode == 0, f"{plan.stdout}\n{plan.stderr}"
    files = (out / "preview.json", out / "plan" / "sandbox.changes.json")
    one, two = (ChangeSet.model_validate_json(file.read_text()) for file in files)
    return one, two


def _told(changes: ChangeSet) -> dict[str, tuple[Op, frozenset[str]]]:
    return {c.urn: (c.op, frozenset(field.path for field in c.fields)) for c in changes.changes}


def test_a_value_of_a_chart_is_told_alike(revision: Copy, stack_file: Path) -> None:
    """Down to the path of every property, in every object that the chart renders."""
    _edit(stack_file, linkerd={"logLevel": "debug", "defaultInboundPolicy": "audit"})
    preview, plan = _both(revision)
    assert plan.complete, plan.doubts
    assert len(plan.changes) > 3
    assert _told(plan) == _told(preview)


def test_a_component_that_goes_is_told_alike(revision: Copy, stack_file: Path) -> None:
    """Deletions, and what they are guarded by."""
    _edit(stack_file, viz={"enabled": False})
    preview, plan = _both(revision)
    assert {change.op for change in plan.changes} >= {Op.DELETE}
    assert _told(plan) == _told(preview)
    assert {c.urn for c in plan.changes if c.protected} == {
        c.urn for c in preview.changes if c.protected
    }


def test_a_generation_is_told_alike(revision: Copy, stack_file: Path) -> None:
    """A new root, and everything that is to trust it."""
    content = yaml.safe_load(stack_file.read_text(encoding="utf-8"))
    trust = content["config"][f"{_PREFIX}trust"]
    trust["generations"].append({**trust["generations"][0], "name": "sandbox-2"})
    stack_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    preview, plan = _both(revision)
    assert {change.op for change in plan.changes} >= {Op.CREATE, Op.UPDATE}
    assert _told(plan) == _told(preview)


def test_nothing_is_told_alike(revision: Copy) -> None:
    preview, plan = _both(revision)
    assert _told(plan) == _told(preview) == {}
