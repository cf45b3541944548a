"""`python -m sandbox verify`: the checks that the mesh is what it claims to be."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.cli import parsers
from bot.clients.target import Target
from bot.engine import target as engine_target
from bot.engine.target import SANDBOX
from bot.mesh.status import evidence
from bot.mesh.status.evidence import Verification
from bot.mesh.status.verification import judge, table
from sandbox.cli import FAILED, PROJECT, Subparsers, say


def add_command(subparsers: Subparsers) -> None:
    """Add `verify` to the command line."""
    parsers.command(
        subparsers,
        "verify",
        run,
        "Verify the deployed mesh: certificates, trust, issuance. Changes nothing. Needs the "
        "running sandbox. Exit code 1 when a check fails.",
        "verify",
    )


def run(_parsed: argparse.Namespace) -> int:
    """Print the table; exit code 1 when a check fails."""
    found = prove(engine_target.of(SANDBOX, PROJECT), PROJECT)
    say("\n".join(table(found)))
    return 0 if all(each.ok for each in found) else FAILED


def prove(target: Target, project_dir: Path) -> list[Verification]:
    """Read from the servers and judge; raises Unreadable when they do not answer."""
    return judge(evidence.read(target, state_files(project_dir)), target.config)


def state_files(project_dir: Path) -> dict[str, bytes]:
    """Every file of the sandbox's state, by its path there."""
    state = project_dir / ".sandbox" / "state"
    files = (file for file in sorted(state.rglob("*")) if file.is_file())
    return {str(file.relative_to(state)): file.read_bytes() for file in files}
