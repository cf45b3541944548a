"""What is measured, and what a report is made of: runs, paired by their round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Variant = Literal["none", "server", "both"]
# In words; the first is what the others are compared with.
VARIANTS: dict[Variant, str] = {
    "none": "no proxy",
    "server": "server's proxy",
    "both": "both proxies",
}
QUANTILES = (50, 95, 99)
# Below it a run had another rate than its pair, and the two are not comparable.
_LEAST_REACHED = 0.95
_MICROSECONDS, _MIB = 1e6, 2**20


@dataclass(frozen=True)
class Load:
    """One run's load. rate: requests a second, 0 for as many as the connections can take."""

    rate: int = 500
    connections: int = 8
    seconds: int = 30
    warm_up: int = 5
    rounds: int = 5

    def __str__(self) -> str:
        rate = f"{self.rate:,} requests a second" if self.rate else "as fast as it goes"
        return (
            f"{rate} over {self.connections} connections, {self.seconds} s after "
            f"{self.warm_up} s of warm-up, {self.rounds} rounds"
        )


@dataclass(frozen=True)
class Usage:
    """What one proxy took during a run. cpu: in cores; memory: resident, in bytes."""

    cpu: float
    memory: float


@dataclass(frozen=True)
class Measured:
    """What a load generator saw in one run. latency: milliseconds by quantile; reached: per s."""

    latency: dict[int, float]
    requests: int
    errors: int
    reached: float
    client: Usage | None = None
    server: Usage | None = None


@dataclass(frozen=True)
class Run:
    """One run: its round, and whether proxies were there."""

    round: int
    variant: Variant
    measured: Measured


@dataclass(frozen=True)
class Spread:
    """A median, with the least and the greatest value. several: whether a spread can be told."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    @property
    def noise(self) -> bool:
        """True for differences of which some are above and some below 0."""
        return self.least <= 0 <= self.greatest


@dataclass(frozen=True)
class LatencyReport:
    """All runs of a stack. places: what was where, by name; left: what could not be cleaned up."""

    stack: str
    cluster: str
    load: Load
    runs: Sequence[Run]
    places: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    def latency(self, variant: Variant, quantile: int) -> Spread:
        """Milliseconds of all rounds."""
        return Spread.of([each.latency[quantile] for each in self._of(variant)])

    def reached(self, variant: Variant) -> Spread:
        """Requests a second of all rounds."""
        return Spread.of([each.reached for each in self._of(variant)])

    def added(self, variant: Variant, quantile: int) -> Spread:
        """Milliseconds on top of the run without proxies, of the same round."""
        return self._paired(
            variant, lambda own, base: own.latency[quantile] - base.latency[quantile]
        )

    def throughput(self, variant: Variant) -> Spread:
        """Per cent by which the requests a second differ from the run without proxies."""
        return self._paired(variant, lambda own, base: (own.reached / base.reached - 1) * 100)

    def usage(self, side: Literal["client", "server"]) -> tuple[Spread, Spread] | None:
        """Microseconds of CPU for a request, and MiB, of one side's proxy with both proxies."""
        found = [
            (used.cpu / each.reached * _MICROSECONDS, used.memory / _MIB)
            for each in self._of("both")
            if (used := getattr(each, side)) is not None and each.reached
        ]
        if not found:
            return None
        cpu, memory = zip(*found, strict=True)
        return Spread.of(cpu), Spread.of(memory)

    @property
    def doubts(self) -> list[str]:
        """Why the figures are not to be relied on; none where they are."""
        told = []
        for each in self.runs:
            where, seen = f"round {each.round}, {VARIANTS[each.variant]}", each.measured
            if seen.errors:
                told.append(f"{where}: {seen.errors:,} of {seen.requests:,} requests failed")
            if self.load.rate and seen.reached < self.load.rate * _LEAST_REACHED:
                told.append(
                    f"{where}: reached {seen.reached:,.0f} requests a second of "
                    f"{self.load.rate:,}: give a lower --rate"
                )
        return told

    def _of(self, variant: Variant) -> list[Measured]:
        return [each.measured for each in self.runs if each.variant == variant]

    def _paired(
        self, variant: Variant, difference: Callable[[Measured, Measured], float]
    ) -> Spread:
        base = {each.round: each.measured for each in self.runs if each.variant == "none"}
        own = [each for each in self.runs if each.variant == variant]
        return Spread.of([difference(each.measured, base[each.round]) for each in own])
