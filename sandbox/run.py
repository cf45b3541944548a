"""`python -m sandbox run`, which is `make sandbox`: from nothing to a proven mesh."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import sandbox
from bot import engine
from bot.cli import parsers
from bot.clients.target import Target
from bot.deploy import preview as bot_preview
from bot.deploy import up as bot_up
from bot.engine import Engine, EngineMissing, EngineResult, sandbox_stack
from bot.engine import target as engine_target
from bot.mesh.verification.judge import table
from bot.text.durations import duration
from sandbox import lifecycle, providers, toolchain, verify
from sandbox.cli import FAILED, PROJECT, TOOL_MISSING, Subparsers, say
from sandbox.processes import Supervisor
from sandbox.settings import Settings
from stack import load
from stack.arguments import chart_refs
from stack.charts import ChartError, Charts
from stack.config import StackConfig

DONE, BAD_ARGUMENTS = 0, 2
_FETCH_SECONDS = 600
_PLUGINS = tuple(
    name
    for name in toolchain.ENGINE_TOOLS
    if name.startswith("pulumi-resource-")
    and name.removeprefix("pulumi-resource-") not in providers.NAMES
)
_ALL_PROGRAMS = (*toolchain.ENGINE_TOOLS, *toolchain.SERVERS)


class RunFailed(Exception):  # noqa: N818  (it ends the run, it is no error of ours)
    """A step of the run failed; what went wrong has been said."""


def add_command(subparsers: Subparsers) -> None:
    """Add `run` to the command line."""
    parser = parsers.command(
        subparsers,
        "run",
        run,
        "Start the embedded cluster, deploy the sandbox stack to it, and verify the mesh. Missing "
        "programs are downloaded or built first. Without the engine or the charts only the plan is "
        "shown.",
        "run",
        "run --context kind-dev",
    )
    parser.add_argument(
        "--context", metavar="NAME", help="deploy to this context of your kubeconfig instead"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit code 3 when the engine or charts are missing"
    )
    parser.add_argument("--ephemeral", action="store_true", help="take free ports")


def run(parsed: argparse.Namespace) -> int:
    """Run the command; 0 when everything is proven, or when only the plan can be shown."""
    started = time.monotonic()
    try:
        if parsed.context:
            sandbox_stack.choose(PROJECT, parsed.context, os.environ)
        own = sandbox_stack.chosen(PROJECT)
    except sandbox_stack.ContextError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return BAD_ARGUMENTS
    try:
        _programs_ready(toolchain.ENGINE_TOOLS if own else _ALL_PROGRAMS)
        if reason := _plugins_missing():
            return plan_instead(reason, parsed.strict)
        found = engine.find()
        _charts_ready()
        if own is None and (reason := toolchain.missing_reason()):
            return plan_instead(reason, parsed.strict)
    except (EngineMissing, ChartError) as error:
        return plan_instead(str(error), parsed.strict)
    standins = _standins()
    if standins:
        say(standins)
    if own:
        say(f"cluster: context {own.context} at {own.api_server}, Vault at {own.vault_addr}")
        code = _deploy(found, started, again=True)
    else:
        settings = Settings.ephemeral(PROJECT / ".sandbox") if parsed.ephemeral else None
        code = _on_embedded(found, settings or Settings.default(PROJECT), started)
    if standins:
        say(standins)
    return code


def _on_embedded(found: Engine, settings: Settings, started: float) -> int:
    """Deploy to the embedded cluster; an interrupt takes along what this run has started."""
    mark = settings.state_dir / "settings.json"
    known, before = mark.exists(), lifecycle.adopted(settings)
    ran = known and lifecycle.running(before)
    try:
        sandbox.cluster_up(settings, say)
        return _deploy(found, started, again=ran)
    except KeyboardInterrupt:
        if not ran:
            settings = lifecycle.adopted(settings)
            say("interrupted: stopping the servers")
            if known:
                # Its data was here before this run, and stays for the next.
                Supervisor(settings.run_dir, settings.log_dir).stop_all(lifecycle.GRACE_SECONDS)
            else:
                sandbox.cluster_down(settings, say)
        raise


def _deploy(found: Engine, started: float, *, again: bool) -> int:
    """Deploy, prove, sum up. again: something may be there, and not be as we left it."""
    target = engine_target.of(engine_target.SANDBOX, PROJECT)
    try:
        updated = deploy(found, target, refresh=again)
        say("preview: the same program once more must change nothing")
        _must_be_empty(bot_preview.preview(found, target))
        say("refresh and preview: what the servers say must be what the program wants")
        _must_be_empty(bot_preview.preview(found, target, refresh=True))
    except RunFailed:
        say("the servers go on running: look around, then `make sandbox` or `make sandbox-down`")
        return FAILED
    say("")
    proven = verify.prove(target, PROJECT)
    say("\n".join(table(proven)))
    say("\n".join(_summary(target, updated, time.monotonic() - started)))
    return DONE if all(proof.ok for proof in proven) else FAILED


def deploy(found: Engine, target: Target, *, refresh: bool) -> EngineResult:
    """Bring the stack up; a lock that a killed run left behind is released. Raises RunFailed."""
    started = time.monotonic()
    result = bot_up.up(found, target, refresh=refresh)
    if engine.cancel_stale(found, target, result):
        say("a killed run had left its lock behind: released")
        result = bot_up.up(found, target, refresh=refresh)
    say("\n".join(bot_up.lines(result, time.monotonic() - started)))
    return _gone_well(result)


def _gone_well(result: EngineResult) -> EngineResult:
    if result.ending.ended == "interrupted":
        raise KeyboardInterrupt
    if not result.ok:
        raise RunFailed
    return result


def _must_be_empty(result: EngineResult) -> None:
    say("\n".join(bot_preview.lines(result)))
    _gone_well(result)
    if not result.unchanged:
        say(f"FAIL: the {result.operation} is not empty")
        raise RunFailed


def _programs_ready(names: Sequence[str]) -> None:
    """Download what upstream has; put the cache's engine and plugins on PATH, behind all others."""
    # The first line on standard output says whether it will be deployed.
    toolchain.download(names, lambda text: print(text, file=sys.stderr, flush=True))
    os.environ["PATH"] = os.pathsep.join((os.environ["PATH"], str(toolchain.path_folder())))


