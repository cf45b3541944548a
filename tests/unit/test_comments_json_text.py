"""JSON texts in a comment: what differs, value by value, and nothing that differs in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.changes.model import Field, Op
from bot.comments.json_text import differences, lines
from bot.comments.values import BRIEF, FULL, field_lines
from components.grafana import catalog, render
from components.grafana.model import View
from tests.unit import comment_samples as samples
from tests.unit.dashboard_samples import view
from tests.unit.test_comments_details import blocks


def told(before: Any, after: Any) -> list[str]:
    found = differences(json.dumps(before), json.dumps(after))
    return lines(found or (), 100, 100)


PANELS = [{"title": "A", "y": 1, "w": 3}, {"title": "B", "y": 5, "w": 3}]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["- a.b: 1", "+ a.b: 2"]),
        ({"a": 1}, {"a": 1.0}, ["- a: 1", "+ a: 1.0"]),
        ({"a": True}, {"a": 1}, ["- a: true", "+ a: 1"]),
        ({"a": None}, {}, ["- a: null"]),
        ({}, {"a": ""}, ['+ a: ""']),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, ["- a[1]: 2", "+ a[1]: 3", "+ a[2]: 4"]),
        ({"a": [1]}, {"a": {"b": 1}}, ["- a: [1]", '+ a: {"b": 1}']),
        ({"p": PANELS}, {"p": PANELS[1:]}, [f"- p[A]: {json.dumps(PANELS[0])}"]),
        (
            {"p": PANELS},
            {"p": [PANELS[0], {**PANELS[1], "w": 4}]},
            ["- p[B].w: 3", "+ p[B].w: 4"],
        ),
        ({"p": PANELS}, {"p": PANELS[::-1]}, ['- p.(order): ["[A]", "[B]"]',
                                              '+ p.(order): ["[B]", "[A]"]']),
        ([{"name": "x"}, {"name": "x"}], [{"name": "x"}, {"name": "y"}],
         ['- [x #2]: {"name": "x"}', '+ [y]: {"name": "y"}']),
        ({"a\nb": 1}, {"a\nb": 2}, ["- a\\nb: 1", "+ a\\nb: 2"]),
    ],
)  # fmt: skip
def test_each_value_that_differs_is_told(before: Any, after: Any, expected: list[str]) -> None:
    """A difference that cannot be seen is approved."""
    assert told(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a":1}', '{"a": 1}'),
        ('{"a":1,"a":2}', '{"a":3,"a":2}'),
        ('{"a":1}', "{"),
        ("1", "2"),
        ("[" * 100000, "{}"),
    ],
)
def test_what_is_no_json_of_values_is_left_to_the_text(before: str, after: str) -> None:
    """Blanks, a key that is there twice, half a text: a reader must see them as they are."""
    assert differences(before, after) is None


def test_what_comes_often_is_counted() -> None:
    """A panel that is put in moves all below it."""
    before = {"p": [{"title": str(n), "y": n} for n in range(40)], "time": 1}
    after = {"p": [{"title": str(n), "y": n + 8} for n in range(40)], "time": 2}
    found = told(before, after)
    assert found[-3:] == ["- time: 1", "+ time: 2", "  … 37 more values: 37 x p.y"]
    assert len(found) == 9


def text(**changes: Any) -> str:
    given: View = view(**changes)
    return render.text(catalog.every(given)[0], given)


def test_a_limit_that_changes_is_a_few_lines_of_a_dashboard() -> None:
    """Nobody reads 20,000 characters to find that 0.999 became 0.995."""
    setting = view().setting
    default = setting.objectives.default.model_copy(update={"success": 0.995})
    objectives = setting.objectives.model_copy(update={"default": default})
    changed = text(setting=setting.model_copy(update={"objectives": objectives}))
    for amount, most in ((FULL, 26), (BRIEF, 14)):
        made = field_lines(Field(path="data.a", before=text(), after=changed), amount)
        assert made[0] == "@@ data.a @@"
        assert 5 < len(made) <= most
        assert max(map(len, made)) < 350
        joined = "\n".join(made)
        assert "panels[Success rate]" in joined
        assert "0.995" in joined
        assert "0.999" in joined


def test_a_change_of_every_dashboard_is_folded() -> None:
    """Six ConfigMaps are six headings; whoever wants more opens one."""
    given = view(cluster_label="cluster")
    changes = [
        samples.change(
            "ConfigMap",
            f"linkerd/{dashboard.uid}",
            Op.UPDATE,
            Field(
                path=f"data['{dashboard.uid}.json']",
                before=render.text(dashboard, view()),
                after=render.text(other, given),
            ),
        )
        for dashboard, other in zip(catalog.every(view()), catalog.every(given), strict=True)
    ]
    made = blocks(*changes)
    assert len(made) == 6
    for block in made:
        assert "1 property" in block.title
        assert len(block.lines) <= 27
        assert "more values" in block.lines[-1]
