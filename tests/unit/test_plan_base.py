"""`bot plan --base`: two revisions of the whole program, each evaluated in its own process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.changes.impact import impact
from bot.changes.model import ChangeSet, Op
from bot.changes.risk import assess
from bot.changes.rules import Level
from bot.cli import dispatch
from bot.comments.render import render
from bot.plan import base as plan_base
from bot.plan.base import Comparison
from bot.text import git
from tests.unit.comment_samples import RUN
from tests.unit.plan_base_project import Project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A first commit with two stacks, and another that changes what pull requests change."""
    project = Project(tmp_path_factory.mktemp("plan"))
    file = project.folder / "Pulumi.staging.yaml"
    shutil.copy(file, project.folder / "Pulumi.old.yaml")
    (project.folder / "requirements.txt").write_text("pulumi==3.272.0\n")
    project.commit()
    project.edit("staging", lambda config: config["linkerd"].update(logLevel="debug"))
    project.edit("staging", lambda config: config["viz"].update(enabled=False))
    project.edit(
        "trust", lambda config: config["trust"]["generations"].append({"name": "anchor-2036"})
    )
    project.move("cert-manager", "v1.99.0")
    (project.folder / "requirements.txt").write_text("pulumi==4.0.0\n")
    file = project.folder / "Pulumi.staging.yaml"
    shutil.copy(file, project.folder / "Pulumi.fresh.yaml")
    (project.folder / "Pulumi.old.yaml").unlink()
    project.commit()
    return project


@pytest.fixture(scope="module")
def found(made: Project) -> Comparison:
    with made.used():
        return plan_base.compare("HEAD~1", None)


def _set(found: Comparison, stack: str) -> ChangeSet:
    return next(changes for changes in found.sets if changes.stack == stack)


def _ops(changes: ChangeSet, component: str) -> set[Op]:
    return {change.op for change in changes.changes if change.component == component}


def test_a_value_reaches_the_objects_that_its_chart_renders(found: Comparison) -> None:
    changes = {change.name: change for change in _set(found, "staging").changes}
    config = changes["linkerd-control-plane:linkerd/linkerd-control-plane-values"]
    (field,) = config.fields
    assert (config.op, config.component, field.path) == (Op.UPDATE, "linkerd", "data.values")
    assert '"debug"' not in field.before
    assert '"debug"' in field.after
    assert field.after.endswith("end\n"), "a text of several lines is whole"
    # The chart's other object is the same.
    assert "linkerd-control-plane:linkerd/linkerd-control-plane" not in changes


def test_a_chart_that_moves_is_told_with_what_it_changes(found: Comparison) -> None:
    staging = _set(found, "staging")
    moves = {move.chart: move for move in staging.moves}
    assert moves["cert-manager"].after == moves["cert-manager-crds"].after == "v1.99.0"
    assert moves["linkerd-viz"].after is None
    deployment = next(
        c for c in staging.changes if c.name == "cert-manager:cert-manager/cert-manager"
    )
    assert [(f.path, f.after) for f in deployment.fields] == [
        ("metadata.labels.archive", "cert-manager-v1.99.0.tgz")
    ]


def test_a_version_of_the_sdk_that_no_plan_can_show_is_named(found: Comparison) -> None:
    """Both sides are evaluated with the packages at hand: the plan says `no changes`."""
    for changes in found.sets:
        assert [(pin.name, pin.before, pin.after) for pin in changes.pins] == [
            ("pulumi", "3.272.0", "4.0.0")
        ]
        assert (Level.HIGH, "pin-major") in {(f.level, f.rule) for f in assess(changes)}


def test_a_component_that_is_removed_is_deleted(found: Comparison) -> None:
    assert _ops(_set(found, "staging"), "viz") == {Op.DELETE}
    assert Op.DELETE not in _ops(_set(found, "staging"), "linkerd")


def test_a_generation_that_is_added_is_created_and_nothing_else(found: Comparison) -> None:
    trust = _set(found, "trust")
    assert {change.op for change in trust.changes} == {Op.CREATE}
    assert all("anchor-2036" in change.name for change in trust.changes)
    assert any(change.protected for change in trust.changes)
    assert trust.unchanged > 3


def test_a_stack_that_comes_and_one_that_goes(found: Comparison) -> None:
    assert {change.op for change in _set(found, "fresh").changes} == {Op.CREATE}
    assert {change.op for change in _set(found, "old").changes} == {Op.DELETE}
    assert any("file is removed" in text for text in _set(found, "old").warnings)


def test_the_sets_say_what_was_compared(found: Comparison) -> None:
    assert [changes.stack for changes in found.sets] == ["fresh", "old", "staging", "trust"]
    for changes in found.sets:
        assert (changes.commit, changes.base) == (found.head, found.base)
        assert changes.doubts == ()
        assert changes.source == "plan"
    assert not found.dirty
    assert (found.faults, found.broken) == ((), False)


