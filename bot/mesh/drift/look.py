"""What is in the namespaces of a stack, and what of it nobody declared."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import replace

from bot.clients.connect import cluster
from bot.clients.target import Target
from bot.mesh.drift import owned
from bot.mesh.drift.declared import Declared
from bot.mesh.drift.inventory import Inventory, take

# Controllers need a moment, and lists are not of one moment: who is new is looked at twice.
SECOND_LOOK_SECONDS = 2.0


def look(
    target: Target,
    state: Declared,
    namespaces: Collection[str],
    label: str | None = None,
    stop: threading.Event | None = None,
) -> tuple[Inventory, tuple[owned.UndeclaredItem, ...]]:
    """What is there, and what of it is undeclared in two looks; raises BotError.

    label: as in `owned.is_ours`. stop: ends it after the first look once it is set.
    """
    with cluster(target) as api:
        inventory = take(api, namespaces, owned.wanted, label=label)
        first = owned.undeclared(state, inventory, label)
        if not first or (stop or threading.Event()).wait(SECOND_LOOK_SECONDS):
            return inventory, first
        again = take(api, namespaces, owned.wanted, label=label)
    before = {each.item.key for each in first}
    late = owned.undeclared(state, again, label)
    still = tuple(each for each in late if each.item.key in before)
    return replace(again, unlisted={**inventory.unlisted, **again.unlisted}), still
