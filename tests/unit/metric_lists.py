"""The metrics that the pinned versions export, and what a PromQL expression reads of them.

tests/fixtures/metrics has one list per exporter, with its version and the source it was read from.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from tests.unit.stack_files import REPO

FOLDER = REPO / "tests" / "fixtures" / "metrics"
# Words of PromQL that are followed by no bracket, or by labels in one.
_WORDS = {"by", "on", "without", "ignoring", "group_left", "group_right", "and", "or", "unless"}
_WORDS |= {"offset", "bool", "inf", "nan"}
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]|(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<mark>[(){},=~!<>])'
)


@dataclass(frozen=True)
class Selector:
    """A metric in an expression, and the labels in its braces."""

    metric: str
    labels: tuple[str, ...]


@functools.cache
def lists() -> dict[str, dict[str, object]]:
    """Each list by the name of its file."""
    files = sorted(FOLDER.glob("*.yaml"))
    return {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}


@functools.cache
def exported() -> Mapping[str, frozenset[str]]:
    """The labels of each metric, those that a scrape adds among them."""
    made: dict[str, frozenset[str]] = {}
    for each in lists().values():
        metrics, target = each["metrics"], each["target"]
        assert isinstance(metrics, dict)
        assert isinstance(target, list)
        for name, labels in metrics.items():
            assert name not in made, name
            made[name] = frozenset([*labels, *target])
    return made


def selectors(expression: str) -> list[Selector]:
    """Every metric that an expression reads."""
    return list(_walk(expression))


def grouped(expression: str) -> set[str]:
    """Every label after `by`, `on` and the like."""
    found = re.findall(r"\b(?:by|on|without|ignoring|group_left)\s*\(([^)]*)\)", expression)
    return {label.strip() for labels in found for label in labels.split(",") if label.strip()}


def _walk(expression: str) -> Iterator[Selector]:
    # Labels in the bracket of `by (...)` are no metrics.
    text = re.sub(r"\b(by|on|without|ignoring|group_left)\s*\([^)]*\)", " ", expression)
    text = re.sub(r"\boffset\s+\w+", " ", text)
    tokens = [match for match in _TOKEN.finditer(text) if match["word"] or match["mark"]]
    index = 0
    while index < len(tokens):
        word, mark = tokens[index]["word"], _mark(tokens, index + 1)
        index += 1
        if not word or word in _WORDS or mark == "(":
            continue
        labels: list[str] = []
        if mark == "{":
            while tokens[index]["mark"] != "}":
                if tokens[index]["word"]:
                    labels.append(tokens[index]["word"])
                index += 1
        yield Selector(word, tuple(labels))


def _mark(tokens: list[re.Match[str]], index: int) -> str | None:
    return tokens[index]["mark"] if index < len(tokens) else None
