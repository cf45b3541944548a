"""Revisions and exported trees: what a repository of somebody else's may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.exit_codes import BadInputError, MissingToolError
from bot.text import git as bot_git
from tests.unit.git_repository import commit, git, repository


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = repository(tmp_path / "repo")
    (folder / "a.txt").write_text("one\n")
    (folder / "sub").mkdir()
    (folder / "sub/b.py").write_text("b\n")
    commit(folder, "first")
    return folder


def _files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


def _exported(repo: Path, revision: str, to: Path, *leave_out: str) -> set[str]:
    to.mkdir()
    bot_git.export(bot_git.resolve(revision, repo), repo, to, leave_out)
    return _files(to)


@pytest.mark.parametrize("name", ["HEAD", "main", "HEAD~0", "HEAD^{commit}", "@"])
def test_a_revision_becomes_its_whole_hash(repo: Path, name: str) -> None:
    """A branch moves; what was compared must not."""
    assert bot_git.resolve(name, repo) == git(repo, "rev-parse", "HEAD")
    assert bot_git.head(repo) == git(repo, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    "name", ["--upload-pack=touch x", "-h", "", "main..HEAD", "a b", "HEAD:a.txt", "a\nb", "^main"]
)
def test_what_is_no_revision_never_reaches_git(
    repo: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option in the place of a branch name makes git run programs."""
    monkeypatch.setattr(bot_git, "_git", lambda *_: pytest.fail("git was run"))
    with pytest.raises(BadInputError, match="not the name of a commit"):
        bot_git.resolve(name, repo)


def test_an_unknown_revision_is_bad_input(repo: Path) -> None:
    with pytest.raises(BadInputError, match="'nowhere': git knows no such commit; see `git log`"):
        bot_git.resolve("nowhere", repo)


def test_a_blob_or_tree_is_no_commit(repo: Path) -> None:
    with pytest.raises(BadInputError, match="no such commit"):
        bot_git.resolve(git(repo, "rev-parse", "HEAD^{tree}"), repo)


def test_a_shallow_clone_says_how_to_fetch_more(repo: Path, tmp_path: Path) -> None:
    """Continuous integration clones one commit by default."""
    commit(repo, "second")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo}", "shallow")
    with pytest.raises(BadInputError, match="fetch-depth: 0"):
        bot_git.resolve("HEAD~1", tmp_path / "shallow")


def test_no_repository_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"not a git repository.*must be a clone"):
        bot_git.head(tmp_path)


def test_no_git_is_a_missing_tool(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingToolError, match="git is not on PATH"):
        bot_git.head(repo)


def test_variables_of_a_hook_name_no_other_repository(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook runs its commands with GIT_DIR set."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    assert len(bot_git.head(repo)) == 40


def test_dirty_counts_new_files_and_not_ignored_ones(repo: Path) -> None:
    assert not bot_git.dirty(repo)
    (repo / ".gitignore").write_text("*.log\n")
    commit(repo)
    (repo / "x.log").write_text("")
    assert not bot_git.dirty(repo)
    (repo / "new.py").write_text("")
    assert bot_git.dirty(repo)


def test_contains_follows_history(repo: Path) -> None:
    first = bot_git.head(repo)
    second = commit(repo, "second")
    assert bot_git.contains(second, first, repo)
    assert bot_git.contains(second, second, repo)
    assert not bot_git.contains(first, second, repo)


def test_an_export_is_the_tree_and_not_the_checkout(repo: Path, tmp_path: Path) -> None:
    (repo / "a.txt").write_text("changed\n")
    (repo / "program.sh").write_text("#!/bin/sh\n")
    (repo / "program.sh").chmod(0o755)
    git(repo, "add", "program.sh")
    git(repo, "commit", "--quiet", "--message", "program")
    assert _exported(repo, "HEAD", tmp_path / "out") == {"a.txt", "sub/b.py", "program.sh"}
    assert (tmp_path / "out/a.txt").read_text() == "one\n"
    assert (tmp_path / "out/program.sh").stat().st_mode & 0o100
    assert _exported(repo, "HEAD", tmp_path / "less", "sub") == {"a.txt", "program.sh"}


def test_a_project_below_the_top_is_exported_alone(repo: Path, tmp_path: Path) -> None:
    assert _exported(repo / "sub", "HEAD", tmp_path / "out") == {"b.py"}


def test_attributes_and_filters_have_no_say(repo: Path, tmp_path: Path) -> None:
    """A tree could hide what it changes, or run what the clone has set up as a filter."""
    ran = tmp_path / "ran"
    git(repo, "config", "filter.evil.smudge", f"touch {ran}; cat")
    (repo / ".gitattributes").write_text("sub export-ignore\na.txt export-subst filter=evil\n")
    (repo / "a.txt").write_text("$Format:%H$\n")
    commit(repo)
    assert "sub/b.py" in _exported(repo, "HEAD", tmp_path / "out")
    assert (tmp_path / "out/a.txt").read_text() == "$Format:%H$\n"
    assert not ran.exists()


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../secret", "sub/../../x", "inner/../../secret"]
)
def test_a_link_that_leaves_the_tree_is_refused(repo: Path, tmp_path: Path, target: str) -> None:
    """What it points at would be read on this machine and shown to whoever made the tree."""
    (repo / "inner").symlink_to("sub")
    (repo / "link").symlink_to(target)
    commit(repo)
    with pytest.raises(BadInputError, match=r"'link': a link of .* leads outside"):
        _exported(repo, "HEAD", tmp_path / "out")
    with pytest.raises(BadInputError, match="a link of the working tree that leads outside"):
        bot_git.export_working_tree(repo, tmp_path / "other")


