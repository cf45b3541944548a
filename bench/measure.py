"""Runs that alternate, and tables of their medians as ratios to the first row."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

Run = Callable[[], None]
TIMEOUT_SECONDS = 600.0


class Took(NamedTuple):
    """Seconds of a run: on the clock, and of processors by us and by processes that have ended."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Limit:
    """The most that a row may take: seconds, or where `to` names a row, so many times as long.

    adds: so many seconds longer than that row, instead.
    """

    most: float
    to: str = ""
    adds: bool = False

    def missed(self, rows: Mapping[str, Sequence[Took]], name: str) -> str:
        """In words by how much a row is over it; empty where it is not.

        A ratio is that of neighbouring runs: what slows the machine slows both.
        """
        wall = [each.wall for each in rows[name]]
        if not self.to:
            found, most = f"{statistics.median(wall):.2f} s", f"{self.most:g} s"
            return f"over {most}: {found}" if statistics.median(wall) > self.most else ""
        pairs = list(zip(wall, rows[self.to], strict=True))
        if self.adds:
            more = statistics.median(mine - theirs.wall for mine, theirs in pairs)
            return f"over {self.most:g} s more than {self.to!r}: {more:.2f} s" * (more > self.most)
        ratio = statistics.median(mine / theirs.wall for mine, theirs in pairs)
        return f"over x {self.most:g} of {self.to!r}: x {ratio:.2f}" if ratio > self.most else ""


def alternately(rounds: int, runs: Mapping[str, Run]) -> dict[str, list[Took]]:
    """What each run takes, so often; they take turns, so that a busy machine slows all of them."""
    took: dict[str, list[Took]] = {name: [] for name in runs}
    for run in runs.values():  # caches are filled before anything counts
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            took[name].append(timed(run))
    return took


def timed(run: Run) -> Took:
    """What a run takes."""
    started, used = time.monotonic(), _cpu()
    run()
    return Took(time.monotonic() - started, _cpu() - used)


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


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


def table(
    title: str, rows: Mapping[str, Sequence[Took]], limits: Mapping[str, Limit] | None = None
) -> None:
    """Print medians, each as a ratio to the first row, and which limits are not met."""
    floor = statistics.median(each.wall for each in next(iter(rows.values())))
    print(f"\n{title}\n  {'':34} {'clock':>8}    to first  processor", flush=True)
    for name, runs in rows.items():
        wall, cpu = (statistics.median(each[at] for each in runs) for at in (0, 1))
        lowest, highest = min(runs).wall, max(runs).wall
        spread = f"  {lowest:.2f} to {highest:.2f}" if len(runs) > 1 else ""
        print(f"  {name:34} {wall:8.2f} s  x {wall / floor:5.2f} {cpu:8.2f} s{spread}", flush=True)
    for name, limit in (limits or {}).items():
        if missed := limit.missed(rows, name):
            print(f"  LIMIT NOT MET: {name}: {missed}", flush=True)
