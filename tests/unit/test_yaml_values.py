"""YAML of somebody who may mean harm: it is read, or refused, and never the end of the process."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bot.changes.objects import mesh_settings
from bot.text.yaml_values import MOST, NoValuesError, load
from schema import safe_yaml
from tests.unit.changes_samples import settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, 'y', \"z\"]\n", {"a": 1, "b": ["x", "y", "z"]}),
        ("a: {b: null, c: ~, d: }", {"a": {"b": None, "c": None, "d": None}}),
        ("a: [true, False, yes, 'true']", {"a": [True, False, "!!bool yes", "true"]}),
        (
            "a: [1.50, 1e3, .5, 010, 1_0]",
            {"a": [1.5, "1e3", "!!float .5", "!!int 010", "!!int 1_0"]},
        ),
        ("2026-01-01", "!!timestamp 2026-01-01"),
        ("1: a\ntrue: b\n", {"1": "a", "true": "b"}),
        ("a: |\n  b: 1\n  c\n", {"a": "b: 1\nc\n"}),
        ("a: !!str 1", {"a": "1"}),
        ("# a comment\na: b # another", {"a": "b"}),
        ("--- \na: 1\n...\n", {"a": 1}),
        ('{"a": [1, {"b": "c"}]}', {"a": [1, {"b": "c"}]}),
        ("[]", []),
    ],
)
def test_values_are_those_that_everybody_reads(text: str, value: Any) -> None:
    """And what one reader takes for a number and another for a text is neither."""
    assert load(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x [1]\nb: *x", "alias"),
        ("a: 1\na: 2", "duplicate"),
        ("1: a\n'1': b", "duplicate"),
        ("a: {<<: {b: 1}}", "merge"),
        ("{? [a] : b}", "not a scalar"),
        ("a: 1\n---\nb: 2", "several documents"),
        ("a: !!python/object/apply:os.system [x]", "tag"),
        ("", "no content"),
        ("# a comment", "no content"),
        ("a: [", "expected"),
        ("a: \x00", "character"),
        ("a" * (MOST + 1), "characters"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str, why: str) -> None:
    """The reader of a comment must see what the cluster will see."""
    with pytest.raises(NoValuesError, match=why):
        load(text)


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 200_000, "- " * 100_000, "{a: " * 60_000, "? " * 100_000),
        "\n".join(f"{' ' * depth}a:" for depth in range(600)),
    ],
    ids=["lists", "items", "mappings", "keys", "lines"],
)
def test_a_text_that_is_nested_deep_does_not_end_the_process(text: str) -> None:
    """The C loader calls itself for each level, and dies of 20,000: no exception, no comment."""
    with pytest.raises(NoValuesError):
        load(text)


def test_aliases_never_grow() -> None:
    """Ten lists of ten of the one before: 350 characters are ten thousand million."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(NoValuesError, match="alias"):
        load("\n".join(lines))


def test_a_text_of_the_greatest_length_is_read() -> None:
    """The limit is for what is longer."""
    line = "- aaaaa\n"
    assert len(load(line * (MOST // len(line)))) == MOST // len(line)


def test_both_loaders_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML has no library in C it has its own."""
    text = "a: [1, 'b', {c: |\n  d\n  }]\n"
    whole = "a:\n- 1\n- b\n- c: |\n    d\n  e: [~, 1.5]\n"
    expected = load(whole)
    monkeypatch.setattr(safe_yaml, "_Loader", yaml.SafeLoader)
    assert load(whole) == expected
    with pytest.raises(NoValuesError):
        load(text)
    with pytest.raises(NoValuesError, match="deep"):
        load("[" * 300)


@pytest.mark.parametrize("text", ["[" * 100_000, "a: &a [*a]", "a: ["])
def test_settings_that_cannot_be_read_are_a_difference_all_the_same(text: str) -> None:
    """The texts themselves are compared then: that they differ must not be lost."""
    (only,) = mesh_settings(settings("proxy: {logLevel: warn}", text))
    assert (only.before, only.after) == ("proxy: {logLevel: warn}", text)
