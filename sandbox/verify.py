"""`python -m sandbox verify`: the table of proofs that the mesh is what it claims to be."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.cli import parsers
from bot.clients.target import Target
from bot.engine import target as engine_target
from bot.engine.target import SANDBOX
from bot.mesh.verification import reader as proof_reader
from bot.mesh.verification.data import Proof
from bot.mesh.verification.judge import judge, table
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
    """Print the table; exit code 1 when a proof fails."""
    found = prove(engine_target.of(SANDBOX, PROJECT), PROJECT)
    say("\n".join(table(found)))
    return 0 if all(proof.ok for proof in found) else FAILED


def prove(target: Target, project_dir: Path) -> list[Proof]:
    """Read from the servers and judge; raises ReadError when they do not answer."""
    seen = proof_reader.read(target, project_dir / ".sandbox" / "state")
    return judge(seen, target.config)
