"""Imports run one way: what stands below knows nothing of what stands above."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import layers


def _tree(folder: Path, **files: str) -> dict[str, list[layers.Import]]:
    for layer in layers.LAYERS:
        (folder / layer.partition("/")[0]).mkdir(exist_ok=True)
    (folder / "__main__.py").write_text("from bot.cli import a\n")
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return layers.imports(folder)


def test_nothing_imports_upward() -> None:
    """Whoever changes a low part would else have to know the high ones."""
    assert [str(each) for each in layers.upward(layers.imports())] == []


def test_no_files_import_one_another() -> None:
    """None of them could be understood, moved or loaded alone."""
    assert [" -> ".join(each) for each in layers.circles(layers.imports())] == []


@pytest.mark.parametrize("text", ["from bot.plan import a\n", "def f():\n    import bot.plan.a\n"])
def test_an_upward_import_is_told_with_both_files(tmp_path: Path, text: str) -> None:
    """Also one within a function, which only looks as if it were none."""
    found = _tree(tmp_path, stack__low=text, bot__plan__a="")
    (told,) = layers.upward(found)
    assert str(told).startswith("stack/low.py imports ")
    assert str(told).endswith(" of bot/plan/a.py")


def test_a_circle_is_told_as_the_way_round(tmp_path: Path) -> None:
    """Two of the files may be right as they are."""
    found = _tree(
        tmp_path,
        stack__a="from stack.b import x\n",
        stack__b="def f():\n    from stack import c\n",
        stack__c="import stack.a\n",
    )
    assert layers.circles(found) == [["stack/a.py", "stack/b.py", "stack/c.py", "stack/a.py"]]


def test_a_file_that_stands_nowhere_is_told(tmp_path: Path) -> None:
    """A new folder is a decision."""
    found = _tree(tmp_path, bot__new__a="from stack import b\n", stack__b="")
    with pytest.raises(LookupError, match=r"bot/new/a\.py is in no part"):
        layers.upward(found)
