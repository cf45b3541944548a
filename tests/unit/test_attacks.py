"""Ways around "what is approved is what is applied", each tried through the command line.

A stand-in of the engine applies what the files of the project say when it runs, as a program does.
The same with the real engine and a real Vault: tests/e2e/test_attacks.py.

Here: files that are not the commit's, archives, edits in between.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from bot.deploy import backend
from bot.exit_codes import BAD_INPUT, REFUSED
from tests.unit import delivery_samples as samples
from tests.unit.attack_project import ARCHIVE, MODULE, Project
from tests.unit.attack_project import project as project
from tests.unit.context import Context
from tests.unit.git_repository import git


def test_the_honest_way_goes_through_and_one_digest_is_in_comment_approval_and_history(
    project: Project,
) -> None:
    """The baseline: without it, a refusal of everything would pass all that follows."""
    told = project.preview()
    short = told.rpartition("snapshot ")[2].partition(":")[0]
    assert len(short) == 12
    assert f"snapshot {short}, up, signed by Vault" in project.approve()
    comments = project.folder / "state" / "comments"
    words = ("--forge", "files", "--missing", "preview", "--changes", str(project.changes))
    project.run("comment", *words, "--out", str(comments))
    assert any(short in each.read_text() for each in comments.glob("*.md"))
    project.up()
    assert project.applied == 1
    notes = project.entry.trailers
    assert (notes["Snapshot"], notes["Approval-signed"], notes["Tree"]) == (short, "yes", "clean")


# A1: how the files of a preview can be others than those of the commit it names.
def _edited(project: Project) -> Callable[[], None]:
    project.replace("Pulumi.production.yaml", "replicas: 3", "replicas: 9")
    return lambda: project.git("checkout", "-q", ".") and None


def _staged(project: Project) -> Callable[[], None]:
    project.write(MODULE, "replicas = 9\n")
    project.git("add", MODULE)
    return lambda: project.git("reset", "-q", "--hard") and None


def _unknown(project: Project) -> Callable[[], None]:
    project.write("schema/more.py", "replicas = 9\n")
    return (project.folder / "schema/more.py").unlink


def _excluded(project: Project) -> Callable[[], None]:
    project.write(".git/info/exclude", "more.py\n")
    return _unknown(project)


def _hides_itself(project: Project) -> Callable[[], None]:
    project.write("schema/.gitignore", "*\n")
    remove = _unknown(project)

    def clean() -> None:
        remove()
        (project.folder / "schema/.gitignore").unlink()

    return clean


def _users_excludes(project: Project) -> Callable[[], None]:
    project.write("state/ignore", "more.py\n")
    project.git("config", "core.excludesFile", str(project.folder / "state/ignore"))
    return _unknown(project)


def _flagged(flag: str) -> Callable[[Project], Callable[[], None]]:
    def edit(project: Project) -> Callable[[], None]:
        project.git("update-index", flag, MODULE)
        project.write(MODULE, "replicas = 9\n")
        return lambda: project.write(MODULE, "replicas = 3\n")

    return edit


def _filtered(project: Project) -> Callable[[], None]:
    """The clean filter gives git the committed text back, whatever lies there."""
    project.git("config", "filter.honest.clean", "sed s/9/3/")
    project.write(".git/info/attributes", f"{MODULE} filter=honest\n")
    project.write(MODULE, "replicas = 9\n")
    project.git("update-index", "--refresh", "-q")
    return lambda: project.write(MODULE, "replicas = 3\n")


def _only_in_the_index(project: Project) -> Callable[[], None]:
    project.write("schema/more.py", "replicas = 9\n")
    project.git("add", "-f", "schema/more.py")
    return lambda: project.git("rm", "-qf", "schema/more.py") and None


def _mode(project: Project) -> Callable[[], None]:
    project.git("config", "core.fileMode", "false")
    (project.folder / MODULE).chmod(0o755)
    return lambda: (project.folder / MODULE).chmod(0o644)


def _elsewhere(project: Project) -> Callable[[], None]:
    """git looks at a clean copy, and the engine at what lies here."""
    copy = project.folder.parent / "clean"
    git(project.folder.parent, "clone", "-q", str(project.folder), str(copy))
    project.git("config", "core.worktree", str(copy))
    (project.folder / MODULE).write_text("replicas = 9\n")
    return lambda: project.write(MODULE, "replicas = 3\n")


_DIRT = {
    "edited": _edited,
    "staged": _staged,
    "of uncommitted files": _unknown,
    "info/exclude": _excluded,
    "hides itself": _hides_itself,
    "core.excludesFile": _users_excludes,
    "assume-unchanged": _flagged("--assume-unchanged"),
    "skip-worktree": _flagged("--skip-worktree"),
    "clean filter": _filtered,
    "only in the index": _only_in_the_index,
    "file mode": _mode,
    "core.worktree": _elsewhere,
}


@pytest.mark.parametrize("dirt", _DIRT)
def test_a1_preview_of_what_is_in_no_commit_cannot_be_approved(project: Project, dirt: str) -> None:
    """The tree is clean again when the approval is asked for, and the preview tells of the dirt."""
    clean = _DIRT[dirt](project)
    project.preview()
    assert json.loads(project.changes.read_text())["snapshot"]["clean"] is False
    clean()
    told = project.approve(code=REFUSED)
    if dirt != "core.worktree":
        assert "stale: tree: was dirty" in told
    assert not project.approval.exists()


@pytest.mark.parametrize("dirt", _DIRT)
def test_a10_stack_that_needs_an_approval_takes_no_dirt_with_one(
    project: Project, dirt: str
) -> None:
    """However the clone was told to look away: an approval is for a commit."""
    project.preview()
    project.approve()
    _DIRT[dirt](project)
    told = project.up(code=REFUSED)
    assert "takes only a commit" in told
    assert project.applied == 0


def test_a10_submodule_with_something_beside_its_commit_is_dirt(project: Project) -> None:
    """`ignore = all` in the configuration makes git say nothing of it."""
    other = project.folder.parent / "other"
    other.mkdir()
    (other / "code.py").write_text("replicas = 3\n")
    samples.repository(other)
    project.git("submodule", "--quiet", "add", str(other), "lib")
    project.git("commit", "-qm", "a submodule")
    project.git("config", "submodule.lib.ignore", "all")
    project.preview()
    project.approve()
    project.write("lib/code.py", "replicas = 9\n")
    assert "takes only a commit" in project.up(code=REFUSED)
    project.write("lib/code.py", "replicas = 3\n")
    project.up()


def _swapped(project: Project) -> None:
    file = project.folder.parent / "charts" / ARCHIVE
    file.write_bytes(file.read_bytes() + b"another")


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("when", ["before the approval", "after it"])
def test_a2_archive_that_is_not_the_one_previewed_is_refused(
    project: Project, when: str, pinned: bool
) -> None:
    """charts.yaml has no digests as shipped, and two jobs may each download: one of them counts."""
    if pinned:
        digest = backend.digest((project.folder.parent / "charts" / ARCHIVE).read_bytes())
        old = "  linkerd-crds:\n"
        project.replace("charts.yaml", old, f"{old}    digest: {digest}\n")
        project.git("commit", "-qam", "pinned")
    project.preview()
    code, said = (BAD_INPUT, "charts.yaml has") if pinned else (REFUSED, "stale: chart archive ")
    if when == "after it":
        project.approve()
        _swapped(project)
        assert said in project.up(code=code)
    else:
        _swapped(project)
        assert said in project.approve(code=code)
    assert project.applied == 0


@pytest.mark.parametrize("name", [ARCHIVE, "gateway-api-crds-1.2.1.tgz"])
def test_a7_link_is_held_against_its_source_by_content(project: Project, name: str) -> None:
    """An archive in `.local` that is as old as the cache's may hold anything."""
    project.preview()
    project.approve()
    link = project.folder / ".local" / name
    stat, right = link.stat(), link.read_bytes()
    link.write_bytes(right[:-1] + b"x")
    os.utime(link, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    project.up()
    assert link.read_bytes() == right


@pytest.mark.parametrize("name", [ARCHIVE, "external-secrets-crds-2.9.0.tgz"])
def test_a7_archive_put_there_by_hand_is_held_against_the_digest(
    project: Project, name: str
) -> None:
    """Without the cache's own, the digest in charts.yaml is all there is to know it by."""
    chart = name.replace("-crds-2.9.0", "").removesuffix(".tgz").removesuffix("-2026.6.3")
    old = f"  {chart}:\n"
    project.replace("charts.yaml", old, f"{old}    digest: sha256:{'0' * 64}\n")
    project.git("commit", "-qam", "pinned")
    project.write(f".local/{name}", "anything")
    for file in (project.folder.parent / "charts").glob(f"{chart}-[0-9]*"):
        file.unlink()
    told = project.preview(code=BAD_INPUT)
    assert ("charts.yaml has sha256:000" if name == ARCHIVE else "cannot be held against") in told


_MOVED = {
    "stack file": ("Pulumi.production.yaml", "\n# moved\n"),
    "module": (MODULE, "replicas = 9\n"),
    "charts.yaml": ("charts.yaml", "\n# moved\n"),
    "fleet.yaml": ("fleet.yaml", "\n# moved\n"),
    "requirements.txt": ("requirements.txt", "\n# moved\n"),
    "new module": ("schema/more.py", "x = 1\n"),
}


@pytest.mark.parametrize("moved", _MOVED)
@pytest.mark.parametrize("stack", ["production", "trust"])
def test_a4_edit_while_the_update_previews_is_not_applied(
    project: Project, stack: str, moved: str
) -> None:
    """Between the last look and the engine's own: also where nobody has to approve."""
    name, text = _MOVED[moved]
    before = (project.folder / name).read_text() if (project.folder / name).exists() else ""
    if stack == "production":
        project.preview()
        project.approve()
        options: tuple[str, ...] = ()
    else:
        options = ("--yes",)
    project.data(edits={name: before + text})
    told = project.up(*options, stack=stack, code=REFUSED)
    assert "stale: tree: was clean, is dirty" in told
    assert project.applied == 0


def test_a4_history_tells_what_was_applied_and_not_what_lay_there_before(
    project: Project, context: Context
) -> None:
    """The tree was read before the question, and the answer may take an hour."""
    context.terminal("y\n", lambda: project.write(MODULE, "replicas = 9\n"))
    assert "is dirty" in project.run("up", "--stack", "trust", code=REFUSED)
    told = project.up("--yes", stack="trust")
    assert "with uncommitted changes" in told
    assert (project.entry.clean, project.entry.trailers["Tree"]) == (False, "dirty")
    assert len(project.entry.trailers["Snapshot"]) == 12


def test_values_are_bound_and_not_only_the_names_of_fields(project: Project) -> None:
    """What a program reads from outside of the project, such as a clock, shows in its result."""
    project.preview()
    project.approve()
    project.data(values="and more")
    told = project.up(code=REFUSED)
    assert "stale: Policy anchor-sign: was update, is update with different values" in told
    assert project.applied == 0


def test_environment_that_decides_is_bound(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview's job and the update's have an environment each."""
    project.preview()
    project.approve()
    monkeypatch.setenv("PULUMI_IGNORE_AMBIENT_PLUGINS", "true")
    told = project.up(code=REFUSED)
    assert "stale: environment variable PULUMI_IGNORE_AMBIENT_PLUGINS: was not there" in told


@pytest.mark.parametrize("name", ["PULUMI_OPTION_REFRESH", "PYTHONPATH", "PULUMI_K8S_NAMESPACE"])
def test_environment_that_the_engine_does_not_get_is_no_part_of_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """bot/clients/environment.py drops it, so it can decide nothing."""
    project.preview()
    project.approve()
    monkeypatch.setenv(name, "other")
    assert "stale" not in project.up()
    assert project.applied == 1


def test_file_of_before_there_were_snapshots_gets_one_clear_line(project: Project) -> None:
    """A pipeline that was upgraded in the middle finds such a file."""
    project.preview()
    document = json.loads(project.changes.read_text())
    project.changes.write_text(json.dumps({**document, "format": 1}))
    told = project.approve(code=BAD_INPUT)
    assert told.strip().endswith("has another format: run `python -m bot preview --out` again")
    assert len(told.strip().splitlines()) == 1
