"""From a stack's config to the arguments of `Traffic`."""

from __future__ import annotations

from collections.abc import Iterator

from components.traffic.component import TrafficArgs
from components.traffic.section import HasTraffic


def arguments(config: HasTraffic) -> Iterator[TrafficArgs]:
    """Arguments of `Traffic`, for each service in order."""
    for key in sorted(config.traffic.services):
        namespace, _, service = key.partition("/")
        yield TrafficArgs(
            namespace=namespace, service=service, traffic=config.traffic.services[key]
        )
