"""The workflows as actionlint sees them: contexts, types of expressions, inputs of actions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox import toolchain
from tests.programs import ran

pytestmark = pytest.mark.e2e
PROJECT = Path(__file__).resolve().parents[2]


def lint(*files: Path) -> subprocess.CompletedProcess[str]:
    """Run it without the linters of other languages, which may or may not be installed."""
    program = toolchain.find("actionlint")
    if program is None:
        pytest.skip("actionlint is neither on PATH nor built: make actionlint")
    return ran(
        [str(program), "-no-color", "-shellcheck=", "-pyflakes=", *map(str, files)],
        cwd=PROJECT,
    )  # fmt: skip


def test_the_workflows_are_clean() -> None:
    """GitHub tells the same only when it is too late."""
    done = lint(*sorted((PROJECT / ".github/workflows").glob("*.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fault_in_a_workflow_is_found(tmp_path: Path) -> None:
    """The check itself must bite."""
    text = (PROJECT / ".github/workflows/drift.yml").read_text()
    (tmp_path / "drift.yml").write_text(text.replace("vars.VAULT_ADDR", "matrix.address"))
    done = lint(tmp_path / "drift.yml")
    assert done.returncode == 1
    assert "matrix" in done.stdout