def _standins() -> str:
    """Put stand-ins where plugins cannot be had; what is to be said of it, empty where all can."""
    names = [n for n in providers.NAMES if toolchain.find(f"pulumi-resource-{n}") is None]
    providers.place(PROJECT, names)
    if not names:
        return ""
    plugins = " and ".join(f"pulumi-resource-{name}" for name in names)
    return (
        f"STAND-INS for {plugins}, which cannot be had here: for the sandbox alone, every other "
        "stack needs the plugins (SANDBOX_MIRROR=url)"
    )


def _plugins_missing() -> str | None:
    """Say which plugins the cache's engine lacks; somebody's own engine fetches its own.

    Those of Vault and random have stand-ins.
    """
    program = shutil.which("pulumi")
    if program is None or Path(program).parent != toolchain.path_folder():
        return None
    absent = [name for name in _PLUGINS if toolchain.find(name) is None]
    if not absent:
        return None
    return (
        f"{', '.join(absent)}: not on PATH and not downloaded. A mirror may have it "
        "(SANDBOX_MIRROR=url), and it can be built: "
        "python -m sandbox toolchain pulumi-resource-kubernetes"
    )


def _charts_ready() -> None:
    """Have every archive of the sandbox stack in place, downloading what is absent.

    Raises ChartError when one cannot be had.
    """
    charts = Charts(PROJECT)
    wanted = chart_refs(stack_config(), charts).values()
    try:
        charts.link(*wanted)
    except ChartError:
        # Not the first line on standard output, as in `_programs_ready`.
        sys.stderr.write("charts: downloading what the cache has not got (make charts)\n")
        # What it could not get is told by `link`, which knows what this stack needs.
        subprocess.run(
            [sys.executable, "-m", "bot.cli.fetch_charts"],
            cwd=PROJECT,
            capture_output=True,
            timeout=_FETCH_SECONDS,
            check=False,
        )
        charts.link(*wanted)


def stack_config() -> StackConfig:
    """The tracked stack's config; the files that it names need not be there yet."""
    from bot.plan.mock.values import throwaway_certificate

    return load.from_file(PROJECT / sandbox_stack.TRACKED, lambda _path: throwaway_certificate())


def plan_instead(reason: str, strict: bool) -> int:
    """Show what the sandbox stack is made of, where it cannot be deployed."""
    line = f"NOT DEPLOYED: {reason}"
    say(line)
    subprocess.run(
        [sys.executable, "-m", "bot", "plan", "--stack", "sandbox"],
        cwd=PROJECT,
        check=False,
        timeout=120,
    )
    say(line)
    return TOOL_MISSING if strict else DONE


def _summary(target: Target, updated: EngineResult, seconds: float) -> list[str]:
    cluster, vault = target.config.cluster, target.config.vault
    kubeconfig = cluster.kubeconfig if cluster else None
    folder = target.project_dir
    lines = ["", "look around:"]
    if kubeconfig:
        lines.append(f"  export KUBECONFIG={_shown(folder / kubeconfig)}")
    lines.append(f"  export VAULT_ADDR={vault.address}")
    if vault.ca_file:
        lines.append(f"  export VAULT_CACERT={_shown(folder / vault.ca_file)}")
    token = folder / ".sandbox" / "vault" / "root-token"
    if token.exists():
        lines.append(f"  export VAULT_TOKEN=$(cat {_shown(token)})")
    lines += [
        "  python -m bot preview --stack sandbox",
        "  python -m sandbox verify",
        "  make sandbox-down",
        f"update {duration(updated.record.seconds)}, all in all {duration(seconds)}",
    ]
    return lines


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
