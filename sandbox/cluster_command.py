"""`python -m sandbox cluster up|down|status`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import sandbox
from bot.cli import parsers
from sandbox import lifecycle
from sandbox.cli import PROJECT, Subparsers, say
from sandbox.settings import Settings


def add_command(subparsers: Subparsers) -> None:
    """Add `cluster` to the command line."""
    parser = parsers.command(
        subparsers,
        "cluster",
        run,
        "Start or stop the embedded cluster, or show its servers. Changes only the folder of its "
        "state. Needs the server programs (`python -m sandbox toolchain`). Exit code 1 when "
        "`status` finds a stopped server.",
        "cluster up",
        "cluster status",
    )
    parser.add_argument("action", choices=("up", "down", "status"))
    parser.add_argument(
        "--state-dir", type=Path, help="folder of the state (default: .sandbox in the project)"
    )
    parser.add_argument("--ephemeral", action="store_true", help="take free ports")


def settings_of(parsed: argparse.Namespace) -> Settings:
    """Return the settings that the options ask for."""
    default = Settings.default(PROJECT)
    state_dir = Path(os.path.realpath(parsed.state_dir or default.state_dir))
    if parsed.ephemeral:
        return Settings.ephemeral(state_dir)
    return Settings(state_dir, default.ports, default.ttl_seconds)


def run(parsed: argparse.Namespace) -> int:
    """Carry out the action; `status` exits with 1 when something is stopped."""
    settings = settings_of(parsed)
    if parsed.action == "down":
        sandbox.cluster_down(settings, say)
        return 0
    if parsed.action == "status":
        states = lifecycle.status(settings)
        for name, state in states.items():
            say(f"{name:24} {state}")
        return 1 if "stopped" in states.values() else 0
    found = sandbox.cluster_up(settings, say)
    say(f"export KUBECONFIG={found.kubeconfig}")
    say(f"export VAULT_ADDR={found.vault_addr} VAULT_CACERT={found.vault_ca_file}")
    return 0
