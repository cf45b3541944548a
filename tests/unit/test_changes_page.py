"""docs/risk.md is made from the rules, and has all of them."""

from __future__ import annotations

from bot.changes import page
from bot.changes.rules import DEFAULTS, RULES
from bot.changes.set_rules import WHOLE


def test_the_committed_page_is_current() -> None:
    """A rule that is not on the page surprises whoever it stops."""
    assert page.FILE.read_text(encoding="utf-8") == page.page()


def test_every_rule_has_one_row_with_level_and_reason() -> None:
    """Each row is what a reader finds by the name in a comment."""
    rows = page.page().splitlines()
    for rule in (*RULES, *DEFAULTS, *WHOLE):
        assert rows.count(f"| {rule.level} | `{rule.name}` | {rule.reason} |") == 1
