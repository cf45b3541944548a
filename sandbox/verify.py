"""`python -m sandbox verify`: the table of proofs that the mesh is what it claims to be."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bot.engine import target as engine_target
from bot.engine.target import SANDBOX, Target
from sandbox import verify_cluster, verify_reader, verify_trust, verify_vault
from sandbox.cli import FAILED, PROJECT, Subparsers, say
from sandbox.verify_data import Proof, Seen
from stack.config import StackConfig

_WIDEST = 64


def add_command(subparsers: Subparsers) -> None:
    """Add `verify` to the command line."""
    parser = subparsers.add_parser("verify", help="prove that the mesh is what it claims to be")
    parser.set_defaults(run=run)


def run(_parsed: argparse.Namespace) -> int:
    """Print the table; exit code 1 when a proof fails."""
    found = prove(engine_target.of(SANDBOX, PROJECT), PROJECT)
    say("\n".join(table(found)))
    return 0 if all(proof.ok for proof in found) else FAILED


def prove(target: Target, project_dir: Path) -> list[Proof]:
    """Read from the servers and judge; raises ReadError when they do not answer."""
    seen = verify_reader.read(target, project_dir / ".sandbox" / "state")
    return judge(seen, target.config)


def judge(seen: Seen, config: StackConfig) -> list[Proof]:
    """All proofs, from data alone; of a stack without a cluster those of its anchor."""
    if config.cluster is None:
        return [*verify_trust.anchor_proofs(seen, config), *verify_vault.proofs(seen, config)]
    return [
        *verify_cluster.proofs(seen, config),
        *verify_trust.proofs(seen, config),
        *verify_vault.proofs(seen, config),
    ]


def table(proofs: Sequence[Proof]) -> list[str]:
    """The proofs as lines of equal columns, and how many hold."""
    rows = [("what", "expected", "seen", "")]
    rows += [(p.what, p.expected, _cut(p.seen), "ok" if p.ok else "FAIL") for p in proofs]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    ]
    good = sum(proof.ok for proof in proofs)
    return [*lines, f"{good} of {len(proofs)} proofs hold"]


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