def test_the_command_prints_and_writes_the_same(
    made: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One file per stack for `bot comment`, beside what a plan writes; an old one goes."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "gone.changes.json").write_text("{}")
    (made.folder / "note.txt").write_text("not committed")
    with made.used():
        code = dispatch.main(
            ["plan", "--stack", "trust", "--base", "HEAD~1", "--json", "--out", str(out)]
        )
    (made.folder / "note.txt").unlink()
    assert code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["dirty"] is True
    (stack,) = document["stacks"]
    assert (stack["stack"], stack["level"] is not None) == ("trust", True)
    assert stack["findings"]
    written = ChangeSet.model_validate_json((out / "trust.changes.json").read_text())
    assert written == ChangeSet.model_validate(stack["changes"])
    assert any("changes that are not in" in text for text in written.warnings)
    assert written.dirty
    rendered = render(written, assess(written), impact(written), RUN)
    assert f"Plan of the working tree against `{str(written.base)[:12]}`" in rendered[0]
    assert sorted(path.name for path in out.iterdir()) == [
        "index.html",
        "plan.json",
        "trust",
        "trust.changes.json",
    ]


def test_the_same_revision_is_no_change(made: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """What the working tree shares with the commit must look the same from a process beside it."""
    with made.used():
        assert dispatch.main(["plan", "--all", "--base", "HEAD"]) == 0
    text = capsys.readouterr().out
    assert text.count(": no changes; risk: none") == 3
    assert "critical" not in text
    (made.folder / "note.txt").write_text("not committed")
    with made.used():
        assert dispatch.main(["plan", "--stack", "trust", "--base", "HEAD"]) == 0
    (made.folder / "note.txt").unlink()
    head = git.head(made.folder)[: git.SHORT]
    assert capsys.readouterr().out.startswith(f"Plan of the working tree against {head}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--base", "--upload-pack=touch"], "expected one argument"),
        (["--base=--upload-pack=touch x"], "not the name of a commit"),
        (["--base", "nowhere"], "git knows no such commit"),
        (["--base", "HEAD", "--stack", "stagin"], "neither revision has a file"),
    ],
)
def test_bad_arguments_are_told_before_anything_is_evaluated(
    made: Project,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(plan_base, "run_all", lambda *_: pytest.fail("evaluated"))
    stacks = [] if "--stack" in arguments else ["--all"]
    with made.used():
        try:
            code = dispatch.main(["plan", *stacks, *arguments])
        except SystemExit as error:
            code = int(error.code or 0)
    assert code == 2
    assert message in capsys.readouterr().err


def test_no_git_is_a_missing_tool(made: Project, capsys: pytest.CaptureFixture[str]) -> None:
    with made.used() as patch:
        patch.setenv("PATH", "/nowhere")
        assert dispatch.main(["plan", "--all", "--base", "HEAD"]) == 3
    assert "git is not on PATH" in capsys.readouterr().err


def test_the_archives_of_the_base_can_be_fetched(made: Project, tmp_path: Path) -> None:
    """A fresh machine has those of the head alone: a new version would always be in doubt."""
    (archive,) = (p for p in made.charts.glob("cert-manager-v*.tgz") if "1.99" not in p.name)
    (tmp_path / "mirror").mkdir()
    moved = archive.rename(tmp_path / "mirror" / archive.name)
    try:
        with made.used() as patch:
            patch.setenv("CHARTS_LOCATION", str(moved.parent))
            (without,) = plan_base.compare("HEAD~1", ["staging"]).sets
            (fetched,) = plan_base.compare("HEAD~1", ["staging"], fetch=True).sets
    finally:
        shutil.copy(moved, archive)
    assert any("chart cert-manager: not rendered in base" in doubt for doubt in without.doubts)
    assert fetched.doubts == ()
    assert "cert-manager:cert-manager/cert-manager" in {c.name for c in fetched.changes}


def test_fetching_goes_with_a_base(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch.main(["plan", "--all", "--fetch-charts"]) == 2
    assert "make charts" in capsys.readouterr().err


def test_what_could_not_be_compared_is_in_the_files_too(
    made: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whoever reads the comment must not find that of an earlier commit there."""
    out = tmp_path / "out"
    with made.used():
        assert dispatch.main(["plan", "--all", "--base", "nowhere", "--out", str(out)]) == 2
        capsys.readouterr()
        # And the next plan finds its place.
        assert dispatch.main(["plan", "--stack", "trust", "--out", str(out)]) == 0
    found = sorted(file.name for file in out.glob("*.changes.json"))
    assert found == ["fresh.changes.json", "staging.changes.json", "trust.changes.json"]
    for name in found:
        changes = ChangeSet.model_validate_json((out / name).read_bytes())
        assert changes.source == "plan"
        assert not changes.complete
        assert any("git knows no such commit" in text for text in changes.errors)


def _plan_in(folder: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: config.update(rollout={"file": f"{folder}/plan.yaml"})


@pytest.mark.parametrize("folder", ["rollout", "docs"])
def test_a_rollout_plan_in_a_file_is_the_revision_s(tmp_path: Path, folder: str) -> None:
    """The wave that a pull request turns on is in that file, wherever it lies in the project."""
    project = Project(tmp_path)
    plan = project.folder / folder / "plan.yaml"
    plan.parent.mkdir()
    wave = {"name": "first", "state": "off", "namespaces": ["shop"]}
    plan.write_text(yaml.safe_dump({"waves": [wave]}))
    project.commit()
    project.edit("staging", _plan_in(folder))
    project.commit()
    with project.used():
        (moved,) = plan_base.compare("HEAD~1", ["staging"]).sets
        plan.write_text(yaml.safe_dump({"waves": [{**wave, "state": "on"}]}))
        (turned_on,) = plan_base.compare("HEAD", ["staging"]).sets
        plan.write_text("wavs: []\n")
        faulty = plan_base.compare("HEAD", ["staging"])
    assert (moved.changes, moved.doubts) == ((), ())
    made = [c for c in turned_on.changes if c.kind == "NamespacePatch"]
    assert [(c.op, c.object_name) for c in made] == [(Op.CREATE, "shop")]
    assert turned_on.doubts == ()
    assert faulty.faults == (f"{folder}/plan.yaml:1: wavs: unknown key; did you mean 'waves'?",)
