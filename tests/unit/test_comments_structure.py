"""Texts of JSON and YAML in a comment: what differs, and nothing that differs in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from bot.changes.model import FieldChange, Op
from bot.comments.structure import differences, lines, yaml_differences
from bot.comments.values import BRIEF, FULL, field_lines
from bot.plan.mock.values import SECRET, UNKNOWN
from bot.text import yaml_values
from components.alert_routing.routes import file
from components.alerts import component as alerts
from components.dashboards.grafana import catalog, render
from components.dashboards.grafana.model import View
from tests.unit import comment_samples as samples
from tests.unit.alert_samples import alerts_args, setting
from tests.unit.dashboard_samples import view
from tests.unit.routing_samples import routing
from tests.unit.test_comments_details import blocks


def told(before: Any, after: Any) -> list[str]:
    found = differences(json.dumps(before), json.dumps(after))
    return lines(found, 100, 100)


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
    """Blanks, a duplicate key, half a text: a reader must see them as they are."""
    assert differences(before, after) == ()


@pytest.mark.parametrize("deep", [450, 900, 5000])
def test_a_json_text_that_is_nested_deep_is_told_somehow(deep: int) -> None:
    """It can be read, and each step through it takes as much of the stack again."""
    before, after = (f"{'[' * deep}{value}{']' * deep}" for value in "12")
    made = field_lines(FieldChange(path="data.a", before=before, after=after), FULL)
    assert [line[0] for line in made] == ["@", "-", "+"]


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
        made = field_lines(FieldChange(path="data.a", before=text(), after=changed), amount)
        assert made[0] == "@@ data.a @@"
        assert 5 < len(made) <= most
        assert max(map(len, made)) < 350
        joined = "\n".join(made)
        assert "panels[Success rate]" in joined
        assert "0.995" in joined
        assert "0.999" in joined


def test_a_change_of_every_dashboard_is_folded() -> None:
    """Many ConfigMaps are as many headings; whoever wants more opens one."""
    given = view(cluster_label="cluster")
    changes = [
        samples.change(
            "ConfigMap",
            f"linkerd/{dashboard.uid}",
            Op.UPDATE,
            FieldChange(
                path=f"data['{dashboard.uid}.json']",
                before=render.text(dashboard, view()),
                after=render.text(other, given),
            ),
        )
        for dashboard, other in zip(catalog.every(view()), catalog.every(given), strict=True)
    ]
    made = blocks(*changes)
    assert len(made) == len(catalog.every(view()))
    for block in made:
        assert "1 property" in block.title
        assert len(block.lines) <= 27
        assert "more values" in block.lines[-1]


def yaml_told(before: str, after: str) -> list[str]:
    return lines(yaml_differences(before, after), 100, 100)


RULES = "groups:\n- name: a\n  rules:\n  - {alert: X, expr: up == 0}\n  - {record: y, expr: up}\n"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a:\n  b: 1\n", "a:\n  b: '1'\n", ["- a.b: 1", '+ a.b: "1"']),
        ("a: 0x1F\n", "a: 31\n", ['- a: "!!int 0x1F"', "+ a: 31"]),
        ("a: on\n", "a: true\n", ['- a: "!!bool on"', "+ a: true"]),
        ("a: 1\nb: ~\n", "a: 1\n", ["- b: null"]),
        (
            RULES,
            RULES.replace("up == 0", "up == 1"),
            ['- groups[a].rules[X].expr: "up == 0"', '+ groups[a].rules[X].expr: "up == 1"'],
        ),
        (
            RULES,
            RULES.replace("  - {record: y, expr: up}\n", ""),
            ['- groups[a].rules[y]: {"record": "y", "expr": "up"}'],
        ),
        (
            "a: 1 # one\nb: '# none'\n",
            "a: 2 # two\nb: '# none'\n",
            ["- a: 1", "+ a: 2", '- (comments): "# one"', '+ (comments): "# two"'],
        ),
    ],
)
def test_each_value_of_yaml_that_differs_is_told(
    before: str, after: str, expected: list[str]
) -> None:
    """A type is a difference, and so is a comment that somebody goes by."""
    assert yaml_told(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: 1\n", "a:  1\n"),
        ("a: 1 # one\n", "a: 1 # two\n"),
        ("a: 1\n", "a: [\n"),
        ("a: 1\na: 2\n", "a: 3\n"),
        ("a: &b 1\nc: *b\n", "a: 2\n"),
        ("a: 1\n---\nb: 1\n", "a: 2\n---\nb: 1\n"),
        ("a text\nof two lines\n", "a text\nof three lines\n"),
        ("a: 1\n", "a: \ue000\n"),
        ("a: 1\n", f"a: {'b' * yaml_values.MOST}\n"),
    ],
)
def test_what_is_no_yaml_of_values_is_shown_as_text(before: str, after: str) -> None:
    """As before: lines that go, lines that come."""
    assert yaml_differences(before, after) == ()
    made = field_lines(FieldChange(path='data["a.yaml"]', before=before, after=after), FULL)
    assert any(line.startswith("-") for line in made)
    assert any(line.startswith("+") for line in made)


def test_a_text_that_is_called_otherwise_stays_a_text() -> None:
    """A script may read as YAML by chance, and then its lines are no values."""
    for path in ("data.script", 'data["nginx.conf"]', "spec.text"):
        made = field_lines(
            FieldChange(path=path, before="a: 1\nb: 1\n", after="a: 2\nb: 1\n"), FULL
        )
        assert made[1:] == ["- a: 1", "+ a: 2", "  b: 1", "  "], path
    for path in ('data["a.yml"]', "data.values"):
        made = field_lines(
            FieldChange(path=path, before="a: 1\nb: 1\n", after="a: 2\nb: 1\n"), FULL
        )
        assert made[1:] == ["- a: 1", "+ a: 2"], path


def test_what_is_masked_in_a_text_is_masked_among_its_values() -> None:
    """And what was not found there, because it was written in another way."""
    before = f"url: {SECRET}\nca: {UNKNOWN}\nat: https://{SECRET}@host\nn: 1\n"
    assert yaml_told(before, "n: 1\n") == [
        f'- url: "{SECRET}"',
        f'- ca: "{UNKNOWN}"',
        f'- at: "https://{SECRET}@host"',
    ]
    hidden = 'db:\n  password: "\\x68unter22"\n  other: "\\x68vs.AAAAAAAAAAAAAAAAAAAAAAAA"\n'
    found = yaml_told(hidden, "db:\n  password: z\n")
    assert found == [
        f'- db.password: "{SECRET}"',
        f'+ db.password: "{SECRET}"',
        f'- db.other: "{SECRET}"',
    ]


def test_a_latency_objective_that_changes_is_a_few_lines_of_a_rules_file() -> None:
    """By the rule's name, and where two long expressions part."""
    found = setting()
    default = found.objectives.default.model_copy(update={"latency": 500})
    objectives = found.objectives.model_copy(update={"default": default})
    changed = found.model_copy(update={"objectives": objectives})
    texts = []
    for each in (found, changed):
        args = alerts_args(form="file")
        content = alerts.content(args, alerts.groups(each))
        ((name, text),) = alerts.manifest(args, alerts.RULES, content)["data"].items()
        texts.append(text)
    assert len(texts[0].splitlines()) > 500
    for amount, most in ((FULL, 26), (BRIEF, 14)):
        field = FieldChange(path=f'data["{name}"]', before=texts[0], after=texts[1])
        made = field_lines(field, amount)
        assert 10 < len(made) <= most
        assert max(map(len, made)) < 400
    made = field_lines(field, FULL)
    (old, new) = [line for line in made if ".rules[LinkerdLatencyBurnFast].expr: " in line]
    assert "groups[linkerd-platform-slo]" in old
    assert "workload_slow_1000ms_ratio:1h" in old
    assert "workload_slow_500ms_ratio:1h" in new
    (_, long) = [
        line for line in made if "[linkerd_platform:workload_slow:rate5m #2].expr: …" in line
    ]
    assert "500([.]0)?" in long
    assert made[-1].endswith("more values: 11 x groups.rules")


def test_a_route_that_changes_is_told_by_its_receiver() -> None:
    """A file of Alertmanager is a list of lists otherwise."""
    before = routing()
    routes = (*before.routes[:-1], before.routes[-1].model_copy(update={"repeat_interval": "1h"}))
    made = yaml_told(
        *(
            file.as_text(file.content(each, "/a"))
            for each in (before, before.model_copy(update={"routes": routes}))
        )
    )
    where = "route.routes[nobody].routes[warning].repeat_interval"
    assert made == [f'- {where}: "12h"', f'+ {where}: "1h"']


def test_what_is_told_of_yaml_is_what_the_texts_say() -> None:
    """Both loaders agree on all that we make."""
    args = alerts_args(form="file")
    content = alerts.content(args, alerts.groups(setting()))
    text = alerts.as_file(content)
    assert yaml_values.load(text) == yaml.safe_load(text) == content
