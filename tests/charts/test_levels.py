"""The level of edits that reach a chart's objects: the real charts, rendered by the real plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.changes.causes import report
from bot.changes.impact import impact
from bot.changes.risk import assess
from bot.comments.render import render
from stack.charts import ChartError, Charts
from tests.charts.helm import helm
from tests.charts.program import PROJECT
from tests.unit import comment_samples
from tests.unit.level_samples import CHART_LEVELS, changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    helm()
    try:
        Charts(PROJECT).link(Charts(PROJECT).chart("linkerd-control-plane"))
    except ChartError:
        pytest.skip("chart archive linkerd-control-plane is not in the cache: make charts")
    return tmp_path_factory.mktemp("levels")


@pytest.mark.parametrize("name", CHART_LEVELS)
def test_an_edit_has_the_level_of_what_its_objects_do(folder: Path, name: str) -> None:
    """Rows as in tests/unit/test_levels.py; what is CRITICAL each time is ignored."""
    edit, before, level = CHART_LEVELS[name]
    found = changes(folder, edit, before)
    told = [(finding.level.value, finding.rule, finding.subject) for finding in assess(found)]
    assert (level, name) == (report(found).level, name), told
    (body,) = render(found, assess(found), impact(found), comment_samples.RUN)
    lines = comment_samples.visible(body)
    assert len(lines) <= 25, "\n".join(lines)


def test_ha_switched_off_is_two_broken_policies_and_what_they_do_not_say(folder: Path) -> None:
    """It was nine lines of policy, nine of risk, and both again in full."""
    edit, before, _ = CHART_LEVELS["ha-off"]
    found = report(changes(folder, edit, before))
    assert {cause.rule: len(cause.subjects) for cause in found.policy} == {
        "ha-anti-affinity": 3,
        "ha-disruption-budget": 3,
    }
    assert not {"spread-goes", "budget-loosens", "policy-violated"} & {c.rule for c in found.risk}
    (restarts,) = (cause for cause in found.risk if cause.rule.startswith("control-plane-restarts"))
    assert len(restarts.subjects) == 3
