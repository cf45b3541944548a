"""CI runs what everybody runs, with actions that cannot change under their names."""

from __future__ import annotations

import os
import re
from pathlib import Path

import yaml

from tests.run import TIERS

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOW = PROJECT / ".github/workflows/ci.yml"


def _job() -> dict:
    return yaml.safe_load(WORKFLOW.read_text())["jobs"]["test"]


def test_ci_runs_the_same_command_as_everybody() -> None:
    """A check that only CI has is a check that nobody can repeat."""
    script = PROJECT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert "exec make --no-print-directory test\n" in script.read_text()
    assert _job()["steps"][-1] == {"run": ".ci/run"}


def test_make_test_runs_every_tier() -> None:
    """A tier that is not named there is a tier that never runs."""
    recipe = (PROJECT / "Makefile").read_text().split("\ntest:")[1].split("\n\n")[0]
    assert recipe.split("tests.run ")[1].split() == list(TIERS)


def test_every_action_is_pinned_to_a_commit() -> None:
    """A tag can be moved; then somebody else's code has our token."""
    actions = [step["uses"] for step in _job()["steps"] if "uses" in step]
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action


def test_the_token_of_ci_can_only_read() -> None:
    """A pull request's code runs here."""
    assert yaml.safe_load(WORKFLOW.read_text())["permissions"] == {"contents": "read"}


def test_ci_tries_the_oldest_python_that_we_promise() -> None:
    """What works on the newest only would be found by a user."""
    versions = _job()["strategy"]["matrix"]["python"]
    promised = re.search(r'requires-python = ">=(.*)"', (PROJECT / "pyproject.toml").read_text())
    assert promised
    assert versions[0] == promised[1]
    assert len(versions) >= 3


def test_every_target_of_the_makefile_is_explained() -> None:
    """`make` alone lists the targets: one without a text would be missing there."""
    text = (PROJECT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*?)\n\n", text, re.DOTALL | re.MULTILINE)
    assert phony
    explained = re.findall(r"^([a-z0-9-]+):[^#\n]*## \S", text, re.MULTILINE)
    assert sorted(phony[1].replace("\\\n", " ").split()) == sorted(explained)
