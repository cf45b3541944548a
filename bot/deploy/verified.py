"""Which commits a stack was proven healthy with: a tag, since a history is not written to again.

The value is a list of `commit@operation`, the newest first, cut to what the Pulumi service takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.clients.target import Target
from bot.deploy import backend
from bot.engine import Engine

TAG = "linkerd-platform:verified"
_LONGEST = 256
_ITEM = re.compile(r"^([0-9a-f]{40,64})@([0-9a-f]{8,16})$")


@dataclass(frozen=True)
class Proven:
    """The mesh was healthy after this operation had applied this commit."""

    commit: str
    operation: str


def parse(value: str) -> tuple[Proven, ...]:
    """The list in a tag; what is no part of such a list is passed over, and proves nothing."""
    matches = (_ITEM.match(item) for item in value.split())
    return tuple(Proven(match[1], match[2]) for match in matches if match)


def added(value: str, proven: Proven) -> str:
    """The value with one more in front; the oldest go when it gets too long."""
    known = [each for each in parse(value) if each != proven]
    items = [f"{each.commit}@{each.operation}" for each in (proven, *known)]
    while len(" ".join(items)) > _LONGEST:
        items.pop()
    return " ".join(items)


def read(found: Engine, target: Target) -> tuple[Proven, ...]:
    """What the stack was proven with; raises BotError."""
    return parse(backend.tag(found, target, TAG))


def write(found: Engine, target: Target, proven: Proven) -> None:
    """Note a proof; raises BotError."""
    backend.set_tag(found, target, TAG, added(backend.tag(found, target, TAG), proven))
