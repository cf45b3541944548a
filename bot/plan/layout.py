"""Where each component stands in the picture: a layered drawing after Sugiyama.

What is made first is at the top. An edge that passes layers has a lane in each of them, so that it
meets no box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.plan.graph import PlanNode

SWEEPS = 12
Edge = tuple[str, str]  # what comes first, what comes after


@dataclass(frozen=True)
class Placed:
    """The middle of each node's box and of the lanes of each edge, in pixels from the left."""

    rows: tuple[tuple[str, ...], ...]
    middle: Mapping[str, float]
    lanes: Mapping[Edge, tuple[float, ...]]
    width: float


def place(nodes: Mapping[str, PlanNode], widths: Mapping[str, float], gap: float) -> Placed:
    """Order each layer for few crossings, then set every box near what it is joined to."""
    rows: list[list[str]] = [
        [] for _ in range(1 + max((n.layer for n in nodes.values()), default=0))
    ]
    for urn, node in nodes.items():
        rows[node.layer].append(urn)
    joined: dict[str, set[str]] = {urn: set() for urn in nodes}
    size = dict(widths)
    chains: dict[Edge, list[str]] = {}
    for urn, node in nodes.items():
        for first in sorted(node.direct):
            between = range(nodes[first].layer + 1, node.layer)
            chains[first, urn] = chain = [f"{first}>{urn}@{index}" for index in between]
            for index, lane in zip(between, chain, strict=True):
                rows[index].append(lane)
                joined[lane], size[lane] = set(), gap / 2
            for one, two in pairwise([first, *chain, urn]):
                joined[one].add(two)
                joined[two].add(one)
    rows = _ordered(rows, joined)
    middle = _spread(rows, joined, size, gap)
    left = min((middle[i] - size[i] / 2 for row in rows for i in row), default=0.0)
    right = max((middle[i] + size[i] / 2 for row in rows for i in row), default=0.0)
    return Placed(
        rows=tuple(tuple(item for item in row if item in nodes) for row in rows),
        middle={urn: middle[urn] - left for urn in nodes},
        lanes={edge: tuple(middle[i] - left for i in chain) for edge, chain in chains.items()},
        width=right - left,
    )


def _ordered(rows: list[list[str]], joined: Mapping[str, set[str]]) -> list[list[str]]:
    """The order with the fewest crossings among those that sweeps by neighbours' means find."""
    best, fewest = [list(row) for row in rows], _crossings(rows, joined)
    rows = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        for index in range(len(rows))[::step]:
            if 0 <= index - step < len(rows):
                rows[index] = _by_neighbours(rows[index], joined, rows[index - step])
        if (crossings := _crossings(rows, joined)) < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _by_neighbours(row: list[str], joined: Mapping[str, set[str]], fixed: list[str]) -> list[str]:
    # Positions as shares of the row, so that rows of different lengths compare.
    there = {item: (at + 0.5) / len(fixed) for at, item in enumerate(fixed)}
    here = {item: (at + 0.5) / len(row) for at, item in enumerate(row)}
    weight = {i: _mean([there[o] for o in joined[i] if o in there], here[i]) for i in row}
    return sorted(row, key=lambda item: (weight[item], here[item]))


def _crossings(rows: list[list[str]], joined: Mapping[str, set[str]]) -> int:
    total = 0
    for above, below in pairwise(rows):
        at = {item: index for index, item in enumerate(below)}
        ends = [
            at[o] for item in above for o in sorted(joined[item] & at.keys(), key=at.__getitem__)
        ]
        total += sum(a > b for index, b in enumerate(ends) for a in ends[:index])
    return total


def _spread(
    rows: list[list[str]], joined: Mapping[str, set[str]], size: Mapping[str, float], gap: float
) -> dict[str, float]:
    middle: dict[str, float] = {}
    for row in rows:
        middle |= _packed(row, [0.0] * len(row), size, gap)
    for sweep in range(SWEEPS):
        for row in rows[:: 1 if sweep % 2 == 0 else -1]:
            wanted = [_mean([middle[o] for o in sorted(joined[i])], middle[i]) for i in row]
            middle |= _packed(row, wanted, size, gap)
    return middle


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


@dataclass(frozen=True)
class _Block:
    """Items that touch: the place of the first one, and how far from it each other stands."""

    start: float
    items: tuple[tuple[str, float], ...]
    wants: tuple[float, ...]  # the start that each item alone would have


def _packed(
    row: Sequence[str], wanted: Sequence[float], size: Mapping[str, float], gap: float
) -> dict[str, float]:
    """Middles as near to the wanted ones as the order and the gap between neighbours allow.

    Items that would overlap move as one block, to the mean of what its items want.
    """
    blocks: list[_Block] = []
    for item, want in zip(row, wanted, strict=True):
        block = _Block(want, ((item, 0.0),), (want,))
        while blocks:
            last, offset = blocks[-1].items[-1]
            first = block.items[0][0]
            shift = offset + size[last] / 2 + gap + size[first] / 2
            if blocks[-1].start + shift <= block.start:
                break
            before = blocks.pop()
            wants = (*before.wants, *(want - shift for want in block.wants))
            moved = tuple((other, offset + shift) for other, offset in block.items)
            block = _Block(sum(wants) / len(wants), (*before.items, *moved), wants)
        blocks.append(block)
    return {item: block.start + offset for block in blocks for item, offset in block.items}
