"""Command line of the bot: `python -m bot <command>`; exit codes are in bot/exit_codes.py."""

import sys

from bot.cli import crash


def _run() -> int:
    # Here, because importing takes long enough to be interrupted.
    from bot.cli.dispatch import main

    return main(sys.argv[1:])


def _named() -> str:
    """As it was typed, without what may be an argument's value."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    return f"python -m bot {word}" if word.isalpha() and word.isascii() else "python -m bot"


if __name__ == "__main__":
    sys.exit(crash.guarded(_named(), _run))
