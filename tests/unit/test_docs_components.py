"""A component's page says what its code says."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from components.base import Args
from schema.section import Section
from tests.unit.every_component import COMPONENTS, STEMS, file_of

PROJECT = Path(__file__).resolve().parents[2]
PAGES = PROJECT / "docs" / "components"
HEADINGS = ["Args", "Outputs", "Order", "When it fails", "Upstream"]


def _page(stem: str) -> str:
    return (PAGES / f"{stem}.md").read_text(encoding="utf-8")


def _rows(stem: str, heading: str) -> list[str]:
    section = _page(stem).split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `(\w+)` \| \S", section, re.MULTILINE)


def test_components_and_pages_have_the_same_names() -> None:
    """A page is found by the name of its file, and none stays when its component goes."""
    assert len(STEMS) >= 12
    assert {file.stem for file in PAGES.glob("*.md")} - {"README"} == set(STEMS)


@pytest.mark.parametrize("stem", STEMS)
def test_a_page_has_all_headings_in_order(stem: str) -> None:
    """Who looks for what goes wrong looks at the same place on each page."""
    assert re.findall(r"^## (.*)$", _page(stem), re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("stem", STEMS)
def test_a_page_names_file_and_type_token(stem: str) -> None:
    """The token is what previews and policies show."""
    assert f"`{file_of(stem)}`, `{COMPONENTS[stem].type_token}`\n" in _page(stem)


@pytest.mark.parametrize("stem", STEMS)
def test_the_table_of_arguments_is_that_of_the_code(stem: str) -> None:
    """An argument that is not described gets a wrong value sooner or later.

    The keys of a section are described in docs/config.md, once.
    """
    component = COMPONENTS[stem]
    args = getattr(importlib.import_module(component.__module__), f"{component.__name__}Args")
    assert issubclass(args, Args)
    sections = [each for each in args.__mro__ if issubclass(each, Section) and each is not args]
    described = {name for section in sections for name in section.model_fields}
    assert _rows(stem, "Args") == [each for each in args.model_fields if each not in described]


@pytest.mark.parametrize("stem", STEMS)
def test_the_table_of_outputs_is_that_of_the_code(stem: str) -> None:
    """What `self.done(...)` registers is what other programs read."""
    tree = ast.parse((PROJECT / file_of(stem)).read_text(encoding="utf-8"))
    (call,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "done"
    ]
    assert _rows(stem, "Outputs") == [keyword.arg for keyword in call.keywords]


@pytest.mark.parametrize("stem", STEMS)
def test_a_component_is_listed_on_the_overview(stem: str) -> None:
    """The overview is where a reader starts."""
    assert f"| [{stem}]({stem}.md) | " in (PAGES / "README.md").read_text(encoding="utf-8")
