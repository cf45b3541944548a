"""`make bench`: plans, comments, many namespaces, then previews and `up` against other programs.

Only ratios within one run mean anything: the runs of what is compared alternate, so that a busy
machine slows both. A limit that is not met is told below its table. Exit code 3 when the engine,
the servers or the charts are missing, for which plans and comments do not ask.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pulumi

import sandbox
from bench import delivery, scale, workspace
from bench.delayed import delayed
from bench.measure import TIMEOUT_SECONDS, Limit, alternately, python, table, timed
from bot import engine
from bot.cli import crash
from bot.clients.target import Target
from bot.engine import Engine, automation
from bot.engine import report as engine_report
from bot.exit_codes import BotError, MissingToolError
from sandbox import toolchain
from sandbox.settings import Settings
from stack.charts import ChartError, Charts

_ROUND_TRIP = 0.05


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure plans, comments, previews and updates against other programs. "
        "Previews and updates need the engine, the servers and the charts, and run in a copy of "
        "the project; nothing else is changed. Exit code 3 when one of them is missing.",
        epilog="examples:\n  python -m bench --offline\n  python -m bench --rounds 3",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each preview (default 5)")
    parser.add_argument("--offline", action="store_true", help="plans and comments alone")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the tables; see the module."""
    parsed = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="linkerd-platform-bench-") as folder:
        delivery.measure(Path(folder).resolve(), parsed.rounds)
        scale.measure(Path(folder).resolve(), 1)
    if parsed.offline:
        return 0
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
        _measure(found, Path(folder).resolve(), parsed.rounds)
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
        took_ours = timed(lambda: _must(engine.run(found, target, "up")))
        environment = workspace.naive_environment(target, kubeconfig)
        naive = workspace.program("naive", folder / "naive", target, environment)
        engine.short(found, naive, "stack", "init", "bench")
        took_naive = timed(lambda: _pulumi(found, naive, "up", "--yes", "--skip-preview"))
        table(
            "up from nothing, once",
            {"platform": [took_ours], "naive (no ESO, Vault, PKI)": [took_naive]},
        )
        out = str(folder / "sandbox.changes.json")
        preview = ("preview", "--expect-no-changes", "--suppress-outputs")
        table(
            f"preview without a change, median of {rounds}; the bot is to take no longer",
            alternately(
                rounds,
                {
                    "empty": lambda: _pulumi(found, empty, *preview[:1]),
                    "empty, inline": lambda: _inline(found, empty),
                    "platform": lambda: _pulumi(found, target, *preview),
                    "platform by the bot's engine": lambda: _must(
                        engine.run(found, target, "preview")
                    ),
                    "platform by bot preview --out": lambda: python(
                        project, "-m", "bot", "preview", "--stack", "sandbox", "--out", out
                    ),
                    "naive": lambda: _pulumi(found, naive, *preview),
                },
            ),
            {
                "empty, inline": Limit(0.5, to="empty"),
                "platform by bot preview --out": Limit(1.0, to="platform"),
            },
        )
        _far_away(found, target, settings, rounds)
        evaluate = (
            "from pathlib import Path; from bot.plan.mock.engine import evaluate; import sys; "
        )
        evaluate += "evaluate(Path(sys.argv[1]), Path('.'))"
        table(
            f"program evaluation without an engine, median of {rounds}",
            alternately(
                rounds,
                {
                    "import pulumi": lambda: python(project, "-c", "import pulumi"),
                    "staging": lambda: python(project, "-c", evaluate, "Pulumi.staging.yaml"),
                },
            ),
        )
    finally:
        for each in (settings, second):
            sandbox.cluster_down(each, lambda _text: None)


def _far_away(found: Engine, target: Target, settings: Settings, rounds: int) -> None:
    """What distance to the API server costs: requests that wait for one another."""
    near = settings.kubeconfig.read_text(encoding="utf-8")
    with delayed(settings.ports.kube, _ROUND_TRIP) as port:
        far = near.replace(f":{settings.ports.kube}", f":{port}")

        def preview(kubeconfig: str) -> None:
            settings.kubeconfig.write_text(kubeconfig, encoding="utf-8")
            try:
                _must(engine.run(found, target, "preview"))
            finally:
                settings.kubeconfig.write_text(near, encoding="utf-8")

        table(
            f"preview over {_ROUND_TRIP * 1000:.0f} ms of round trip, median of {rounds}",
            alternately(rounds, {"near": lambda: preview(near), "far": lambda: preview(far)}),
            {"far": Limit(1.5, to="near", adds=True)},
        )


def _inline(found: Engine, target: Target) -> None:
    """Preview a program without resources in this process, as the bot does it."""

    async def nothing() -> None:
        pulumi.export("resources", 0)

    values = target.full_environment()
    command = automation.EngineCommand(found.program, found.version, target, values, timeout=60)
    automation.operate(automation.stack(command, target, nothing), "preview", {})


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
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BotError(f"pulumi {arguments[0]}: {done.stdout[-800:]}{done.stderr[-800:]}")


def _must(result: engine.EngineResult) -> None:
    if not result.ok:
        raise BotError("\n".join(engine_report.failure(result)))


if __name__ == "__main__":
    sys.exit(crash.guarded("python -m bench", main))
