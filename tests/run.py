"""Runs the tiers of tests, and ends with how many passed, failed and were skipped, and why.

`python -m tests.run unit charts e2e`; after `--` come arguments for pytest. Exit code 0 when
nothing failed: a tier that this machine cannot run is skipped, and counted as skipped. TEST_MINUTES
(60) is what the whole may take: what would have to be built for longer than that is left out, and
a test of the tier `e2e` whose turn comes later is skipped.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

PROJECT = Path(__file__).resolve().parent.parent
TIERS = ("unit", "charts", "e2e")
# Of pytest's exit codes, those after which its report is complete: passed, failed, no tests.
REPORTED = (0, 1, 5)
# In the environment of pytest: the time, in seconds of the epoch, after which no e2e test begins.
UNTIL = "TEST_UNTIL"


@dataclass
class Outcome:
    """Counts of one tier; `reasons` counts the skipped tests by why."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    broken: str = ""

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def outcome_of(report: Path, exit_code: int) -> Outcome:
    """Counts of a JUnit report; a run that ended without one is one failure."""
    outcome = Outcome()
    if report.is_file():
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 pytest wrote it a moment ago
            skipped = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                outcome.failed += 1
            elif skipped is not None:
                outcome.skipped += 1
                outcome.reasons[_reason(skipped)] += 1
            else:
                outcome.passed += 1
    # Also a report of passes: pytest may break in a collection or between two tests.
    if exit_code not in REPORTED or (exit_code == 1 and not outcome.failed):
        outcome.failed += 1
        outcome.broken = f"pytest ended with exit code {exit_code}"
    return outcome


def _reason(skipped: ET.Element) -> str:
    text = skipped.get("message", "")
    # A module skipped as a whole has its reason in a tuple: (file, line, 'Skipped: reason').
    if text == "collection skipped" and (found := _MODULE_REASON.search(skipped.text or "")):
        text = found[1]
    return " ".join(text.split()) or "no reason given"


_MODULE_REASON = re.compile(r"""['"]Skipped: (.*)['"]\)""", re.DOTALL)


def run_tier(
    tier: str,
    arguments: Sequence[str],
    project: Path = PROJECT,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Outcome:
    """Run the tests below `tests/<tier>`; pytest's own output goes through."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", f"tests/{tier}", f"--junitxml={report}", "-qrfE"]
        exit_code = subprocess.run(
            [*command, *arguments], cwd=project, env={**os.environ, **environment}, check=False
        ).returncode
        outcome = outcome_of(report, exit_code)
    outcome.seconds = time.monotonic() - started
    return outcome


def summary(outcomes: dict[str, Outcome]) -> list[str]:
    """One line per tier with its skip reasons below, and the closing line with all counts."""
    lines = [""]
    for tier, outcome in outcomes.items():
        none = not (outcome.passed or outcome.failed or outcome.skipped)
        note = outcome.broken or ("it has no tests" if none else "")
        lines.append(f"{tier:<7} {outcome} in {outcome.seconds:.0f} s{note and f'; {note}'}")
        for why, number in outcome.reasons.most_common():
            lines.append(f"        {number} skipped: {why}")
            if command := changed_by(why):
                lines.append(f"            to run them: {command}")
    values = outcomes.values()
    total = Outcome(*(sum(getattr(o, name) for o in values) for name in _COUNTS))
    return [*lines, str(total)]


_COUNTS = ("passed", "failed", "skipped")
_MIRROR = "SANDBOX_MIRROR=(a mirror), or on PATH"
# The one command that changes a reason, by what the reason says; the first that fits.
_COMMANDS = (
    ("TEST_MINUTES are over", "make test TEST_MINUTES=180"),
    ("SANDBOX_BUILD_MINUTES is", "make test TEST_MINUTES=180, or make toolchain first"),
    ("building needs Go", "make toolchain, with Go installed"),
    ("chart archive", "make charts CHARTS_LOCATION=(a mirror or a folder that has them)"),
    ("helm is not on PATH", "python -m sandbox toolchain helm"),
    ("pulumi is not on PATH", "python -m sandbox toolchain pulumi pulumi-resource-kubernetes"),
    ("plugins are not on PATH", "python -m sandbox toolchain pulumi pulumi-resource-kubernetes"),
    ("E2E_SLOW", "make test-slow"),
    ("CHARTS_SLOW", "make test-slow"),
    ("no CRD", "CRDS_DIR=(a folder of CRDs) make test"),
    ("no Go module builds it", _MIRROR),
)


def changed_by(reason: str) -> str | None:
    """The command after which the tests that were skipped for a reason are run; None: in it."""
    return next((command for words, command in _COMMANDS if words in reason), None)


def minutes(environment: Mapping[str, str]) -> int | None:
    """What the whole run may take; None for what is no number of minutes."""
    text = environment.get("TEST_MINUTES", "").strip() or "60"
    return int(text) if text.isdigit() else None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run the named tiers, one after the other even when one fails."""
    # A background job of a script ignores interrupts, and so would every process that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    words = list(arguments)
    cut = words.index("--") if "--" in words else len(words)
    tiers, rest = words[:cut] or list(TIERS), words[cut + 1 :]
    if unknown := [tier for tier in tiers if tier not in TIERS]:
        sys.stderr.write(f"tests.run: {unknown[0]!r} is no tier: name {', '.join(TIERS)}\n")
        return 2
    limit = minutes(os.environ)
    if limit is None:
        said = os.environ["TEST_MINUTES"]
        sys.stderr.write(f"tests.run: TEST_MINUTES is {said!r}; write a number of minutes\n")
        return 2
    # Only here: it is the sandbox's, and takes a second to import.
    from tests.machine import Machine

    os.environ[UNTIL] = str(int(time.time()) + 60 * limit)
    machine = Machine(limit, _say)
    outcomes = {}
    for tier in tiers:
        _say(f"== {tier}")
        outcomes[tier] = run_tier(tier, rest, environment=machine.ready(tier))
    sys.stdout.write("\n".join(summary(outcomes)) + "\n")
    return 1 if any(outcome.failed for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
