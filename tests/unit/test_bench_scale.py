"""What `make bench` tells of many services: what a namespace adds, beside the SDK's own cost."""

from __future__ import annotations

from bench.scale import LIMIT_TO_BARE, line

FLOOR = {"seconds": 1.0, "mebibytes": 90.0, "resources": 50.0, "bare": 0.001}


def row(**changes: float) -> str:
    """That of 125 namespaces with 4 services each and 4 resources a service."""
    each = {"seconds": 3.0, "mebibytes": 120.0, "resources": 2050.0, "bare": 0.001}
    return line(125, FLOOR, each | changes)


def test_a_row_has_what_was_added_each_and_by_service_and_of_the_sdks_own() -> None:
    """2 s more for 2,000 resources and 500 services."""
    said = row()
    assert "1.00 ms each" in said
    assert "x 1.00" in said
    assert "4.0 ms a service" in said
    assert "too" not in said


def test_what_is_over_a_limit_is_told() -> None:
    """On a slow machine all is slow: of ours alone tells the ratio."""
    assert "too slow" in row(seconds=7.2, bare=0.003)
    assert "too much" not in row(seconds=7.2, bare=0.003)
    assert row(seconds=1.0 + 2 * LIMIT_TO_BARE + 0.2).endswith("too much of it is ours")
    assert row(mebibytes=501.0).endswith("too large")


def test_the_floor_adds_nothing() -> None:
    """The stack without namespaces is the first row."""
    assert "0.00 ms each" in line(0, FLOOR, FLOOR)
