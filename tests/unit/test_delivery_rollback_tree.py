"""An older revision runs against the state of today: what is taken from which of the two."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.deploy import rollback_tree
from bot.engine import target as engine_target
from bot.exit_codes import RefusedError
from stack import load
from tests.unit.rollback_sample import commit, edit, git, repository

SALT = "encryptionsalt: v1:abc\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path)


def head(repo: Path) -> str:
    return git(repo, "rev-parse", "HEAD")


def refused(repo: Path, revision: str, stack: str = "one") -> str:
    with (
        pytest.raises(RefusedError) as caught,
        rollback_tree.exported(revision, stack, repo),
    ):
        pass
    return str(caught.value)


def test_program_and_stack_file_are_the_revision_s_the_fleet_is_today_s(repo: Path) -> None:
    """The stack must agree with the others as they are now, not as they were."""
    older = head(repo)
    (repo / "__main__.py").write_text("second = True\n")
    edit(repo, "one", "logLevel: info", "logLevel: debug")
    edit(repo, "europe", "logLevel: info", "logLevel: warn")
    (repo / "fleet.yaml").write_text("owner: america\n")
    (repo / "Pulumi.trust.yaml").unlink()
    commit(repo, "second")
    with rollback_tree.exported(older, "one", repo) as folder:
        assert (folder / "__main__.py").read_text() == "first = True\n"
        assert "logLevel: info" in (folder / "Pulumi.one.yaml").read_text()
        assert "logLevel: warn" in (folder / "Pulumi.europe.yaml").read_text()
        assert (folder / "fleet.yaml").read_text() == "owner: america\n"
        assert not (folder / "Pulumi.trust.yaml").exists()
        assert not (folder / "docs").exists()
    assert not folder.exists()


def test_notes_of_runs_are_shared_and_chart_links_are_not(repo: Path) -> None:
    """A lock of a dead run is found by its note; an archive is cut by the revision's program."""
    (repo / ".local").mkdir()
    (repo / ".local" / "chart-1.0.0.tgz").write_text("today's")
    with rollback_tree.exported(head(repo), "one", repo) as folder:
        (folder / ".local" / "engine" / "note").write_text("x")
        assert not (folder / ".local" / "chart-1.0.0.tgz").exists()
    assert (repo / ".local" / "engine" / "note").read_text() == "x"


def test_files_that_no_commit_has_are_linked_not_copied(repo: Path) -> None:
    """A kubeconfig is a credential, and leaves nothing behind."""
    edit(
        repo, "one", "    context: staging", "    context: staging\n    kubeconfig: ./a.kubeconfig"
    )
    (repo / "a.kubeconfig").write_text("token")
    older = commit(repo, "with a kubeconfig")
    with rollback_tree.exported(older, "one", repo) as folder:
        link = folder / "a.kubeconfig"
        assert link.is_symlink()
        assert link.read_text() == "token"
    assert (repo / "a.kubeconfig").exists()


def test_a_path_that_leaves_the_project_is_not_followed(repo: Path) -> None:
    """Where it leads from the exported folder is no place of ours."""
    edit(repo, "one", "    context: staging", "    context: staging\n    kubeconfig: ../out")
    (repo.parent / "out").write_text("token")
    older = commit(repo, "a path to outside")
    with rollback_tree.exported(older, "one", repo) as folder:
        assert not (folder.parent / "out").exists()


def test_a_revision_without_the_stack_is_refused(repo: Path) -> None:
    """There is nothing to go back to."""
    older = head(repo)
    (repo / "Pulumi.new.yaml").write_text("config: {}\n")
    commit(repo, "a new stack")
    assert refused(repo, older, "new") == f"commit {older[:12]} has no program with a stack new"


@pytest.mark.parametrize(("old", "new"), [("name: linkerd-platform", "name: other"), ("", "")])
def test_a_revision_with_another_state_is_refused(repo: Path, old: str, new: str) -> None:
    """It would find nothing there, and make everything a second time."""
    older = head(repo)
    text = (repo / "Pulumi.yaml").read_text()
    backend = "" if old else "backend:\n  url: file:///elsewhere\n"
    (repo / "Pulumi.yaml").write_text(text.replace(old, new, 1) + backend)
    commit(repo, "moved")
    assert f"has another {'name' if old else 'backend'} than now" in refused(repo, older)


