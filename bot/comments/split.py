"""Sections of blocks, packed into as few comments as they need; between two blocks, never within.

A block that is longer than a comment is split between two of its lines, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.text.markdown import fenced

# GitHub takes 65,536 characters. Bytes are counted here, and what stands around the blocks of a
# comment has room besides.
LIMIT = 60_000
_CONTINUED = " (continued)"
_TICKS = re.compile(r"`+")
_SMALLEST = 2_000  # bytes; a block is not begun in less


@dataclass(frozen=True)
class Block:
    """One fold. title: safe HTML on one line; lines: of its fenced block, none for no fold."""

    title: str
    lines: tuple[str, ...]
    info: str = "diff"

    def text(self) -> str:
        """The block as Markdown."""
        if not self.lines:
            return f"<p>{self.title}</p>\n"
        body = fenced(self.lines, self.info)
        return f"<details><summary>{self.title}</summary>\n\n{body}\n\n</details>\n"


@dataclass(frozen=True)
class FoldedSection:
    """Blocks under one fold; without a title they stand for themselves."""

    title: str
    opened: bool
    blocks: tuple[Block, ...]

    def begin(self, *, again: bool = False) -> str:
        """What stands before the blocks."""
        mark = " open" if self.opened else ""
        more = _CONTINUED if again else ""
        return f"<details{mark}><summary>{self.title}{more}</summary>\n" if self.title else ""

    @property
    def end(self) -> str:
        """What stands after the blocks."""
        return "</details>\n" if self.title else ""


def size(text: str) -> int:
    """Length as it counts against the limit."""
    return len(text.encode("utf-8", "surrogatepass"))


def pack(sections: Sequence[FoldedSection], first: int, limit: int = LIMIT) -> list[str]:
    """The bodies of the comments; the first has `first` bytes less than the limit.

    There is always a first one, which may be empty.
    """
    packing = _Packing(limit, first)
    for section in sections:
        packing.add(section)
    return packing.bodies()


class _Packing:
    def __init__(self, limit: int, first: int) -> None:
        self._limit = limit
        self._pages: list[list[str]] = [[]]
        self._left = limit - first

    def add(self, section: FoldedSection) -> None:
        frame = size(section.begin(again=True)) + size(section.end) + 2
        begun = False
        for block in section.blocks:
            for piece in self._pieces(block, frame):
                text = piece.text()
                # A section's fold is closed and opened anew where a comment ends.
                if begun and size(text) + 1 > self._left:
                    self._close(section)
                    self._turn()
                    self._open(section, again=True)
                elif not begun:
                    if size(text) + frame + 1 > self._left:
                        self._turn()
                    self._open(section, again=False)
                    begun = True
                self._put(text)
        if begun:
            self._close(section)

    def _pieces(self, block: Block, frame: int) -> Iterator[Block]:
        """The block, or parts of it that fit; the first into what is left of this comment."""
        if size(block.text()) + frame <= self._limit - frame:
            yield block
            return
        # The fence is longer than any backticks within, wherever these will be.
        ticks = max((run for line in block.lines for run in _TICKS.findall(line)), default="")
        bare = size(replace(block, lines=(ticks,)).text())
        around = bare + size(_CONTINUED) + 2 * frame + 64
        room = self._left - around
        lines: list[str] = []
        title = block.title
        if room < _SMALLEST:
            room = self._limit - around
        for line in block.lines:
            needed = size(line) + 1
            if lines and needed > room:
                yield Block(title, tuple(lines), block.info)
                title = f"{block.title}{_CONTINUED}"
                lines, room = [], self._limit - around
            lines.append(line)
            room -= needed
        yield Block(title, tuple(lines), block.info)

    def _open(self, section: FoldedSection, *, again: bool) -> None:
        self._put(section.begin(again=again))
        self._left -= size(section.end) + 1

    def _close(self, section: FoldedSection) -> None:
        if section.end:
            self._pages[-1].append(section.end)

    def _turn(self) -> None:
        self._pages.append([])
        self._left = self._limit

    def _put(self, text: str) -> None:
        if text:
            self._pages[-1].append(text)
            self._left -= size(text) + 1

    def bodies(self) -> list[str]:
        return ["\n".join(page) for page in self._pages]
