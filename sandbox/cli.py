"""Dispatcher of `python -m sandbox`; another module adds a command by defining `add_command`.

Each module in COMMANDS has `add_command(subparsers)`, which adds a parser and sets `run`, a
function from the parsed arguments to an exit code. Only the module of the command that is asked for
is imported: `cluster down` works whatever state the rest of the program is in.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "cluster": "sandbox.cluster_command",
    "toolchain": "sandbox.toolchain_command",
    "run": "sandbox.run",
    "verify": "sandbox.verify",
    "down": "sandbox.down",
}
FAILED, TOOL_MISSING = 1, 3
Subparsers = Any  # argparse keeps the name of its class to itself.


def parser_for(asked: str) -> argparse.ArgumentParser:
    """Build the parser of the command of this name; for no command of ours, of all."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Run a local cluster with real servers, deploy the sandbox stack to it, and "
        "verify the mesh.",
        epilog="examples:\n  python -m sandbox run\n  python -m sandbox down",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(required=True, metavar="command")
    for module in [COMMANDS[asked]] if asked in COMMANDS else COMMANDS.values():
        if importlib.util.find_spec(module):
            importlib.import_module(module).add_command(subparsers)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; an expected failure is one line, no traceback."""
    from bot.exit_codes import BAD_INPUT, BotError
    from sandbox.node.linux import NodeError
    from sandbox.processes import StartError
    from sandbox.settings import PortTakenError
    from sandbox.toolchain import ToolMissing
    from sandbox.vault import VaultError
    from schema.errors import InputError

    parser = parser_for(arguments[0] if arguments else "")
    parsed = parser.parse_args(list(arguments))
    try:
        return int(parsed.run(parsed))
    except ToolMissing as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return TOOL_MISSING
    except (NodeError, StartError, PortTakenError, VaultError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return FAILED
    except BotError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return error.exit_code
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT


def say(text: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
