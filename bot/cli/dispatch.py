"""Dispatcher of `python -m bot`.

COMMANDS has the module of each command, with `add(subparsers)`, which adds its parser and sets
`run`, a function from the parsed arguments to an exit code.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from bot import stacks
from bot.cli import crash
from bot.exit_codes import BAD_INPUT, BotError
from bot.text import output
from schema.errors import InputError


class Command(NamedTuple):
    """The module of a command, and what it is for, in one line."""

    module: str
    text: str


COMMANDS = {
    "plan": Command("bot.plan.command", "show what stacks consist of, without credentials"),
    "preview": Command("bot.deploy.preview", "show what `up` would change, and how risky it is"),
    "comment": Command("bot.comments.command", "render changes as comments of a pull request"),
    "approve": Command("bot.deploy.approve", "approve the changes of one preview"),
    "up": Command("bot.deploy.up", "apply a stack file, then verify the mesh"),
    "rollback": Command("bot.deploy.rollback", "apply an older revision of the program"),
    "history": Command(
        "bot.deploy.history", "show which commits were applied to a stack, and by whom"
    ),
    "adopt": Command("bot.deploy.adopt", "take over a Linkerd that is there already"),
    "destroy": Command("bot.deploy.destroy", "delete what a stack created"),
    "trust": Command(
        "bot.deploy.trust_command",
        "trust anchor: status, steps of a rotation, import, destruction of a key",
    ),
    "drift": Command(
        "bot.mesh.drift.command", "report differences between the program and the cluster"
    ),
    "rollout": Command(
        "bot.mesh.rollout.command",
        "namespaces in the mesh: status, next wave, safety check, restarts",
    ),
    "policy": Command(
        "bot.mesh.authorization.command",
        "authorization: suggest rules, check which callers may lose access",
    ),
    "status": Command("bot.mesh.status.command", "check the health of the mesh"),
    "traffic": Command(
        "bot.mesh.traffic.command",
        "requests between services: status, other weights of a route",
    ),
    "latency": Command(
        "bot.mesh.latency.command", "measure what the proxies cost in latency and throughput"
    ),
}
_ABOUT = """\
Plan, preview, approve and apply stack files, and operate the mesh: health, drift, trust anchor,
rollout and authorization."""
_FIRST_STEPS = """\
examples, the first without credentials:
  python -m bot plan --all                # what every stack consists of
  python -m bot preview --stack staging   # what would change
  python -m bot up --stack staging        # apply it, and verify the mesh

`python -m bot COMMAND --help` shows the options; docs/README.md has a page for each task.
exit codes: 0 done; 1 failed; 2 bad arguments or config; 3 a tool or server is missing;
4 refused by a safety rule; 5 changes pending"""
_INVALID = re.compile(r"'(?P<typed>[^']*)' (?:\(choose from|is none of) (?P<choices>[^)]*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
Subparsers = Any  # argparse keeps the name of its class to itself.


class _Parser(argparse.ArgumentParser):
    def print_help(self, file: Any = None) -> None:
        super().print_help(output.bare(file or sys.stdout))

    def error(self, message: str) -> NoReturn:
        # What was typed may be a name from somewhere else, with whatever a terminal obeys.
        shown = message if message.isprintable() else ascii(message)[1:-1]
        sys.stderr.write(f"{self.prog}: {shown}{_suggestion(message)}; see {self.prog} --help\n")
        sys.exit(BAD_INPUT)

    def _print_message(self, message: str, file: Any = None) -> None:
        # The library's own takes no notice of a disk that is full.
        (file or sys.stderr).write(message or "")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        # A command's own parser leaves what it does not know to the one above, which cannot tell
        # what was meant.
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = _OPTION.findall(self.format_help())
            name = unknown[0].partition("=")[0]
            self.error(f"unknown argument {unknown[0]!r}{_nearest(name, options)}")
        return parsed, unknown


def _suggestion(message: str) -> str:
    """The choice that comes nearest to one that is none; Python offers it from 3.14 on."""
    found = _INVALID.search(message)
    if found is None or "maybe you meant" in message:
        return ""
    return _nearest(found["typed"], [each.strip(" '") for each in found["choices"].split(",")])


def _nearest(typed: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(typed, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def parser_for(named: str) -> argparse.ArgumentParser:
    """The parser of the command of this name; for no command of ours, an overview of all."""
    parser = _Parser(
        prog="python -m bot",
        description=_ABOUT,
        epilog=_FIRST_STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(required=True, metavar="command")
    if named in COMMANDS:
        importlib.import_module(COMMANDS[named].module).add(subparsers)
    else:
        # Nothing is run: for the help alone none of the modules, which take a second, is loaded.
        for name, command in COMMANDS.items():
            subparsers.add_parser(name, help=command.text)
    return parser


def _without_organization(parsed: argparse.Namespace) -> None:
    """Stacks are called by their own names everywhere but in the engine."""
    given = getattr(parsed, "stack", None)
    if isinstance(given, str):
        parsed.stack = stacks.chosen(given)
    elif isinstance(given, list):
        parsed.stack = [stacks.chosen(each) for each in given]


@output.masked()
def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; an expected failure has no traceback."""
    named = arguments[0] if arguments else ""
    parser = parser_for(named)
    if not arguments:
        # Whoever does not know what to type is not helped by a line that something is missing.
        parser.print_help(sys.stderr)
        return BAD_INPUT
    if named.startswith("-") and named not in ("-h", "--help"):
        parser.error(f"the command comes first, not {named!r}")
    parsed = parser.parse_args(list(arguments))
    try:
        _without_organization(parsed)
        return int(parsed.run(parsed))
    except (InputError, BotError, KeyboardInterrupt, BrokenPipeError) as error:
        return crash.end(parser.prog, error)
