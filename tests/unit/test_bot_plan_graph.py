"""The dependency graph and its picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise

import pytest

from bot import stacks
from bot.plan.graph import graph, layers, reduced
from bot.plan.html import page
from bot.plan.layout import place
from bot.plan.model import Plan, plans
from bot.plan.svg import svg
from tests.unit.bot_project import PROJECT_DIR

SVG = "{http://www.w3.org/2000/svg}"
STACKS = stacks.names()


@pytest.fixture(scope="module")
def all_plans() -> dict[str, Plan]:
    """Plans of the real stacks; charts are left out, the picture is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nonexistent")
        made = plans([stacks.file_of(name) for name in STACKS], PROJECT_DIR)
    return {plan.stack: plan for plan in made}


def _components(plan: Plan) -> set[str]:
    return {r.name for r in plan.evaluation.resources if r.type.startswith("linkerd-platform:")}


@pytest.mark.parametrize("name", STACKS)
def test_the_graph_has_every_component(all_plans: dict[str, Plan], name: str) -> None:
    """And every resource is in one box, so that nothing goes unseen."""
    plan = all_plans[name]
    nodes = graph(plan)
    assert {node.resource.name for node in nodes.values()} == _components(plan)
    children = [child.urn for node in nodes.values() for child in node.children]
    others = {r.urn for r in plan.evaluation.resources if r.parent is not None}
    assert len(children) == len(set(children))
    assert set(children) == others


def test_the_order_of_the_design_is_in_the_graph(all_plans: dict[str, Plan]) -> None:
    """Gateway API CRDs, cert-manager, trust, issuer, control plane, extensions."""
    nodes = graph(all_plans["production"])
    layer = {node.resource.name: node.layer for node in nodes.values()}
    order = ["namespaces", "cert-manager", "identity-issuer", "linkerd", "viz"]
    assert all(layer[one] < layer[other] for one, other in pairwise(order))
    assert layer["gateway-api"] < layer["linkerd"]
    assert layer["external-secrets"] < layer["trust-bundle"] < layer["linkerd"]


def test_implied_edges_are_not_drawn() -> None:
    """A picture of every edge is a picture of nothing."""
    edges = {
        "a": frozenset(),
        "b": frozenset("a"),
        "c": frozenset("ab"),
        "d": frozenset("ac"),
        "e": frozenset(),
    }
    assert reduced(edges) == {
        "a": frozenset(),
        "b": frozenset("a"),
        "c": frozenset("b"),
        "d": frozenset("c"),
        "e": frozenset(),
    }
    assert layers(edges) == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 0}


def test_what_needs_nothing_stands_next_to_what_needs_it() -> None:
    """A long edge from the top says less than a short one."""
    edges = {"a": frozenset(), "b": frozenset("a"), "x": frozenset(), "c": frozenset("bx")}
    assert layers(edges)["x"] == 1


@pytest.mark.parametrize("name", STACKS)
def test_no_two_boxes_and_no_lane_overlap(all_plans: dict[str, Plan], name: str) -> None:
    """An edge through a box reads as a dependency of that box."""
    nodes = graph(all_plans[name])
    gap = 36.0
    width = {urn: 100.0 + 37 * (index % 4) for index, urn in enumerate(nodes)}
    placed = place(nodes, width, gap)
    taken: list[tuple[int, float, float]] = [
        (node.layer, placed.middle[urn] - width[urn] / 2, placed.middle[urn] + width[urn] / 2)
        for urn, node in nodes.items()
    ]
    for (first, _), lanes in placed.lanes.items():
        start = nodes[first].layer + 1
        taken += [(start + index, lane, lane) for index, lane in enumerate(lanes)]
    for one, other in combinations(taken, 2):
        if one[0] == other[0]:
            left, right = sorted([one[1:], other[1:]])
            assert left[1] < right[0] + 1e-6, (one, other)
    assert min(start for _, start, _ in taken) >= -1e-6
    assert max(end for _, _, end in taken) <= placed.width + 1e-6


@pytest.mark.parametrize("name", STACKS)
def test_the_picture_shows_every_component_inside_its_frame(
    all_plans: dict[str, Plan], name: str
) -> None:
    """As well-formed SVG."""
    root = ET.fromstring(svg(all_plans[name]))  # noqa: S314  (our own text)
    names = {t.text for t in root.iter(f"{SVG}text") if t.get("class") == "name"}
    assert names == _components(all_plans[name])
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for box in root.iter(f"{SVG}rect"):
        if box.get("class") == "box":
            x, y, w, h = (float(box.get(k, 0)) for k in ("x", "y", "width", "height"))
            assert 0 <= x < x + w <= width + 1
            assert 0 <= y < y + h <= height + 1


@pytest.mark.parametrize("name", STACKS)
def test_text_fits_its_box(all_plans: dict[str, Plan], name: str) -> None:
    """Widths are counted in characters of a fixed-width font."""
    root = ET.fromstring(svg(all_plans[name]))  # noqa: S314
    for group in root.iter(f"{SVG}g"):
        box = next((r for r in group.iter(f"{SVG}rect") if r.get("class") == "box"), None)
        if box is None:
            continue
        right = float(box.get("x", 0)) + float(box.get("width", 0))
        for text in group.iter(f"{SVG}text"):
            wide = 8.43 if text.get("class") == "name" else 7.23
            assert float(text.get("x", 0)) + wide * len(text.text or "") <= right, text.text


def test_the_page_needs_no_network_and_no_script(all_plans: dict[str, Plan]) -> None:
    """It is opened from a build's artifacts, under whatever policy is there."""
    html = page(list(all_plans.values()))
    assert not re.search(r"<script|<link|<iframe|<img|@import|url\(|\ssrc=", html)
    assert set(re.findall(r'href="([^"]*)"', html)) == {f"#{name}" for name in STACKS}
    for plan in all_plans.values():
        assert f'<section id="{plan.stack}">' in html


def test_text_from_a_stack_file_is_escaped(all_plans: dict[str, Plan]) -> None:
    """A value in a pull request must not become markup in the page of its plan."""
    plan = all_plans["trust"]
    hostile = "<script>alert(1)</script>"
    provider = next(r for r in plan.evaluation.resources if r.custom and r.parent is None)
    component = next(r for r in plan.evaluation.resources if not r.custom)
    resources = (
        *plan.evaluation.resources,
        replace(provider, name=hostile, inputs={hostile: hostile}),
        replace(component, urn=f"{component.urn}-2", name=hostile, type="a:b:<script>"),
    )
    evaluation = replace(plan.evaluation, resources=resources, exports={hostile: hostile})
    html = page([replace(plan, evaluation=evaluation, warnings=(hostile,))])
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)") >= 6
