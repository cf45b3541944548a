"""Command line of the bot: `python -m bot <command>`; exit codes are in bot/exit_codes.py."""

import sys

from bot.cli import main

sys.exit(main(sys.argv[1:]))
