"""`make lint` as tests, so that the counts of `make test` hold it too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from tests.programs import ran

PROJECT = Path(__file__).resolve().parents[2]
CHECKS = {
    "ruff": ["ruff", "check", "--quiet", "."],
    "format": ["ruff", "format", "--check", "--quiet", "."],
    "types": ["mypy"],
    "generated-docs": ["stack.docs", "--check"],
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_project_is_clean(name: str) -> None:
    """A finding stays cheap to mend as long as there is only one."""
    done = ran(
        [sys.executable, "-m", *CHECKS[name]],
        cwd=PROJECT, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_lint_runs_the_same_checks() -> None:
    """Two lists of checks would drift apart."""
    recipe = (PROJECT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    for command in CHECKS.values():
        words = " ".join(word for word in command if word != "--quiet")
        assert f"-m {words}\n" in f"{recipe}\n"


def test_what_runs_before_a_commit_is_make_lint() -> None:
    """Another list of hooks, with versions of their own, would disagree with it."""
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())
    ((hook,),) = (repo["hooks"] for repo in hooks["repos"] if repo["repo"] == "local")
    assert len(hooks["repos"]) == 1
    assert hook["entry"] == "make lint"
    assert (hook["language"], hook["pass_filenames"]) == ("system", False)


def test_a_file_holds_one_idea() -> None:
    """From 500 lines on a reader scrolls for the part that matters; less would split one idea."""
    files = [p for d in ("schema", "stack", "components", "bot", "sandbox", "policies", "tests")
             for p in (PROJECT / d).rglob("*.py") if ".venv" not in p.parts]  # fmt: skip
    long = {str(p.relative_to(PROJECT)): n for p in files if (n := _lines(p)) >= 500}
    assert files
    assert not long


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
