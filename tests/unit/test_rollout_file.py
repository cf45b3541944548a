"""A rollout plan in a file of its own: the same plan, and faults told where they are mended."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.cli import dispatch
from bot.engine import target as engine_target
from bot.exit_codes import BAD_INPUT
from schema.faults import PROJECT
from stack import rollout_file
from tests.unit.bot_project import stack_file, use
from tests.unit.every_feature import PLANS
from tests.unit.one_fault_rollout_file import IN_THE_FILE, IN_THE_STACK_FILE, PLAN, WHOLE
from tests.unit.stack_files import (
    KeyPath,
    lines_of_engine,
    lines_of_file,
    load,
    spoilt,
    write,
)
from tests.unit.whole_program import evaluated_file, project

SECTION: KeyPath = ("rollout",)
NAMED: dict[KeyPath, Any] = {SECTION: {"file": PLAN}}
GOOD = {
    "waves": [
        {"name": "first", "state": "on", "namespaces": ["shop", {"name": "pay", "optOut": True}]},
        {"name": "rest", "rest": True},
    ],
    "never": ["legacy"],
    "gates": {"successRate": 97},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a plan, and with what is none."""
    made, outside = tmp_path / "project", tmp_path / "outside"
    for each in (made / "rollout", outside):
        each.mkdir(parents=True)
    for each in (made / PLAN, outside / "plan.yaml"):
        each.write_text(yaml.safe_dump(GOOD))
    (made / "rollout" / "broken.yaml").write_text("waves: [\n")
    (made / "rollout" / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (made / "rollout" / "out.yaml").symlink_to(outside / "plan.yaml")
    (made / "rollout" / "loop.yaml").symlink_to("loop.yaml")
    (made / "away").symlink_to(outside)
    return made


def lines(folder: Path, changes: dict[KeyPath, Any], role: str = "cluster") -> list[str]:
    """The faults, which are the same from the file and from the engine."""
    sections = spoilt(changes, role)
    found = lines_of_file(write(folder, sections))
    assert lines_of_engine(folder, sections) == found
    return found


def test_a_plan_in_a_file_is_the_plan_of_the_section(folder: Path) -> None:
    """Moving it there changes nothing in the cluster."""
    inline = load(folder, spoilt({SECTION: GOOD}))
    named = load(folder, spoilt(NAMED))
    assert named.rollout.file == PLAN
    update = {"rollout": named.rollout.model_copy(update={"file": None})}
    assert named.model_copy(update=update) == inline
    hash(named)


def test_the_program_makes_the_same_of_both() -> None:
    """Also where it is asked for by a name: components see no file."""
    file = project() / "rollout-test.yaml"
    file.write_text(yaml.safe_dump(PLANS["rollout"]))
    try:
        inline, named = (
            evaluated_file(write(project(), spoilt({SECTION: section})), True).resources
            for section in (PLANS["rollout"], {"file": file.name})
        )
    finally:
        file.unlink()
    assert named == inline
    assert [each.type for each in named if "NamespacePatch" in each.type] != []


@pytest.mark.parametrize("name", IN_THE_FILE)
def test_one_fault_is_one_line_with_that_file_its_line_and_key(name: str, folder: Path) -> None:
    """Whoever mends it has the file open, where `linkerd-platform:rollout` is nowhere."""
    content, line, key, part = IN_THE_FILE[name]
    (folder / PLAN).write_text(content)
    found = lines(folder, NAMED)
    assert len(found) == 1, found
    assert found[0].startswith(f"{PLAN}:{line}: {key}: ")
    assert part in found[0]


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_without_a_plan_is_told(name: str, folder: Path) -> None:
    """An empty file would be taken for a plan of no waves, which takes every namespace out."""
    content, part = WHOLE[name]
    (folder / PLAN).write_text(content)
    (found,) = lines(folder, NAMED)
    assert found.startswith(f"{PLAN}:1: ")
    assert part in found


@pytest.mark.parametrize("name", IN_THE_STACK_FILE)
def test_a_key_that_names_no_plan_is_one_line_of_the_stack_file(name: str, folder: Path) -> None:
    """There the name is mended; nothing outside of the project is read."""
    section, part = IN_THE_STACK_FILE[name]
    found = lines(folder, {SECTION: section})
    assert len(found) == 1, found
    where = re.escape(f"{PROJECT}:rollout.file")
    assert re.match(rf"Pulumi\.test\.yaml:\d+: {where}: ", found[0])
    assert part in found[0]


def test_a_link_inside_of_the_project_is_followed(folder: Path) -> None:
    """It is in the commit like what it leads to."""
    (folder / "rollout" / "inside.yaml").symlink_to("plan.yaml")
    config = load(folder, spoilt({SECTION: {"file": "rollout/inside.yaml"}}))
    assert [wave.name for wave in config.rollout.waves] == ["first", "rest"]


def test_what_counts_on_the_plan_is_no_fault_while_it_cannot_be_read(folder: Path) -> None:
    """A dozen lines about namespaces without a wave would hide the one that matters."""
    counts = {("workloads", "namespaces", "shop", "accessLog"): "json"}
    assert lines(folder, {**NAMED, **counts}) == []
    (folder / PLAN).unlink()
    (found,) = lines(folder, {**NAMED, **counts})
    assert "rollout.file" in found


def test_what_counts_on_a_plan_without_it_is_a_fault_of_the_stack_file(folder: Path) -> None:
    """The key to be mended stands there."""
    counts = {("workloads", "namespaces", "other", "accessLog"): "json"}
    (found,) = lines(folder, {**NAMED, **counts})
    assert re.match(r"Pulumi\.test\.yaml:\d+: linkerd-platform:workloads\.namespaces\.other", found)


def test_faults_of_both_files_come_at_once_each_file_in_order(folder: Path) -> None:
    """Two runs for two files are one too many."""
    (folder / PLAN).write_text("wavs: []\ngates:\n  window: 1m\n")
    found = lines(folder, {**NAMED, ("linkerd", "replcas"): 3})
    assert [line.split(": ")[0].rpartition(":")[0] for line in found] == [
        "Pulumi.test.yaml",
        PLAN,
        PLAN,
    ]
    assert [line.split(": ")[1] for line in found][1:] == ["wavs", "gates.window"]


def test_an_owner_s_plan_is_a_fault_of_the_stack_file(folder: Path) -> None:
    """The file may be a good plan of other stacks."""
    (found,) = lines(folder, NAMED, "owner")
    assert re.match(r"Pulumi\.test\.yaml:\d+: linkerd-platform:rollout: a stack with role", found)


def test_the_sandbox_has_its_plan_from_the_project(folder: Path) -> None:
    """Its stack file is used from a folder of its own, and the program runs in the project."""
    (folder / "Pulumi.yaml").write_text("name: linkerd-platform\n")
    text = write(folder, spoilt(NAMED)).read_text()
    config = engine_target.sandbox(folder, text, {}).config
    assert [wave.name for wave in config.rollout.waves] == ["first", "rest"]


def test_plan_ends_with_2_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same line wherever the plan is read."""
    staging = stack_file("staging")
    staging["config"][f"{PROJECT}:rollout"] = {"file": PLAN}
    made = use(tmp_path, monkeypatch, staging=staging)
    (made / "rollout").mkdir()
    (made / PLAN).write_text("waves:\n  - name: first\n    sok: 1h\n    rest: true\n")
    assert dispatch.main(["plan", "--stack", "staging"]) == BAD_INPUT
    said = capsys.readouterr().err
    assert f"{PLAN}:3: waves[0].sok: unknown key; did you mean 'soak'?" in said


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"config:\n  {PROJECT}:rollout:\n    file: {PLAN}\n", PLAN),
        (f"config:\n  {PROJECT}:rollout:\n    file: {PLAN}\n    wavs: 1\n", PLAN),
        (f"config:\n  {PROJECT}:rollout:\n    file: ../plan.yaml\n", None),
        (f"config:\n  {PROJECT}:rollout:\n    waves: []\n", None),
        (f"config:\n  {PROJECT}:rollout: {PLAN}\n", None),
        ("config: 7\n", None),
        ("config: [\n", None),
    ],
)
def test_the_name_is_known_of_any_stack_file(text: str, name: str | None, tmp_path: Path) -> None:
    """A rollback and a comparison look for it before anybody has loaded the file."""
    file = tmp_path / "Pulumi.any.yaml"
    file.write_text(text)
    assert rollout_file.named(file) == name
    assert rollout_file.named(tmp_path / "none") is None


def test_every_fault_is_of_a_plan_that_is_good_without_it(folder: Path) -> None:
    """Else the tables above would prove nothing."""
    assert lines(folder, NAMED) == []
