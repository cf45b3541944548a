"""Lines for a terminal or a job's log, that neither obeys."""

from __future__ import annotations

import re

from bot.text.markdown import one_line
from bot.text.output import visible

_LONGEST_LINE = 4000
# A line that begins so, or holds the older form anywhere, is a command to a GitHub runner
# (https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands).
_COMMAND = re.compile(r"^::|##\[")


def line(text: str, limit: int | None = _LONGEST_LINE) -> str:
    """The text on one line, indented as it was, that no terminal and no runner obeys.

    limit: of characters; None for all of them.
    """
    indent = " " * (len(text) - len(text.lstrip(" ")))
    shown = one_line(text, limit or len(text) * 12)
    return indent + _COMMAND.sub(lambda found: f"{found[0][0]} {found[0][1:]}", shown)


def inert(text: str) -> str:
    """As `line`, with its spaces as they are and nothing cut."""
    indent = len(text) - len(text.lstrip(" "))
    shown = visible(text[indent:].replace("\n", "\\n").replace("\t", "\\t"))
    return text[:indent] + _COMMAND.sub(lambda found: f"{found[0][0]} {found[0][1:]}", shown)
