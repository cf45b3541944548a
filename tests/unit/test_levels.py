"""The level of what people change: real edits of a stack file, through the real plan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.changes.causes import report
from bot.changes.impact import impact
from bot.changes.risk import assess
from bot.comments.render import render
from tests.unit import comment_samples
from tests.unit.level_samples import LEVELS, changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARTS_DIR", "/nowhere")
        yield tmp_path_factory.mktemp("levels")  # type: ignore[misc]


@pytest.mark.parametrize("name", LEVELS)
def test_an_edit_has_the_level_of_what_it_can_do(folder: Path, name: str) -> None:
    """A refresh interval that is HIGH, and a denial that is, too, teach people not to read."""
    edit, before, level = LEVELS[name]
    found = changes(folder, edit, before)
    assert found.changes
    assert found.doubts == ()
    told = [(finding.level.value, finding.rule, finding.subject) for finding in assess(found)]
    assert (level, name) == (report(found).level, name), told


@pytest.mark.parametrize("name", LEVELS)
def test_one_intention_is_read_at_a_glance(folder: Path, name: str) -> None:
    """Five lines that are always there, one for each cause, and all else behind a fold."""
    edit, before, _ = LEVELS[name]
    found = changes(folder, edit, before)
    means = assess(found)
    (body,) = render(found, means, impact(found, means), comment_samples.RUN)
    lines = comment_samples.visible(body)
    assert len(lines) <= 25, "\n".join(lines)
    told = [line for line in lines if re.match(r"- \*\*(LOW|MEDIUM|HIGH|CRITICAL)\*\* ", line)]
    rules = {finding.rule for finding in means}
    assert len(told) <= len(rules)


def test_a_patch_that_goes_is_labels_that_go(folder: Path) -> None:
    """`namespace deleted` sends somebody to save what nobody touches."""
    edit, before, _ = LEVELS["namespace-leaves"]
    found = changes(folder, edit, before)
    (body,) = render(found, assess(found), impact(found), comment_samples.RUN)
    assert "labels of namespace pay removed (the namespace stays)" in body
    assert "delete <code>NamespacePatch" not in body
    assert "namespaces: pay (delete)" not in body
