"""What `make bench` tells of a limit: a figure that nobody compares with it is no limit."""

from __future__ import annotations

import pytest

from bench.measure import Limit, Took, alternately, table


def rows(**clock: list[float]) -> dict[str, list[Took]]:
    return {name: [Took(each, 0.5) for each in seconds] for name, seconds in clock.items()}


def test_a_limit_in_seconds_is_for_the_median() -> None:
    """One run that somebody else's work has slowed says nothing."""
    took = rows(plan=[1.0, 2.0, 9.0])
    assert Limit(2).missed(took, "plan") == ""
    assert Limit(1.9).missed(took, "plan") == "over 1.9 s: 2.00 s"


def test_a_ratio_is_that_of_runs_side_by_side() -> None:
    """Both are slow at the same time: the ratio of the medians would be 1.9."""
    took = rows(engine=[1.0, 10.0, 10.0], bot=[1.05, 19.0, 10.5])
    assert Limit(1.1, to="engine").missed(took, "bot") == ""
    assert Limit(1.04, to="engine").missed(took, "bot") == "over x 1.04 of 'engine': x 1.05"


def test_seconds_on_top_are_those_of_runs_side_by_side() -> None:
    """Distance adds seconds, however long the rest takes."""
    took = rows(near=[1.0, 10.0, 3.0], far=[2.0, 11.5, 4.0])
    assert Limit(1.5, to="near", adds=True).missed(took, "far") == ""
    told = Limit(0.9, to="near", adds=True).missed(took, "far")
    assert told == "over 0.9 s more than 'near': 1.00 s"


def test_the_table_tells_what_is_not_met(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing of what is."""
    took = rows(engine=[1.0, 1.0], bot=[1.5, 1.5])
    table("previews", took, {"bot": Limit(1.1, to="engine"), "engine": Limit(5)})
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if "LIMIT" in line] == [
        "  LIMIT NOT MET: bot: over x 1.1 of 'engine': x 1.50"
    ]
    assert "x  1.50     0.50 s  1.50 to 1.50" in said


def test_runs_take_turns_after_one_each_that_does_not_count() -> None:
    """What fills a cache is not what is measured."""
    seen: list[str] = []
    took = alternately(2, {name: lambda name=name: seen.append(name) for name in "ab"})  # type: ignore[misc]
    assert "".join(seen) == "ababab"
    assert {name: len(each) for name, each in took.items()} == {"a": 2, "b": 2}
