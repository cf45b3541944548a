"""Interleaved rounds of runs, wherever they take place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bot.mesh.latency.model import VARIANTS, Load, Measured, Run, Variant


class Bench(Protocol):
    """A place where runs take place: the pods of a cluster, or processes of the sandbox."""

    def measure(self, variant: Variant, number: int) -> Measured:
        """One run of this round; raises BotError."""


def rounds(bench: Bench, load: Load, say: Callable[[str], object]) -> list[Run]:
    """Every variant once a round, each round beginning with another one.

    What changes slowly, such as a neighbour on the node, then meets all of them alike.
    """
    made: list[Run] = []
    order = list(VARIANTS)
    for number in range(1, load.rounds + 1):
        for variant in order:
            seen = bench.measure(variant, number)
            made.append(Run(number, variant, seen))
            say(
                f"round {number} of {load.rounds}, {VARIANTS[variant]}: p50 "
                f"{seen.latency[50]:.2f} ms, p99 {seen.latency[99]:.2f} ms, "
                f"{seen.reached:,.0f} requests a second"
            )
        order = [*order[1:], order[0]]
    return made
