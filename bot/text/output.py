"""The edge of the program: whatever it writes, to a terminal or a file, passes here and is masked.

What a command has in hand may hold a secret that a stack file, a chart, a server or the engine put
there. Nobody has to think of it where a text is made.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

# Printable to Unicode, and yet nobody sees them: joiners, fillers, variation selectors.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0"
    "\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
_UNFINISHED = 1 << 20  # characters of a line that is written before it has ended
_LONGEST_DOCUMENT = 64 << 20


class Masked:
    """A stream of text that masks what is written; everything else is the stream's own.

    Lines are masked when they have ended, because a secret may come in pieces.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        """Write the lines that have ended; the rest waits for its end, or for `flush`."""
        whole = self._begun + text
        if whole[:1] in ("{", "[") and whole[-1:] != "\n" and len(whole) < _LONGEST_DOCUMENT:
            self._begun = whole  # a document of JSON, which has to stay one
            return len(text)
        lines, feed, self._begun = whole.rpartition("\n")
        if feed:
            self._pass(lines + feed)
        if len(self._begun) > _UNFINISHED:
            self._drain()
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of the texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what waits, too: a question, a line of progress."""
        self._drain()
        self._stream.flush()

    def _drain(self) -> None:
        text, self._begun = self._begun, ""
        if text:
            self._pass(text)

    def _pass(self, text: str) -> None:
        # Here: what looks for secrets takes a while to load, and some commands write nothing.
        from schema.masking import is_json, masked, masked_json

        self._stream.write(masked_json(text) if is_json(text) else visible(masked(text)))

    def control(self, sequence: str) -> None:
        """Write a sequence of ours that moves the terminal's cursor; from a text none passes."""
        self._drain()
        self._stream.write(sequence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def masked() -> Iterator[None]:
    """Have everything masked that is written to stdout and stderr."""
    before = sys.stdout, sys.stderr
    out, error = Masked(sys.stdout), Masked(sys.stderr)
    sys.stdout, sys.stderr = out, error
    try:
        yield
    finally:
        # What else has put itself there in the meantime stays.
        sys.stdout = before[0] if sys.stdout is out else sys.stdout
        sys.stderr = before[1] if sys.stderr is error else sys.stderr
        for stream in (out, error):
            with suppress(OSError, ValueError):
                stream._drain()


def bare(stream: Any) -> Any:
    """The stream itself, for texts of our own: a help need not wait for what looks for secrets."""
    return stream._stream if isinstance(stream, Masked) else stream


def control(stream: Any, sequence: str) -> None:
    """Move a terminal's cursor, whether or not the stream is masked."""
    if isinstance(stream, Masked):
        stream.control(sequence)
    else:
        stream.write(sequence)


def visible(text: str) -> str:
    """The text with every character that is not seen written out, as `\\u{202e}`.

    Line feed and tab stay: they are seen. A carriage return is not.
    """
    if not (text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()):
        text = "".join(c if c.isprintable() or c in "\n\t" else _named(c) for c in text)
    return text if text.isascii() else _UNSEEN.sub(lambda found: _named(found[0]), text)


def _named(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


def write_text(file: Path, text: str) -> None:
    """Write a file that people or other programs read; raises OSError."""
    from schema.masking import masked_document

    file.write_text(masked_document(text), encoding="utf-8")


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, at no moment."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
