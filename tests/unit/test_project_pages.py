"""The pages beside README: what people who pick a project up look for."""

from __future__ import annotations

import re

import pytest

from tests.unit.test_docs_commands import PROJECT, commands, mentioned

SECTIONS = {
    *("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"),  # of Keep a Changelog
    *("How to upgrade", "State and cluster"),
}


def text(page: str) -> str:
    return (PROJECT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "limit"), [("README.md", 120), ("CONTRIBUTING.md", 100), ("SECURITY.md", 60)]
)
def test_a_page_stays_a_page(page: str, limit: int) -> None:
    """What is longer is read by nobody, and repeats what another page says."""
    assert len(text(page).splitlines()) < limit


def test_the_readme_leads_to_the_pages_beside_it() -> None:
    """Whoever does not look into the folder finds them all the same."""
    others = {path.name for path in PROJECT.glob("*.md")} - {"README.md"}
    assert others >= {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    assert all(f"]({page})" in text("README.md") for page in others)


def test_contributing_has_set_up_checks_and_every_tier() -> None:
    """Whoever has a change wants to know how it is checked; each is tried in test_docs_commands."""
    said = [line for page, line in [*commands(), *mentioned()] if page == "CONTRIBUTING.md"]
    wanted = {"make venv", "make lint", "make docs", "pre-commit install"}
    assert {*wanted, "make test-unit", "make test-charts", "make test-e2e"} <= set(said)


def test_the_changelog_has_the_form_that_tools_read() -> None:
    """https://keepachangelog.com; what comes next stands first."""
    versions = re.findall(r"^## (.*)$", text("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    for version in versions[1:]:
        assert re.fullmatch(r"\[[0-9]+\.[0-9]+\.[0-9]+\] - [0-9]{4}-[0-9]{2}-[0-9]{2}", version)
    assert set(re.findall(r"^### (.*)$", text("CHANGELOG.md"), re.MULTILINE)) <= SECTIONS
    assert "### State and cluster" in text("CHANGELOG.md").split("\n## ")[1]


def test_a_vulnerability_is_reported_in_private_and_to_no_invented_address() -> None:
    """Mail to an address that nobody reads is a vulnerability that nobody mends."""
    assert "private vulnerability reporting" in text("SECURITY.md")
    assert not re.search(r"\S@\S", text("SECURITY.md"))
