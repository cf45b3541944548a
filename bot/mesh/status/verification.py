"""Every check of a stack, and the table in which they are shown."""

from __future__ import annotations

from collections.abc import Sequence

from bot.mesh.status import verification_cluster, verification_trust, verification_vault
from bot.mesh.status.evidence import Evidence, Verification
from stack.config import StackConfig

_WIDEST = 64


def judge(seen: Evidence, config: StackConfig) -> list[Verification]:
    """Every check, from data alone; of a stack without a cluster those of its anchor."""
    if config.cluster is None:
        return [
            *verification_trust.verify_anchor(seen, config),
            *verification_vault.verify(seen, config),
        ]
    return [
        *verification_cluster.verify(seen, config),
        *verification_trust.verify(seen, config),
        *verification_vault.verify(seen, config),
    ]


def table(verifications: Sequence[Verification]) -> list[str]:
    """The rows as lines of equal columns, and how many checks passed."""
    rows = [("what", "expected", "seen", "")]
    rows += [
        (each.what, each.expected, _cut(each.seen), "ok" if each.ok else "FAIL")
        for each in verifications
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    ]
    passed = sum(each.ok for each in verifications)
    of = "" if passed == len(verifications) else f" of {len(verifications)}"
    checks = "check" if len(verifications) == 1 else "checks"
    return [*lines, f"{passed}{of} {checks} passed"]


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
