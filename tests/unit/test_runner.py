"""The counts of `make test` are what CI and people believe, so each way a run can end is tried."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import run
from tests.programs import ran

PROJECT = Path(__file__).resolve().parents[2]

MIXED = """
import pytest

def test_passes(): pass
def test_fails(): assert False
@pytest.mark.skip(reason="no moon tonight")
def test_skipped(): pass
@pytest.fixture
def broken(): raise RuntimeError
def test_errors(broken): pass
"""


def _tier(folder: Path, name: str, content: str) -> Path:
    (folder / "tests" / name).mkdir(parents=True)
    (folder / "tests" / name / "test_it.py").write_text(content)
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return folder


def test_every_outcome_is_counted_once(tmp_path: Path) -> None:
    """An error in a fixture is no pass: pytest counts it apart, and it must not get lost."""
    outcome = run.run_tier("unit", [], _tier(tmp_path, "unit", MIXED))
    assert (outcome.passed, outcome.failed, outcome.skipped) == (1, 2, 1)
    assert outcome.reasons == {"no moon tonight": 1}


def test_a_module_skipped_as_a_whole_gives_its_reason(tmp_path: Path) -> None:
    """A tier that cannot run here says what it lacks, not `collection skipped`."""
    text = "import pytest\npytest.skip('helm is not on PATH', allow_module_level=True)\n"
    outcome = run.run_tier("charts", [], _tier(tmp_path, "charts", text))
    assert (outcome.passed, outcome.failed) == (0, 0)
    assert outcome.reasons == {"helm is not on PATH": 1}


def test_a_tier_without_tests_is_no_failure(tmp_path: Path) -> None:
    """Pytest ends with exit code 5 when it collects nothing."""
    outcome = run.run_tier("e2e", [], _tier(tmp_path, "e2e", ""))
    assert str(outcome) == "0 passed, 0 failed, 0 skipped"
    assert "it has no tests" in run.summary({"e2e": outcome})[1]


@pytest.mark.parametrize("content", ["import nothing_like_this", "def test_("])
def test_a_file_that_cannot_be_collected_is_a_failure(tmp_path: Path, content: str) -> None:
    """Otherwise a broken import would make a whole file vanish from the counts."""
    outcome = run.run_tier("unit", [], _tier(tmp_path, "unit", content))
    assert outcome.failed >= 1


def test_a_run_that_dies_is_a_failure(tmp_path: Path) -> None:
    """A killed pytest leaves no report; no report must not read as nothing failed."""
    text = "import os\ndef test_dies(): os._exit(77)\n"
    outcome = run.run_tier("unit", [], _tier(tmp_path, "unit", text))
    assert outcome.failed == 1
    assert outcome.broken == "pytest ended with exit code 77"


def test_the_last_line_is_the_sum_of_the_tiers() -> None:
    """CI reads the last line and nothing else."""
    outcomes = {
        "unit": run.Outcome(passed=3, failed=1),
        "charts": run.Outcome(passed=2, skipped=4),
    }
    assert run.summary(outcomes)[-1] == "5 passed, 1 failed, 4 skipped"


def test_an_unknown_tier_is_refused() -> None:
    """A typo must not read as a run in which nothing failed."""
    done = ran(
        [sys.executable, "-m", "tests.run", "units"],
        cwd=PROJECT,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "tests.run: 'units' is no tier: name unit, charts, e2e\n"
