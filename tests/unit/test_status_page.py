"""docs/status.md has every check of ours and of `linkerd check`, side by side."""

from __future__ import annotations

import re
from collections import Counter

from bot.mesh.status import page
from bot.mesh.status.judge import checks
from bot.mesh.status.upstream_extensions import CHECKS


def test_the_committed_page_is_current() -> None:
    """A check that is not on the page is one that nobody can look up."""
    assert page.FILE.read_text(encoding="utf-8") == page.page()


def test_what_the_page_calls_ours_is_implemented() -> None:
    """A check that the page claims and nobody makes is worse than one that is left out."""
    text = page.FILE.read_text(encoding="utf-8")
    sides = text.split("## Side by side")[1]
    claimed = {
        name
        for row in sides.splitlines()
        if row.startswith("| ")
        for name in re.findall(r"`([\w-]+/[\w-]+)`", row.split(" | ")[1] if " | " in row else "")
    }
    implemented = [each.id for each in checks()]
    assert Counter(implemented).most_common(1)[0][1] == 1
    assert claimed
    assert claimed <= set(implemented)
    assert {name for each in CHECKS.values() for name in each.ours} == claimed


def test_every_check_of_the_cli_has_one_row_and_says_where_it_is() -> None:
    """Ours has it, or it is left to the CLI and the page says why."""
    rows = page.page().split("## Side by side")[1].splitlines()
    for each in CHECKS.values():
        assert bool(each.ours) != bool(each.left), each
        assert sum(row.startswith(f"| [{each.description}](") for row in rows) == sum(
            other.description == each.description for other in CHECKS.values()
        )
    # linkerd2 at edge-26.6.3: 70 of the core, 17 of viz, 14 of multicluster.
    extensions = ("linkerd-viz", "linkerd-multicluster")
    counted = Counter(each.category.startswith(extensions) for each in CHECKS.values())
    assert counted == {False: 70, True: 31}


def test_every_check_of_ours_has_one_row() -> None:
    """With what it is about, in a reader's words."""
    rows = page.page().split("## Side by side")[0].splitlines()
    for each in checks():
        (row,) = [row for row in rows if row.startswith(f"| `{each.id}` | ")]
        assert len(row.split(" | ")[1]) > 15, row
