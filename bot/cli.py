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
from stack.errors import InputError

COMMANDS = {
    "plan": "bot.plan.command",
    "preview": "bot.preview",
    "comment": "bot.comments.command",
    "approve": "bot.delivery.approve",
    "up": "bot.up",
    "rollback": "bot.delivery.rollback",
    "history": "bot.delivery.history",
    "destroy": "bot.destroy",
    "trust": "bot.trust.command",
    "drift": "bot.drift.command",
    "rollout": "bot.rollout.command",
    "policy": "bot.ladder.command",
    "status": "bot.status.command",
}
_ABOUT = """\
Plans, previews, approves and applies what the stack files say, and keeps watch over it."""
_FIRST_STEPS = """\
first steps, with no credentials and with them:
  python -m bot plan --all                what every stack is made of
  python -m bot preview --stack staging   what would change there
  python -m bot up --stack staging        apply it, and prove the mesh

`python -m bot COMMAND --help` has the options; docs/README.md has a page for each task.
exit codes: 0 done; 1 failed; 2 bad arguments or config; 3 a tool or server is missing; 4 refused
by a safety rule; 5 changes pending"""
Subparsers = Any  # argparse keeps the name of its class to itself.


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}; see {self.prog} --help\n")
        sys.exit(BAD_INPUT)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; an expected failure is told without traceback."""
    parser = _Parser(
        prog="python -m bot",
        description=_ABOUT,
        epilog=_FIRST_STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(required=True, metavar="command")
    named = arguments[0] if arguments else ""
    # All of them take 0.5 s to import; one that is named needs no other.
    for module in [COMMANDS[named]] if named in COMMANDS else COMMANDS.values():
        importlib.import_module(module).add(subparsers)
    if not arguments:
        # Whoever does not know what to type is not helped by a line that something is missing.
        parser.print_help(sys.stderr)
        return BAD_INPUT
    parsed = parser.parse_args(list(arguments))
    try:
        return int(parsed.run(parsed))
    except InputError as error:
        _tell(error)
        return BAD_INPUT
    except BotError as error:
        _tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; the interpreter must not flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _tell(error: Exception) -> None:
    # Here: with what looks for secrets it would be loaded before every command.
    from bot.masking import masked

    # A reason is often a server's or the engine's, and may hold the address with its password.
    sys.stderr.write(f"{masked(str(error))}\n")
