"""The examples are stack files that the program takes, and each of their steps follows the last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.mock_engine import evaluate
from tests.unit.crd_schemas import faults, is_custom
from tests.unit.stack_files import REPO, good, write

EXAMPLES = REPO / "examples"
FILES = sorted(EXAMPLES.glob("*/*.yaml"))
NAMES = [str(file.relative_to(EXAMPLES)) for file in FILES]
PREFIX = "linkerd-platform:"


def sections(file: Path) -> dict[str, Any]:
    """The sections of an example by name."""
    held = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {key.removeprefix(PREFIX): value for key, value in held.items()}


def objects(file: Path, folder: Path) -> list[dict[str, Any]]:
    """What the program makes of an example beyond a stack without it."""

    made = evaluate(write(folder, {**good(), **sections(file)}), REPO).resources
    namespace = file.parent.name
    return [
        each.inputs for each in made if namespace in (each.inputs.get("metadata") or {}).values()
    ]


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_an_example_is_a_stack_file_whose_objects_the_crds_allow(
    file: Path, tmp_path: Path
) -> None:
    """An example that is refused teaches the wrong thing."""
    found = objects(file, tmp_path)
    kinds = {each["kind"] for each in found}
    assert {"Namespace", "Server", "AuthorizationPolicy", "EgressNetwork"} <= kinds
    assert ("NetworkPolicy" in kinds) == file.name.startswith("2-")
    for each in found:
        assert not is_custom(each) or faults(each) == []


@pytest.mark.parametrize("name", ["emojivoto", "booksapp"])
def test_denying_is_the_same_rules_on_a_higher_rung(name: str) -> None:
    """Else what was counted before is not what is refused after."""
    before, after = (sections(EXAMPLES / name / f"{step}.yaml") for step in ("1-meshed", "2-deny"))
    rules = [each["policy"]["namespaces"][name] for each in (before, after)]
    assert rules[0]["services"] == rules[1]["services"]
    assert [each["rung"] for each in rules] == ["audit", "deny"]


def test_the_page_names_each_example() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\| \[[^]]+\]\(([^)]+)\)", page) == [
        f"{name}/{step}.yaml"
        for name in ("emojivoto", "booksapp")
        for step in ("1-meshed", "2-deny")
    ]
    assert {f"{file.parent.name}/{file.name}" for file in FILES} == set(
        re.findall(r"\(([^)]+\.yaml)\)", page)
    )
