"""`python -m sandbox run`, which is `make sandbox`: from nothing to a proven mesh."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import sandbox
from bot import engine
from bot.cli import parsers
from bot.clients.target import Target
from bot.deploy import preview as bot_preview
from bot.deploy import up as bot_up
from bot.engine import Engine, EngineMissing, EngineResult, sandbox_stack
from bot.engine import target as engine_target
from bot.mesh.status.evidence import Verification
from bot.mesh.status.verification import table
from bot.text.durations import duration
from sandbox import lifecycle, own_cluster, prepare, toolchain, traffic, verify
from sandbox.cli import FAILED, PROJECT, TOOL_MISSING, Subparsers, say
from sandbox.node.node import until
from sandbox.processes import Supervisor
from sandbox.settings import Settings
from stack.charts import ChartError

DONE, BAD_ARGUMENTS = 0, 2
_TRAVEL_SECONDS = 120.0


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
        "--context",
        metavar="NAME",
        help="deploy to this context of your kubeconfig instead; VAULT_ADDR and VAULT_TOKEN name a "
        "Vault for it, without them one is started here",
    )
    parser.add_argument(
        "--kind", action="store_true", help="deploy to a cluster that kind makes, in Docker"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit code 3 where anything is missing"
    )
    parser.add_argument(
        "--traffic",
        action="store_true",
        help="run the mesh and a shop for real, send requests, and rotate the anchor under load "
        "(Linux); exit code 3 where that cannot be",
    )
    parser.add_argument("--ephemeral", action="store_true", help="take free ports")


def run(parsed: argparse.Namespace) -> int:
    """Run the command; 0 when everything is proven, or when only the plan can be shown."""
    started = time.monotonic()
    default = Settings.default(PROJECT)
    settings = Settings.ephemeral(default.state_dir) if parsed.ephemeral else default
    known = sandbox_stack.chosen(PROJECT)
    context = parsed.context or (known.context if known else "")
    if parsed.traffic:
        if parsed.kind or context:
            sys.stderr.write("sandbox: TRAFFIC=1 runs on the embedded cluster: leave CONTEXT out\n")
            return BAD_ARGUMENTS
        traffic.require(say)
    elif parsed.kind or (not context and not parsed.ephemeral and own_cluster.by_itself()):
        context = own_cluster.CONTEXT
    try:
        if context:
            own_cluster.check(PROJECT, context, os.environ)
        found = prepare.prepare(PROJECT, own_cluster.needed(context, os.environ), say)
        program = engine.find()
        if context == own_cluster.CONTEXT:
            own_cluster.make_kind(say)
        own = own_cluster.use(PROJECT, context, os.environ, say, settings) if context else None
    except sandbox_stack.ContextError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return BAD_ARGUMENTS
    except (EngineMissing, toolchain.ToolMissing, ChartError) as error:
        return plan_instead(str(error), parsed.strict or parsed.traffic)
    say_notes(found)
    if parsed.traffic and not found.whole:
        return TOOL_MISSING
    if own:
        say(f"cluster: context {own.context} at {own.api_server}, Vault at {own.vault_addr}")
        code = _deploy(program, started, again=True)
    else:
        code = _on_embedded(program, settings, started, with_traffic=parsed.traffic)
    say_notes(found)
    return TOOL_MISSING if code == DONE and parsed.strict and not found.whole else code


def say_notes(found: prepare.Found) -> None:
    """Say first and last what is not as it is elsewhere."""
    for note in found.notes:
        say(note)


def _on_embedded(found: Engine, settings: Settings, started: float, *, with_traffic: bool) -> int:
    """Deploy to the embedded cluster; an interrupt takes along what this run has started."""
    mark = settings.state_dir / "settings.json"
    known, before = mark.exists(), lifecycle.adopted(settings)
    ran = known and lifecycle.running(before)
    try:
        sandbox.cluster_up(settings, say)
        node = lifecycle.adopted(settings) if with_traffic else None
        return _deploy(found, started, again=ran, node=node)
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


def _deploy(found: Engine, started: float, *, again: bool, node: Settings | None = None) -> int:
    """Deploy, prove, sum up. again: something may be there, and not be as we left it.

    node: the embedded cluster, when requests are to be sent in it.
    """
    target = engine_target.of(engine_target.SANDBOX, PROJECT)
    try:
        updated = deploy(found, target, refresh=again)
        # An update that has asked the servers, and found nothing to do, has proven both.
        if not (again and updated.unchanged):
            say("preview: the same program once more must change nothing")
            _must_be_empty(bot_preview.preview(found, target))
            say("refresh and preview: what the servers say must be what the program wants")
            _must_be_empty(bot_preview.preview(found, target, refresh=True))
        sent = send(found, node) if node else []
    except RunFailed:
        say("the servers go on running: look around, then `make sandbox` or `make sandbox-down`")
        return FAILED
    say("")
    target = engine_target.of(engine_target.SANDBOX, PROJECT)
    verified = [*verify.prove(target, PROJECT), *sent]
    say("\n".join(table(verified)))
    say("\n".join(_summary(target, updated, time.monotonic() - started)))
    return DONE if all(each.ok for each in verified) else FAILED


def send(found: Engine, settings: Settings) -> list[Verification]:
    """Send requests through a mesh that runs, also while the stack rotates its anchor."""
    rotation = sandbox_stack.rotate_anchor(PROJECT)

    def change() -> None:
        next(rotation)
        target = engine_target.of(engine_target.SANDBOX, PROJECT)
        deploy(found, target, refresh=False)
        # Certificates travel from Vault through three operators to where proxies find them.
        until(lambda: all(each.ok for each in verify.prove(target, PROJECT)), _TRAVEL_SECONDS)

    names = ("a second anchor is trusted", "it signs", "the first is retired")
    with traffic.running_shop(settings, say) as node:
        rows = traffic.rows(node)
        rows.append(traffic.rotated(node, [(name, change) for name in names], say))
    return rows


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
    token = folder / ".sandbox" / "vault" / "root-token"
    if token.exists():
        authority = folder / ".sandbox" / "pki" / "vault-ca.crt"
        lines.append(f"  export VAULT_CACERT={_shown(authority)}")
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
