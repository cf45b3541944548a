"""How much of a program is under way at once: of what is not answered yet the SDK keeps a lot.

A program that makes all of its resources before it waits for the first has all of them under way,
each with its tasks, futures and closures.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

import pulumi

# Some 600 objects of policies: more than an engine applies at once, and 12 MB.
PARTS = 64


class InFlight:
    """Lets a program go on while no more than so many of its parts are under way."""

    def __init__(self, parts: int = PARTS) -> None:
        self._parts = parts
        self._under_way: deque[tuple[pulumi.Resource, ...]] = deque()

    async def after(self, last: Iterable[pulumi.Resource]) -> None:
        """Return when there is room for the next part.

        last: the resources of a part that come after all of its others. One that fails is no
        reason to stop here: the SDK tells of it at the end, as of any other.
        """
        self._under_way.append(tuple(last))
        while len(self._under_way) >= self._parts:
            answers = [each.urn.future() for each in self._under_way.popleft()]
            await asyncio.gather(*answers, return_exceptions=True)
