"""YAML within an object: read by one, and written by anybody who opens a pull request."""

from __future__ import annotations

import pytest

from bot.changes.objects import mesh_settings
from bot.changes.yaml_text import loaded
from tests.unit.changes_samples import settings

# Each of them makes a reader crash, or one small text into millions of objects.
HOSTILE = {
    "lists": "[" * 100_000,
    "maps": "{" * 100_000,
    "lists of a block": "- " * 100_000,
    "keys": "? " * 60_000,
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
    "an alias of what it is in": "a: &a [*a]",
    "no day": "2026-99-99",
    "no end": "a: [",
}


def test_it_is_read() -> None:
    """Collections within one another are what values of a chart are made of."""
    assert loaded("a:\n- b: {c: [1, true]}\n") == {"a": [{"b": {"c": [1, True]}}]}
    assert loaded("[" * 50 + "]" * 50) is not None
    assert loaded("") is None


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_would_exhaust_the_reader_is_refused(text: str) -> None:
    """The parser in C builds objects by recursion: 100,000 brackets end the whole process."""
    with pytest.raises(ValueError, match=r"."):
        loaded(text)


def test_settings_that_cannot_be_read_are_a_difference_all_the_same() -> None:
    """The texts themselves are compared then: that they differ must not be lost."""
    change = settings("proxy: {logLevel: warn}", HOSTILE["lists"])
    (only,) = mesh_settings(change)
    assert (only.before, only.after) == ("proxy: {logLevel: warn}", HOSTILE["lists"])
