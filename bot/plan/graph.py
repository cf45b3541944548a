"""Which component comes after which: the graph of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.plan.mock.monitor import Resource
from bot.plan.model import Plan, is_provider

Edges = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class PlanNode:
    """A component, or a resource outside any: its children, and what it comes after.

    `after` has all dependencies; `direct` leaves out those that another one implies.
    """

    resource: Resource
    children: tuple[Resource, ...]
    after: frozenset[str]
    direct: frozenset[str]
    layer: int


def graph(plan: Plan) -> dict[str, PlanNode]:
    """The components of a stack by URN, first layer first; providers are left out."""
    resources = {r.urn: r for r in plan.evaluation.resources if not is_provider(r)}

    def top(urn: str) -> str:
        while parent := resources[urn].parent:
            urn = parent
        return urn

    after: dict[str, set[str]] = {urn: set() for urn in resources if top(urn) == urn}
    for urn, resource in resources.items():
        for dependency in resource.dependencies:
            if dependency in resources and top(dependency) != top(urn):
                after[top(urn)].add(top(dependency))
    edges = {urn: frozenset(found) for urn, found in after.items()}
    layer = layers(edges)
    direct = reduced(edges)
    return {
        urn: PlanNode(
            resource=resources[urn],
            children=tuple(r for r in resources.values() if r.parent == urn),
            after=edges[urn],
            direct=direct[urn],
            layer=layer[urn],
        )
        for urn in sorted(edges, key=lambda u: (layer[u], resources[u].name))
    }


def layers(after: Edges) -> dict[str, int]:
    """The layer of every node: one more than the last it comes after.

    What comes after nothing stands as late as it may, next to the first that needs it.
    """
    found: dict[str, int] = {}

    def layer(urn: str) -> int:
        if urn not in found:
            found[urn] = 1 + max(map(layer, after[urn]), default=-1)
        return found[urn]

    for urn in after:
        layer(urn)
    for urn in after:
        needed = [found[other] for other, needs in after.items() if urn in needs]
        if not after[urn] and needed:
            found[urn] = min(needed) - 1
    return found


def reduced(after: Edges) -> dict[str, frozenset[str]]:
    """The edges without those that a longer way implies (transitive reduction)."""
    reach: dict[str, frozenset[str]] = {}

    def reached(urn: str) -> frozenset[str]:
        if urn not in reach:
            reach[urn] = after[urn].union(*map(reached, after[urn]))
        return reach[urn]

    return {urn: needs.difference(*map(reached, needs)) for urn, needs in after.items()}
