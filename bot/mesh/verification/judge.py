"""All proofs of a stack, and the table in which they are shown."""

from __future__ import annotations

from collections.abc import Sequence

from bot.mesh.verification import cluster, trust, vault
from bot.mesh.verification.data import Proof, Seen
from stack.config import StackConfig

_WIDEST = 64


def judge(seen: Seen, config: StackConfig) -> list[Proof]:
    """All proofs, from data alone; of a stack without a cluster those of its anchor."""
    if config.cluster is None:
        return [*trust.anchor_proofs(seen, config), *vault.proofs(seen, config)]
    return [
        *cluster.proofs(seen, config),
        *trust.proofs(seen, config),
        *vault.proofs(seen, config),
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
