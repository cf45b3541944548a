"""Rules of the section `observability.monitors`. Each gives every fault it finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from components.cluster import HasCluster, needs_a_cluster
from components.observability import HasObservability
from schema.faults import Fault
from schema.values import Duration

# A scrape takes up to 10 s; a rate over 5 minutes wants two and more of them.
_INTERVAL = (Duration(10), Duration(120))
_SECTION = ("observability", "monitors")


class _Config(HasObservability, HasCluster, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `observability.monitors`.

    - `observability.monitors.interval` is 10s to 2m.
    """
    section = config.observability.monitors
    yield from needs_a_cluster(config, {_SECTION: section.enabled})
    low, high = _INTERVAL
    if not low <= section.interval <= high:
        message = f"{section.interval} is out of range: write {low} to {high}"
        yield Fault((*_SECTION, "interval"), message)
