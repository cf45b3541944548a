"""The runbook `upgrade` agrees with charts.yaml and with what the bot says of the distance."""

from __future__ import annotations

import re

import pytest
import yaml

from bot.changes import risk
from bot.changes.model import ChangeSet, ChartMove
from bot.changes.rules import Level
from bot.changes.versions import linkerd_release, releases_between
from tests.unit.changes_samples import whole
from tests.unit.stack_files import REPO

PAGE = (REPO / "docs" / "runbooks" / "upgrade.md").read_text(encoding="utf-8")
LIST = yaml.safe_load((REPO / "charts.yaml").read_text(encoding="utf-8"))
LINKERD = [name for name in LIST["charts"] if name.startswith("linkerd") and "buoyant" not in name]


def move(before: str, after: str) -> ChangeSet:
    """All charts of Linkerd go from one version to another."""
    return whole(moves=tuple(ChartMove(chart=n, before=before, after=after) for n in LINKERD))


def level(before: str, after: str) -> Level | None:
    return risk.verdict(risk.assess(move(before, after)))


def test_public_reports_46_the_pinned_version_is_the_newest_release_that_is_known() -> None:
    """Else the distance to it is counted wrongly, and the page names an older one."""
    (pinned,) = {LIST["charts"][name]["version"] for name in LINKERD}
    name, first = list(LIST["releases"].items())[-1]
    assert (linkerd_release(pinned), first) == (name, pinned)


def test_public_reports_46_the_page_names_the_last_three_releases_and_their_charts() -> None:
    """Versions on a page are typed by an operator at night."""
    for name, first in list(LIST["releases"].items())[-3:]:
        assert re.search(rf"{re.escape(name)}\s+\(`{re.escape(first)}`\)", PAGE), name


def test_public_reports_46_over_two_releases_it_is_critical_and_step_by_step_it_is_high() -> None:
    """What the page promises of each step, the verdict says."""
    older, last, pinned = list(LIST["releases"].values())[-3:]
    assert level(older, pinned) is Level.CRITICAL
    assert [level(older, last), level(last, pinned)] == [Level.HIGH, Level.HIGH]
    assert level(pinned, older) is Level.CRITICAL


@pytest.mark.parametrize(
    ("version", "release", "to_pinned"),
    [
        ("2024.1.1", None, 3),
        ("2025.4.4", "2.18", 2),
        ("2025.10.6", "2.18", 2),
        ("2025.10.7", "2.19", 1),
        ("2026.6.3", "2.20", 0),
        ("2026.9.1", "2.20", 0),
    ],
)
def test_an_edge_belongs_to_the_release_before_it(
    version: str, release: str | None, to_pinned: int
) -> None:
    """Edges come every week; what is between two releases has a part of the next one."""
    assert linkerd_release(version) == release
    assert releases_between(version, "2026.6.3") == to_pinned
