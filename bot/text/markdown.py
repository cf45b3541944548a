"""Text from anywhere as Markdown that cannot do anything.

Names, values and messages may hold Markdown, HTML, mentions, references, escape sequences and
characters that nobody sees. Three places take them: a code span, the summary of a fold, and a
fenced block. GitHub links no mention and no reference in any of them
(https://github.github.com/gfm/#code-spans, #fenced-code-blocks).
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from bot.text.output import visible
from schema.masking import masked

# Colours and cursor moves of terminals. Nothing between them is lost.
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WORD = re.compile(r"[\w…→.,;:()'\"/%+=-]+")
# What a forge turns into a link, a picture or a reference without any markup.
_LINKED = re.compile(
    r"(?i)://|\bwww\.|\bgh-\d|\b[0-9a-f]{7,64}\b|:[\w+-]+:|_|\b(?:mailto|xmpp|ftp):"
)
# At the beginning of a list's item it would begin a list of its own.
_ITEM = re.compile(r"[-+=]+|\d+[.)]|%.*")  # and `%name` is a milestone on GitLab
_BACKTICKS = re.compile(r"`+")
# GitHub's parser takes a run of more than 80 for no fence at all, and what is within as markup.
_LONG_RUN = re.compile(r"`{9,}")


def one_line(text: str, limit: int = 400) -> str:
    """The text without secrets, on one line of at most `limit` characters and a count."""
    whole = " ".join(_TERMINAL.sub("", masked(text)).split())
    return cut(visible(whole), limit)


def rows(text: str) -> list[str]:
    """The text without secrets, line by line, for a fenced block. Nothing is cut."""
    return [visible(row) for row in _TERMINAL.sub("", masked(text)).splitlines()]


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and how long it is."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text):,} characters)"


def code(text: str, limit: int = 200) -> str:
    """A code span; its fence is longer than any run of backticks within."""
    inner = _short_runs(one_line(text, limit)) or "(empty)"
    fence = "`" * (max(map(len, _BACKTICKS.findall(inner)), default=0) + 1)
    pad = " " if inner.startswith("`") or inner.endswith("`") else ""
    return f"{fence}{pad}{inner}{pad}{fence}"


def _short_runs(text: str) -> str:
    """The text with long runs of backticks written out, so that a fence can be longer."""
    return _LONG_RUN.sub(lambda found: f"\\u{{60}} x {len(found[0])}", text)


def prose(text: str, limit: int = 400) -> str:
    """Words as words; whatever could be markup, a mention or a link as a code span."""
    return " ".join(
        word if _is_plain(word) else code(word, limit)
        for word in one_line(text, limit).split(" ")
        if word
    )


def _is_plain(word: str) -> bool:
    return bool(_WORD.fullmatch(word)) and not (_LINKED.search(word) or _ITEM.fullmatch(word))


def in_html(text: str, limit: int = 200) -> str:
    """Text for within `<code>` of a line of HTML, where no Markdown is read."""
    return html.escape(one_line(text, limit) or "(empty)")


def fenced(lines: Sequence[str], info: str = "diff") -> str:
    """A fenced block. Each line must be `visible` and without a line feed."""
    lines = [_short_runs(line) for line in lines]
    runs = (len(run) for line in lines for run in _BACKTICKS.findall(line))
    fence = "`" * max(3, max(runs, default=0) + 1)
    return "\n".join([f"{fence}{info}", *lines, fence])
