"""Dispatcher of `python -m bot`.

COMMANDS has a module per command, with `add(subparsers)`, which adds its parser and sets `run`, a
function from the parsed arguments to an exit code.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from bot.exit_codes import BAD_INPUT, DONE, INTERRUPTED, BotError
from stack.charts import ChartError
from stack.faults import ConfigError

COMMANDS = {
    "plan": "bot.plan",
    "preview": "bot.preview",
    "comment": "bot.comments.command",
    "approve": "bot.delivery.approve",
    "up": "bot.up",
    "rollback": "bot.delivery.rollback",
    "history": "bot.delivery.history",
    "destroy": "bot.destroy",
    "trust": "bot.trust",
    "drift": "bot.drift.command",
    "rollout": "bot.rollout.command",
    "policy": "bot.ladder.command",
    "status": "bot.status.command",
}
Subparsers = Any  # argparse keeps the name of its class to itself.


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}; see {self.prog} --help\n")
        sys.exit(BAD_INPUT)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; an expected failure is told without traceback."""
    parser = _Parser(prog="python -m bot", description="Linkerd platform bot.")
    subparsers = parser.add_subparsers(required=True, metavar="command")
    named = arguments[0] if arguments else ""
    # All of them take 0.5 s to import; one that is named needs no other.
    for module in [COMMANDS[named]] if named in COMMANDS else COMMANDS.values():
        importlib.import_module(module).add(subparsers)
    parsed = parser.parse_args(list(arguments))
    try:
        return int(parsed.run(parsed))
    except (ConfigError, ChartError) as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT
    except BotError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; the interpreter must not flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
