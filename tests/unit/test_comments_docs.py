"""The example on the page of comments is what the code renders."""

from __future__ import annotations

import re
from pathlib import Path

from bot.comments import churn
from bot.comments.command import _OUT
from bot.comments.render import MOST_PARTS, render
from tests.unit import comment_samples as samples

PAGE = Path(__file__).resolve().parents[2] / "docs/comments.md"


def example() -> str:
    """The rendered comment without its hidden lines."""
    (body,) = render(*samples.upgrade(), samples.RUN)
    return body.split("-->\n", 2)[2]


def test_the_example_is_rendered_by_the_code() -> None:
    """Put what this prints on the page when the form of a comment changes on purpose."""
    shown = re.search(r"^`````markdown\n(.*?)^`````$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert shown
    assert shown[1] == example()


def test_the_page_says_what_the_code_does() -> None:
    text = PAGE.read_text()
    hidden = render(*samples.upgrade(), samples.RUN)[0].split("###")[0]
    assert f"```html\n{hidden}```" in text
    assert f"`{_OUT}/<stack>.<n>.md`" in text
    assert MOST_PARTS == 8
    assert "more than eight comments" in text
    assert not [key for key in churn._KEYS if f"`{key}`" not in text]
