"""Every command says in its help what it does, and shows examples that can be typed."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator

import pytest

from bench import __main__ as bench
from bot.cli import dispatch, fetch_charts
from sandbox import cli as sandbox
from stack import docs
from tests import layers

Parser = argparse.ArgumentParser
ROOTS: tuple[Callable[[], Parser], ...] = (
    lambda: dispatch.parser_for(""),
    *(lambda name=name: dispatch.parser_for(name) for name in dispatch.COMMANDS),  # type: ignore[misc]
    lambda: sandbox.parser_for(""),
    bench.parser,
    docs.parser,
    fetch_charts.parser,
    layers.parser,
)
_LEAST_WORDS = 6


def _all(parser: Parser) -> Iterator[Parser]:
    """The parser, and those of its commands that say anything; the overview's have a line each."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _all(each)


def _documented() -> list[Parser]:
    overview = [dispatch.parser_for("")]
    rest = [each for root in ROOTS[1:] for each in _all(root())]
    # A command's root has nothing but the command.
    return overview + [each for each in rest if each.prog != overview[0].prog]


def _examples(parser: Parser) -> list[str]:
    return re.findall(r"^  (python -m .*)$", parser.epilog or "", re.MULTILINE)


def test_every_command_is_walked() -> None:
    """A walk that finds nothing would pass."""
    found = {each.prog for each in _documented()}
    assert {f"python -m bot {name}" for name in dispatch.COMMANDS} < found
    assert {f"python -m sandbox {name}" for name in sandbox.COMMANDS} < found
    assert {"python -m bot trust destroy-key", "python -m bench", "python -m stack.docs"} < found


def test_every_command_has_a_description() -> None:
    """`--help` is the first thing that somebody types who does not know the command."""
    short = {
        each.prog: each.description
        for each in _documented()
        if len((each.description or "").split()) < _LEAST_WORDS
    }
    assert short == {}


def test_every_option_has_a_help_or_a_name_that_says_it() -> None:
    """`--stack NAME` needs no sentence; `--by NAME` does."""
    bare = {
        f"{parser.prog} {action.option_strings[0]}"
        for parser in _documented()
        for action in parser._actions
        if action.option_strings and not action.help
    }
    assert {each for each in bare if not each.endswith((" --stack", " --namespace"))} == {
        "python -m bot trust import --generation",
        "python -m bot trust destroy-key --generation",
    }


def test_every_command_has_an_example_that_parses(capsys: pytest.CaptureFixture[str]) -> None:
    """An example of an option that was renamed is worse than none."""
    roots = {root().prog: root() for root in ROOTS if root().prog != "python -m bot"}
    for parser in _documented():
        found = _examples(parser)
        assert found, f"{parser.prog}: its help has no example"
        for line in found:
            assert line.startswith(parser.prog), f"{parser.prog}: {line} is another command"
            words = shlex.split(line, comments=True)
            arguments = words[3:]
            root = roots.get(" ".join(words[:3])) or dispatch.parser_for(arguments[0])
            try:
                root.parse_args(arguments)
            except SystemExit:
                pytest.fail(f"{line}: {capsys.readouterr().err}")
