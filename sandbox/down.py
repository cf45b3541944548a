"""`python -m sandbox down`, which is `make sandbox-down`: leave nothing behind."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Callable

import sandbox
from bot import engine
from bot.cli import parsers
from bot.deploy import destroy as bot_destroy
from bot.engine import EngineMissing, sandbox_stack
from bot.engine import target as engine_target
from bot.exit_codes import MissingToolError
from sandbox import lifecycle, own_cluster, toolchain
from sandbox.cli import FAILED, PROJECT, Subparsers, say
from sandbox.settings import Settings

DONE = 0


def add_command(subparsers: Subparsers) -> None:
    """Add `down` to the command line."""
    parser = parsers.command(
        subparsers,
        "down",
        run,
        "Destroy the sandbox stack, stop the servers and delete their data. On a cluster of your "
        "own (`run --context`) only the stack is destroyed.",
        "down",
        "down --include-protected",
    )
    parser.add_argument(
        "--include-protected",
        action="store_true",
        help="also delete protected resources; only needed on a cluster of your own (--context)",
    )


def run(parsed: argparse.Namespace) -> int:
    """Stop the servers and delete their data, with all that is on them.

    On a context of the user's what the stack made is destroyed first. Where that fails the command
    ends, so that the state is kept.
    """
    own = sandbox_stack.chosen(PROJECT)
    settings = lifecycle.adopted(Settings.default(PROJECT))
    if own and own.context == own_cluster.CONTEXT:
        own_cluster.delete_kind(say)
    elif own and not _destroy(parsed.include_protected, say):
        say("the state is kept in .sandbox: mend the cause, then run this again")
        return FAILED
    if own is None or own.own_vault:
        sandbox.cluster_down(settings, say)
    shutil.rmtree(settings.state_dir, ignore_errors=True)
    return DONE


def _destroy(include_protected: bool, say: Callable[[str], None]) -> bool:
    os.environ["PATH"] = os.pathsep.join((os.environ["PATH"], str(toolchain.path_folder())))
    try:
        found = engine.find(install=False)
        target = engine_target.of(engine_target.SANDBOX, PROJECT)
    except EngineMissing as error:
        say(f"the stack is not destroyed object by object: {error}")
        return False
    except MissingToolError as error:
        say(str(error))
        return False
    started = time.monotonic()
    result = bot_destroy.destroy(found, target, include_protected=include_protected)
    if engine.cancel_stale(found, target, result):
        result = bot_destroy.destroy(found, target, include_protected=include_protected)
    if result.ending.ended == "interrupted":
        raise KeyboardInterrupt
    say("\n".join(bot_destroy.lines(result, time.monotonic() - started, include_protected)))
    return result.ok
