"""The report in words and as a document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from bot.mesh.latency.model import QUANTILES, VARIANTS, LatencyReport, Spread, Variant

_WIDTH = 16
_SIDES: tuple[Literal["client", "server"], ...] = ("client", "server")
_OTHERS: tuple[Variant, ...] = ("server", "both")


def lines(report: LatencyReport) -> list[str]:
    """The report for a terminal."""
    where = ", ".join(f"{name} {value}" for name, value in report.places.items())
    heads = "".join(f"{f'p{each} ms':>26}" for each in QUANTILES)
    told = [
        f"stack {report.stack}, cluster {report.cluster}: {report.load}",
        *([where] if where else []),
        "",
        f"{'':{_WIDTH}}{heads}{'requests a second':>26}",
    ]
    for variant, words in VARIANTS.items():
        cells = [_spread(report.latency(variant, each)) for each in QUANTILES]
        cells.append(_spread(report.reached(variant), "{:,.0f}"))
        told.append(f"{words:{_WIDTH}}" + "".join(f"{cell:>26}" for cell in cells))
    told += ["", "difference to no proxy, in the same round: median (least to greatest)"]
    for variant in _OTHERS:
        cells = [_spread(report.added(variant, each), "{:+.2f}") for each in QUANTILES]
        cells.append(_spread(report.throughput(variant), "{:+.1f} %"))
        told.append(f"{VARIANTS[variant]:{_WIDTH}}" + "".join(f"{cell:>26}" for cell in cells))
    noisy = [
        f"p{each} of {VARIANTS[variant]}"
        for variant in _OTHERS
        for each in QUANTILES
        if report.added(variant, each).noise
    ]
    told.append("")
    if noisy:
        told.append(f"not above the noise of this run: {', '.join(noisy)}")
    for side in _SIDES:
        used = report.usage(side)
        if used is None:
            told.append(f"{side}'s proxy: CPU and memory could not be read")
            continue
        cpu, memory = used
        told.append(
            f"{side}'s proxy: {_spread(cpu, '{:.0f}')} us of CPU a request, "
            f"{_spread(memory, '{:.0f}')} MiB"
        )
    told += [f"doubt: {each}" for each in report.doubts]
    told += [f"left behind: {each}" for each in report.left] or ["left behind: nothing"]
    return told


def document(report: LatencyReport) -> dict[str, Any]:
    """The report for a program: milliseconds, requests a second, per cent."""
    return {
        "stack": report.stack,
        "cluster": report.cluster,
        "load": asdict(report.load),
        "places": report.places,
        "latency": {
            variant: {f"p{each}": asdict(report.latency(variant, each)) for each in QUANTILES}
            for variant in VARIANTS
        },
        "reached": {variant: asdict(report.reached(variant)) for variant in VARIANTS},
        "added": {
            variant: {f"p{each}": asdict(report.added(variant, each)) for each in QUANTILES}
            for variant in _OTHERS
        },
        "throughput": {variant: asdict(report.throughput(variant)) for variant in _OTHERS},
        "proxies": {
            side: {"cpuMicrosecondsPerRequest": asdict(used[0]), "memoryMiB": asdict(used[1])}
            for side in _SIDES
            if (used := report.usage(side))
        },
        "runs": [
            {"round": each.round, "variant": each.variant, **asdict(each.measured)}
            for each in report.runs
        ],
        "doubts": report.doubts,
        "left": list(report.left),
    }


def _spread(found: Spread, form: str = "{:.2f}") -> str:
    if found.least == found.greatest:
        return form.format(found.median)
    low, high = form.format(found.least), form.format(found.greatest)
    return f"{form.format(found.median)} ({low} to {high})"
