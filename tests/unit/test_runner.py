"""The counts of `make test` are what CI and people believe, so each way a run can end is tried."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests import run
from tests.e2e.conftest import pytest_runtest_setup
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


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        ("etcd: building takes about 26 min, and SANDBOX_BUILD_MINUTES is 9", "TEST_MINUTES=180"),
        ("etcd: not on PATH, not downloaded, and building needs Go 1.26", "make toolchain"),
        ("chart archives missing: linkerd-crds (make charts)", "CHARTS_LOCATION="),
        ("helm is not on PATH: https://helm.sh", "toolchain helm"),
        ("the providers' plugins are not on PATH", "pulumi-resource-kubernetes"),
        ("rotations wait for certificates to end: set E2E_SLOW=1", "make test-slow"),
        ("linkerd: not on PATH, and no Go module builds it: a mirror may", "SANDBOX_MIRROR="),
    ],
)
def test_what_was_skipped_is_told_with_the_one_command_that_changes_it(
    reason: str, command: str
) -> None:
    """A reason that names a missing thing leaves the reader to find out how to have it."""
    outcome = run.Outcome(passed=1, skipped=2, reasons=Counter({reason: 2}))
    lines = run.summary({"e2e": outcome})
    [place] = [number for number, line in enumerate(lines) if reason in line]
    assert lines[place + 1].startswith("            to run them: ")
    assert command in lines[place + 1]


def test_a_reason_of_its_own_gets_no_command() -> None:
    """A wrong one is worse than none."""
    outcome = run.Outcome(skipped=1, reasons=Counter({"no moon tonight": 1}))
    assert not [line for line in run.summary({"unit": outcome}) if "to run them" in line]


@pytest.mark.parametrize(
    ("text", "minutes"), [("", 60), ("90", 90), ("an hour", None), ("-1", None)]
)
def test_the_time_that_the_whole_may_take_is_a_number_of_minutes(
    text: str, minutes: int | None
) -> None:
    """Without one it is an hour, which is what jobs of CI have."""
    assert run.minutes({"TEST_MINUTES": text}) == minutes


def test_a_time_that_is_none_is_refused_before_anything_is_run() -> None:
    """Exit code 2: it would otherwise be no limit, or fail an hour later."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.run", "unit"],
        cwd=PROJECT, env={**os.environ, "TEST_MINUTES": "ten"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tests.run: TEST_MINUTES is 'ten'; write a number of minutes\n"


def test_a_tier_gets_the_environment_that_was_made_for_it(tmp_path: Path) -> None:
    """Programs that were had for the tests are on PATH for them, and not in the caller's shell."""
    text = "import os\ndef test_it(): assert os.environ['OF_THE_RUNNER'] == 'x'\n"
    folder = _tier(tmp_path, "unit", text)
    outcome = run.run_tier("unit", [], folder, {"OF_THE_RUNNER": "x"})
    assert outcome.passed == 1


def test_no_e2e_test_begins_after_the_minutes_of_the_run() -> None:
    """CI ends a run that takes too long, and then nothing of it counts; a skipped test says why."""
    late = run.run_tier("e2e/test_actionlint.py", [], environment={run.UNTIL: "1"})
    assert (late.passed, late.failed) == (0, 0)
    assert set(late.reasons) == {"TEST_MINUTES are over"}
    assert "make test TEST_MINUTES=180" in "".join(run.summary({"e2e": late}))


def test_an_e2e_test_begins_before_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that skips everything would pass for a green run."""
    monkeypatch.setenv(run.UNTIL, str(int(time.time()) + 600))
    pytest_runtest_setup()
