"""The commit that a deployment is of, and whether the files are that commit's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.exit_codes import BotError
from bot.text import git

SHORT = git.SHORT


@dataclass(frozen=True)
class Tree:
    """The checked-out commit, None without git; dirty: files differ from it, or are not in it.

    beside: digests of those files, by path.
    """

    commit: str | None
    dirty: bool
    beside: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)

    @property
    def clean(self) -> bool:
        """True when the commit alone says what is deployed."""
        return self.commit is not None and not self.dirty

    def __str__(self) -> str:
        if self.commit is None:
            return "no git commit"
        state = " with uncommitted changes" if self.dirty else ""
        return f"commit {self.commit[:SHORT]}{state}"


def read(project_dir: Path) -> Tree:
    """The tree of a project. What git cannot tell, or is not there to tell, counts as dirty.

    What the commit itself ignores does not: the chart archives among it are bound by their digests.
    """
    try:
        beside = git.beside(project_dir)
        return Tree(git.head(project_dir), bool(beside), beside)
    except BotError:
        return Tree(None, dirty=True)


def contains(project_dir: Path, commit: str, older: str) -> bool:
    """True when `older` is `commit` or an ancestor of it; False also where git cannot tell."""
    try:
        return git.contains(commit, older, project_dir)
    except BotError:
        return False
