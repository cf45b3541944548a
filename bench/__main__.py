"""`make bench`: program evaluation, preview and `up`, against an empty and a naive program.

Only ratios within one run mean anything: the runs of what is compared alternate, so that a busy
machine slows both. Exit code 3 when the engine, the servers or the charts are missing.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sandbox
from bench import workspace
from bot import engine
from bot.engine import Engine
from bot.engine_target import Target
from bot.exit_codes import MissingToolError
from sandbox import toolchain
from sandbox.settings import Settings
from stack.charts import ChartError, Charts

Run = Callable[[], None]
_TIMEOUT = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the tables; see the module."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each preview (default 5)")
    rounds = parser.parse_args(arguments).rounds
    try:
        found = engine.find(install=False)
        absent = [n for n in Charts(workspace.PROJECT).missing() if n != "linkerd-buoyant"]
        lacks = toolchain.missing_reason() or (absent and f"no chart archive: {', '.join(absent)}")
    except (MissingToolError, ChartError) as error:
        lacks = str(error)
    if lacks:
        print(f"bench: {lacks}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="linkerd-platform-bench-") as folder:
        _measure(found, Path(folder).resolve(), rounds)
    return 0


def _measure(found: Engine, folder: Path, rounds: int) -> None:
    project = workspace.copy_of_project(folder / "platform")
    second = Settings.ephemeral(folder / "second")
    settings = Settings.ephemeral(project / ".sandbox")
    try:
        settings, target = workspace.platform_target(project)
        kubeconfig = sandbox.cluster_up(second, lambda _text: None).kubeconfig
        empty = workspace.program("empty", folder / "empty", target, {})
        engine.short(found, empty, "stack", "init", "bench")
        seconds_ours = _timed(lambda: _must(engine.run(found, target, "up")))
        environment = workspace.naive_environment(target, kubeconfig)
        naive = workspace.program("naive", folder / "naive", target, environment)
        engine.short(found, naive, "stack", "init", "bench")
        seconds_naive = _timed(lambda: _pulumi(found, naive, "up", "--yes", "--skip-preview"))
        table(
            "up from nothing, once",
            {"platform": [seconds_ours], "naive (no ESO, Vault, PKI)": [seconds_naive]},
        )
        preview = ("preview", "--expect-no-changes", "--suppress-outputs")
        table(
            f"preview without a change, median of {rounds}",
            _alternately(
                rounds,
                {
                    "empty": lambda: _pulumi(found, empty, *preview[:1]),
                    "platform": lambda: _pulumi(found, target, *preview),
                    "platform by the bot": lambda: _must(engine.run(found, target, "preview")),
                    "naive": lambda: _pulumi(found, naive, *preview),
                },
            ),
        )
        evaluate = "from pathlib import Path; from bot.mock_engine import evaluate; import sys; "
        evaluate += "evaluate(Path(sys.argv[1]), Path('.'))"
        table(
            f"program evaluation without an engine, median of {rounds}",
            _alternately(
                rounds,
                {
                    "import pulumi": lambda: _python(project, "import pulumi"),
                    "staging": lambda: _python(project, evaluate, "Pulumi.staging.yaml"),
                },
            ),
        )
    finally:
        for each in (settings, second):
            sandbox.cluster_down(each, lambda _text: None)


def _alternately(rounds: int, runs: dict[str, Run]) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():  # caches are filled before anything counts
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(_timed(run))
    return seconds


def _timed(run: Run) -> float:
    started = time.monotonic()
    run()
    return time.monotonic() - started


def _pulumi(found: Engine, target: Target, *arguments: str) -> None:
    command = [found.program, *arguments, "--non-interactive", "--stack", target.stack]
    if target.config_file:
        command += ["--config-file", str(target.config_file)]
    done = subprocess.run(
        command,
        cwd=target.project_dir,
        env=target.full_environment(),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"pulumi {arguments[0]}: {done.stdout[-800:]}{done.stderr[-800:]}")


def _python(project: Path, code: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=project, check=True, capture_output=True
    )


def _must(result: engine.Result) -> None:
    if not result.ok:
        raise RuntimeError(f"{result.operation} failed: {result.outside}")


def table(title: str, seconds: dict[str, list[float]]) -> None:
    """Print medians, and each as a ratio to the first row."""
    floor = statistics.median(next(iter(seconds.values())))
    print(f"\n{title}")
    for name, values in seconds.items():
        median = statistics.median(values)
        spread = f"{min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
        print(f"  {name:28} {median:8.2f} s  x {median / floor:5.2f}  {spread}")


if __name__ == "__main__":
    sys.exit(main())
