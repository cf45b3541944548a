"""Git runs no program that a tree's attributes ask for and a setting names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.text import git as bot_git
from tests.unit.git_repository import commit, git, repository


@pytest.mark.parametrize("where", ["user", "repository"])
def test_no_filter_is_run(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull request can bring attributes; the names of the user's filters are easy to guess."""
    folder, ran = repository(tmp_path / "repo"), tmp_path / "ran"
    (folder / "a.txt").write_text("one\n")
    commit(folder)
    settings = tmp_path / "settings"
    settings.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("")
    file = tmp_path / ".gitconfig" if where == "user" else folder / ".git" / "config"
    evil = f"touch {ran}; cat"
    with file.open("a") as out:
        out.write(
            f'[filter "x"]\n\tclean = "{evil}"\n\tsmudge = "{evil}"\n\tprocess = "{evil}"\n'
            f"\trequired = true\n"
            f'[diff "x"]\n\ttextconv = "{evil}"\n\tcommand = "{evil}"\n'
            f'[core]\n\tfsmonitor = "{evil}"\n\thooksPath = {tmp_path}\n'
            f'[alias]\n\tstatus = "!{evil}"\n'
        )
    (folder / ".gitattributes").write_text("* filter=x diff=x\n")
    (folder / "a.txt").write_text("two\n")
    assert bot_git.dirty(folder)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    bot_git.export(bot_git.head(folder), folder, tmp_path / "one")
    bot_git.export_working_tree(folder, tmp_path / "two")
    assert not ran.exists()
    assert (tmp_path / "two" / "a.txt").read_text() == "two\n"
    # With git alone it is run: the test would notice.
    git(folder, "-c", "filter.x.process=", "-c", "filter.x.required=false", "add", ".")
    assert ran.exists() or where == "user"
