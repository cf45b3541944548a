"""docs/config.md is made from the models, and says every key."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack import docs
from stack.config import StackConfig
from stack.meant import all_paths


def test_every_key_has_a_row_with_type_and_default() -> None:
    """An option that is not on the page is one that nobody sets."""
    page = docs.page()
    for path in all_paths(StackConfig):
        heading = f"## `linkerd-platform:{'.'.join(path[:-1])}`" if path[1:] else "## Sections"
        section = page.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{path[-1]}` |")]
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 4, row
        assert all(cells), row


@pytest.mark.parametrize(
    "row",
    [
        "| `renewBefore` | duration | `25h` |",
        "| `replicas` | whole number, 1 to 50 | `3` |",
        "| `clientSecret` | secret | none |",
        "| `generations` | list of section | required |",
        "| `install` | `true`, `false` | `true` |",
        "| `webhookFailurePolicy` | `Fail`, `Ignore` | `Fail` |",
        "| `address` | https address | required |",
    ],
)
def test_units_and_defaults_are_a_readers_words(row: str) -> None:
    """`int | None` is not what an operator writes."""
    assert f"\n{row}" in docs.page()


def test_the_committed_page_is_current() -> None:
    """CI checks the same."""
    assert docs.main(["--check"]) == 0


def test_a_stale_page_fails_the_check_and_is_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check that cannot fail is none."""
    page = tmp_path / "config.md"
    assert docs.main(["--check", "--file", str(page)]) == 1
    assert "config.md is stale: run `make docs`" in capsys.readouterr().err
    assert not page.exists()
    assert docs.main(["--file", str(page)]) == 0
    assert page.read_text("utf-8") == docs.page()
    assert docs.main(["--check", "--file", str(page)]) == 0
    page.write_text(page.read_text("utf-8") + "x", encoding="utf-8")
    assert docs.main(["--check", "--file", str(page)]) == 1
