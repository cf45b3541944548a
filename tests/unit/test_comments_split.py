"""Packing: every line once, in order, and no comment longer than it may be."""

from __future__ import annotations

import random
import re

import pytest

from bot.comments.split import Block, FoldedSection, pack, size


def fences(text: str) -> list[str]:
    """The lines within the fenced blocks."""
    found = []
    fence = ""
    for line in text.splitlines():
        ticks = re.match(r"`{3,}", line)
        if not fence and ticks:
            fence = ticks[0]
        elif line == fence:
            fence = ""
        elif fence:
            found.append(line)
    assert not fence
    return found


@pytest.mark.parametrize("seed", range(20))
def test_every_line_is_there_once_and_in_order(seed: int) -> None:
    """Blocks of all lengths, some of several bytes a character, some with long backticks."""
    chance = random.Random(seed)  # noqa: S311
    limit = 9_000
    number = 0
    sections = []
    for _ in range(chance.randrange(1, 6)):
        blocks = []
        for _ in range(chance.randrange(1, 9)):
            lines = []
            for _ in range(chance.choice([0, 1, 5, 40, 300])):
                number += 1
                lines.append(f"+ {number} {chance.choice(['é', 'x', '`']) * chance.randrange(200)}")
            blocks.append(Block(f"block {number}", tuple(lines)))
        sections.append(FoldedSection(chance.choice(["", "a section"]), False, tuple(blocks)))
    first = chance.choice([0, 100, 8_000, 20_000])
    bodies = pack(sections, first, limit)
    told = [line for body in bodies for line in fences(body)]
    lines = [line for s in sections for block in s.blocks for line in block.lines]
    # A forge takes no fence that is longer than a long run of backticks.
    shown = (re.sub(r"`{9,}", lambda run: rf"\u{{60}} x {len(run[0])}", line) for line in lines)
    assert told == list(shown)
    assert size(bodies[0]) <= max(0, limit - first)
    for body in bodies:
        assert size(body) <= limit
        assert body.count("<details") == body.count("</details>")


def test_a_block_that_fits_in_one_comment_is_not_split() -> None:
    blocks = [Block(str(n), tuple(f"+ {n}" for _ in range(500))) for n in range(9)]
    for body in pack([FoldedSection("s", False, tuple(blocks))], 0, 4_000):
        for each in set(fences(body)):
            assert fences(body).count(each) == 500
        assert "<summary>0 (continued)" not in body


def test_a_section_that_goes_on_says_so() -> None:
    blocks = tuple(Block(str(n), ("+ " + "x" * 900,)) for n in range(9))
    bodies = pack([FoldedSection("name", True, blocks)], 0, 4_000)
    assert len(bodies) == 3
    assert bodies[0].startswith("<details open><summary>name</summary>")
    assert all(b.startswith("<details open><summary>name (continued)<") for b in bodies[1:])


@pytest.mark.parametrize("length", range(880, 960))
def test_the_end_of_a_section_has_room_too(length: int) -> None:
    """Blocks of every length meet the limit somewhere to the byte."""
    blocks = tuple(Block(str(n), ("x" * length,)) for n in range(9))
    bodies = pack([FoldedSection("name", False, blocks)], 0, 4_000)
    assert max(map(size, bodies)) <= 4_000
    assert len(bodies) == 3


def test_nothing_is_one_empty_body() -> None:
    assert pack([], 500) == [""]
    assert pack([FoldedSection("empty", False, ())], 500) == [""]