def test_a_link_inside_of_the_tree_is_kept(repo: Path, tmp_path: Path) -> None:
    (repo / "link").symlink_to("sub/b.py")
    commit(repo)
    assert "link" in _exported(repo, "HEAD", tmp_path / "out")
    assert (tmp_path / "out/link").read_text() == "b\n"


@pytest.mark.parametrize("name", ["..", ".GIT", "."])
def test_a_made_up_tree_writes_nowhere_else(repo: Path, tmp_path: Path, name: str) -> None:
    """Git writes no such tree; a server may accept one that somebody else's program wrote."""
    blob = git(repo, "rev-parse", "HEAD:a.txt")
    inner = git(repo, "mktree", stdin=f"100644 blob {blob}\tevil\n")
    raw = b"40000 " + name.encode() + b"\0" + bytes.fromhex(inner)
    (tmp_path / "raw").write_bytes(raw)
    path = str(tmp_path / "raw")
    tree = git(repo, "hash-object", "-t", "tree", "-w", "--literally", path)
    made = git(repo, "commit-tree", tree, "-m", "made up")
    with pytest.raises(BadInputError, match="not a path that git would create"):
        _exported(repo, made, tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_a_tree_that_is_too_large_is_refused(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_git, "MAX_EXPORT_BYTES", 5)
    with pytest.raises(BadInputError, match="too much to export"):
        _exported(repo, "HEAD", tmp_path / "out")


def test_the_working_tree_is_what_git_could_have(repo: Path, tmp_path: Path) -> None:
    """An ignored file is in no commit, so the other side of a comparison has none either."""
    (repo / ".gitignore").write_text("*.log\n")
    (repo / "x.log").write_text("")
    (repo / "a.txt").write_text("changed\n")
    (repo / "new.py").write_text("")
    (repo / "sub/b.py").unlink()
    (tmp_path / "out").mkdir()
    bot_git.export_working_tree(repo, tmp_path / "out")
    assert _files(tmp_path / "out") == {"a.txt", "new.py", ".gitignore"}
    assert (tmp_path / "out/a.txt").read_text() == "changed\n"


def test_a_replacement_stands_for_no_commit(repo: Path, tmp_path: Path) -> None:
    """`git replace` lets another commit answer to a hash, in one clone alone."""
    first = bot_git.head(repo)
    (repo / "a.txt").write_text("other\n")
    second = commit(repo, "second")
    git(repo, "replace", first, second)
    assert git(repo, "show", f"{first}:a.txt") == "other"
    (tmp_path / "out").mkdir()
    bot_git.export(first, repo, tmp_path / "out")
    assert (tmp_path / "out/a.txt").read_text() == "one\n"
