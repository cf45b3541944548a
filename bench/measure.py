"""Runs that alternate, and tables of their medians as ratios to the first row."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Run = Callable[[], None]
TIMEOUT_SECONDS = 600.0


def alternately(rounds: int, runs: Mapping[str, Run]) -> dict[str, list[float]]:
    """Seconds of each run, so often; they take turns, so that a busy machine slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():  # caches are filled before anything counts
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(timed(run))
    return seconds


def timed(run: Run) -> float:
    """Seconds that a run takes."""
    started = time.monotonic()
    run()
    return time.monotonic() - started


def python(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, code: int = 0
) -> None:
    """Run our Python with these arguments; raises RuntimeError for another exit code."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != code:
        raise RuntimeError(f"{' '.join(arguments)[:80]}: {done.stdout[-800:]}{done.stderr[-800:]}")


def table(title: str, seconds: Mapping[str, list[float]]) -> None:
    """Print medians, and each as a ratio to the first row."""
    floor = statistics.median(next(iter(seconds.values())))
    print(f"\n{title}")
    for name, values in seconds.items():
        median = statistics.median(values)
        spread = f"{min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
        print(f"  {name:34} {median:8.2f} s  x {median / floor:5.2f}  {spread}", flush=True)
