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


def test_a_stale_file_fails_the_check_and_is_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check that cannot fail is none."""
    overview = tmp_path / "docs" / "components" / "README.md"
    overview.parent.mkdir(parents=True)
    overview.write_text("# Components\n\n| component | x |\n|---|---|\n\nmore\n", encoding="utf-8")
    check, write = ["--check", "--project", str(tmp_path)], ["--project", str(tmp_path)]
    assert docs.main(check) == 1
    said = capsys.readouterr().err
    names = ("docs/config.md", "docs/components/README.md", "linkerd_platform/__init__.py")
    assert said.splitlines() == [f"{name} is stale: run `make docs`" for name in names]
    assert not (tmp_path / names[0]).exists()
    assert docs.main(write) == 0
    assert (tmp_path / names[0]).read_text("utf-8") == docs.page()
    assert overview.read_text("utf-8").startswith("# Components\n\n| component | what it is about")
    assert overview.read_text("utf-8").endswith(" |\n\nmore\n")
    for name in names:
        assert docs.main(check) == 0
        file = tmp_path / name
        text = file.read_text("utf-8")
        file.write_text(text.replace("`", "'", 1).replace("| [viz]", "| [vi]"), encoding="utf-8")
        assert docs.main(check) == 1
        file.write_text(text, encoding="utf-8")