def append(repo: Path, text: str) -> None:
    with (repo / "Pulumi.one.yaml").open("a") as file:
        file.write(text)


def test_a_file_from_before_there_were_secrets_takes_today_s_encryption(repo: Path) -> None:
    """The state is encrypted by now, and the engine must read it."""
    older = head(repo)
    append(repo, SALT)
    commit(repo, "a secret")
    with rollback_tree.exported(older, "one", repo) as folder:
        document = yaml.safe_load((folder / "Pulumi.one.yaml").read_text())
    assert document["encryptionsalt"] == "v1:abc"


def test_the_same_encryption_is_left_as_it_is(repo: Path) -> None:
    """Written twice, the engine would refuse the file."""
    append(repo, SALT)
    older = commit(repo, "a secret")
    with rollback_tree.exported(older, "one", repo) as folder:
        assert (folder / "Pulumi.one.yaml").read_bytes() == (repo / "Pulumi.one.yaml").read_bytes()


def test_another_encryption_is_refused(repo: Path) -> None:
    """Its secrets cannot be read with today's key, nor the state with its own."""
    append(repo, SALT)
    older = commit(repo, "a secret")
    edit(repo, "one", "v1:abc", "v1:def")
    commit(repo, "another passphrase")
    assert "is encrypted differently than now" in refused(repo, older)


def test_a_secret_without_its_key_is_refused(repo: Path) -> None:
    """Today's settings are no use for a value that other settings have encrypted."""
    edit(
        repo,
        "one",
        "  linkerd-platform:viz:",
        "  linkerd-platform:x: {secure: AAA}\n  linkerd-platform:viz:",
    )
    older = commit(repo, "a secret")
    append(repo, SALT)
    commit(repo, "a salt")
    assert "is encrypted differently than now" in refused(repo, older)


OWN_PLAN = """\
  linkerd-platform:rollout:
    waves:
      - name: everything
        state: "off"
        rest: true
"""


def with_plan(repo: Path, plan: str, text: str, *stacks: str) -> str:
    """A commit in which these stacks have their rollout plan from a file with this text."""
    (repo / plan).parent.mkdir(exist_ok=True)
    (repo / plan).write_text(text)
    for stack in stacks:
        edit(repo, stack, OWN_PLAN, f"  linkerd-platform:rollout:\n    file: {plan}\n")
    return commit(repo, "a plan in a file")


def waves(folder: Path, stack: str) -> list[str]:
    """The waves of a stack, as they are loaded in a folder."""
    config = load.from_file(folder / f"Pulumi.{stack}.yaml")
    return [wave.name for wave in config.rollout.waves]


@pytest.mark.parametrize("plan", ["rollout/all.yaml", "docs/plan.yaml"])
def test_the_plan_is_the_revision_s_for_the_stack_and_today_s_for_the_others(
    repo: Path, plan: str
) -> None:
    """Both name one file, and the other stack's later keys count on what it says today."""
    older = with_plan(repo, plan, "waves: [{name: old, rest: true}]", "one", "europe")
    (repo / plan).write_text('waves: [{name: new, state: "off", namespaces: [shop]}]')
    edit(
        repo,
        "europe",
        "  linkerd-platform:viz:",
        "  linkerd-platform:workloads:\n    namespaces: {shop: {accessLog: json}}\n"
        "  linkerd-platform:viz:",
    )
    commit(repo, "another plan")
    with rollback_tree.exported(older, "one", repo) as folder:
        assert (waves(folder, "one"), waves(folder, "europe")) == (["old"], ["new"])
        assert waves(folder, "america") == ["everything"]
        assert engine_target.of("one", folder).config.rollout.file == plan
    assert waves(repo, "one") == ["new"]


def test_a_plan_of_today_that_is_faulty_is_left_to_whoever_loads_it(repo: Path) -> None:
    """It is another stack's, and no reason not to go back with this one."""
    older = head(repo)
    with_plan(repo, "plan.yaml", "wavs: []", "europe")
    with rollback_tree.exported(older, "one", repo) as folder:
        assert waves(folder, "one") == ["everything"]
        text = (folder / "Pulumi.europe.yaml").read_text()
        assert text == (repo / "Pulumi.europe.yaml").read_text()
