"""Which commit is deployed, and whether it is only that."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.deploy import tree
from tests.unit.delivery_samples import COMMIT, repository
from tests.unit.git_repository import git


def test_clean_commit_is_told(tmp_path: Path) -> None:
    """The baseline; what git ignores does not make it another program."""
    (tmp_path / "a").write_text("1")
    commit = repository(tmp_path)
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "archive.tgz").write_text("x")
    found = tree.read(tmp_path)
    assert (found.commit, found.clean) == (commit, True)
    assert str(found) == f"commit {commit[:12]}"


@pytest.mark.parametrize("name", ["a", "untracked.py"])
def test_file_that_is_not_the_commits_makes_it_dirty(tmp_path: Path, name: str) -> None:
    """An untracked module is imported like any other."""
    (tmp_path / "a").write_text("1")
    repository(tmp_path)
    (tmp_path / name).write_text("2")
    found = tree.read(tmp_path)
    assert not found.clean
    assert "uncommitted" in str(found)


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_file_that_git_was_told_not_to_look_at_is_dirty(tmp_path: Path, flag: str) -> None:
    """`git status` shows nothing, and the program is another than the one that was approved."""
    (tmp_path / "a").write_text("1")
    repository(tmp_path)
    git(tmp_path, "update-index", flag, "a")
    (tmp_path / "a").write_text("2")
    assert git(tmp_path, "status", "--porcelain") == ""
    assert not tree.read(tmp_path).clean


def test_without_git_nothing_is_clean(tmp_path: Path) -> None:
    """A downloaded archive has no commit that anybody could look at."""
    found = tree.read(tmp_path)
    assert (found.commit, found.clean) == (None, False)
    assert not tree.contains(tmp_path, COMMIT, "b" * 40)
