"""The change for the next wave: names, never selectors, and the same file but for one wave."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bot.exit_codes import BadInputError, RefusedError
from bot.mesh.rollout import select
from bot.mesh.rollout.step import choose, document, edit
from bot.mesh.rollout.text import WaveInFile, step_document, step_lines
from components.rollout.section import Wave
from tests.unit.rollout_samples import config, namespace, seen

CLUSTER = seen(
    namespace("shop", "on"),
    namespace("web-a", team="web"),
    namespace("web-b", team="web", tier="gold"),
    namespace("default"),
    namespace("kube-system", team="web"),
    namespace("linkerd-viz"),
    namespace("other"),
    namespace("monitoring"),
)
PLAN: tuple[dict[str, Any], ...] = (
    {"state": "on", "namespaces": ["shop"]},
    {"labels": {"team": "web"}, "soak": "24h", "owner": "web team", "date": "2026-12-09"},
    {"labels": {"tier": "gold"}},
    {"rest": True},
)


def found(index: int, **more: Any) -> list[str]:
    """What a wave of the plan finds."""
    made = config(*PLAN, **more)
    return select.found(made, CLUSTER, made.rollout.waves[index])


def test_labels_find_names_the_first_wave_takes_them_and_the_rest_is_what_is_left() -> None:
    """A namespace that two waves take would be refused when the file is read."""
    assert found(0) == []
    assert found(1) == ["web-a", "web-b"]
    assert found(2) == []
    assert found(3) == ["monitoring", "other"]


def test_what_must_never_be_meshed_is_not_found() -> None:
    """kube-system has the label too, and `rest` would be everything."""
    more = {
        ("rollout", "never"): ["other"],
        ("viz", "prometheusUrl"): "http://prometheus.monitoring:9090",
    }
    assert found(3, more=more) == []
    assert found(1, more=more) == ["web-a", "web-b"]


def test_a_prometheus_outside_the_cluster_has_no_namespace() -> None:
    """`example` is no namespace of ours because metrics.example.com ends so."""
    more = {("viz", "prometheusUrl"): "https://metrics.other.example.com"}
    assert found(3, more=more) == ["monitoring", "other"]


def test_next_is_the_first_wave_that_is_off_then_what_is_opt_in() -> None:
    """A wave may stay at opt-in for long while others follow."""
    made = config({"state": "opt-in", "namespaces": ["shop"]}, {"namespaces": ["other"]})
    assert (choose(made, CLUSTER, "next").wave.name, choose(made, CLUSTER, "next").state) == (
        "w1",
        "on",
    )
    made = config(
        {"state": "opt-in", "namespaces": ["shop"]}, {"state": "on", "namespaces": ["other"]}
    )
    assert choose(made, CLUSTER, "next").wave.name == "w0"


def test_back_is_the_last_wave_that_is_in() -> None:
    """What came last is the first suspect."""
    made = config(*PLAN)
    step = choose(made, CLUSTER, "back")
    assert (step.wave.name, step.state, step.forward, step.found) == ("w0", "off", False, ())
    step = choose(made, CLUSTER, "back", state="opt-in")
    assert (step.state, step.forward) == ("opt-in", False)


def test_the_edit_is_the_wave_with_its_names_and_all_that_it_had() -> None:
    """It is pasted over the old one: what it drops is gone."""
    step = choose(config(*PLAN), CLUSTER, "next")
    (wave,) = yaml.safe_load(edit(step))
    assert wave == {
        "name": "w1",
        "state": "on",
        "namespaces": ["web-a", "web-b"],
        "labels": {"team": "web"},
        "soak": "24h",
        "owner": "web team",
        "date": "2026-12-09",
    }


def test_the_edit_is_a_wave_that_the_stack_file_takes() -> None:
    """A bare `on` would be refused, and an opt-out must come through."""
    plan = {"name": "shop", "workloads": {"optOut": ["deploy/legacy"]}}
    step = choose(config({"namespaces": [plan, "web-a"]}), CLUSTER, "next")
    again = config({key: value for key, value in document(step).items() if key != "name"})
    (wave,) = again.rollout.waves
    assert isinstance(wave, Wave)
    assert wave.namespaces == step.wave.namespaces
    assert wave.state == "on"
    assert "state: 'on'" in edit(step)
    assert edit(step).startswith("      - name: w0\n")


@pytest.mark.parametrize("direction", ["next", "back"])
def test_what_is_to_be_typed_then_is_said(direction: Any) -> None:
    """The edit alone does not make it happen."""
    lines = step_lines(choose(config(*PLAN), CLUSTER, direction), WaveInFile("staging"))
    assert lines[0].startswith("# Pulumi.staging.yaml: in linkerd-platform:rollout, waves, item ")
    assert "#   python -m bot up --stack staging" in lines
    check = next(line for line in lines if "rollout check" in line)
    assert ("--back" in check) == (direction == "back")
    assert lines[-1].startswith("#   python -m bot rollout restart --stack staging --namespace ")


def test_a_plan_in_a_file_of_its_own_is_changed_there() -> None:
    """The stack file has no waves to paste it over; and other stacks have the plan from there."""
    step = choose(config(*PLAN), CLUSTER, "next")
    place = WaveInFile("staging", "rollout/all.yaml", ("production",))
    lines = step_lines(step, place)
    assert lines[0] == "# rollout/all.yaml: in waves, item 2 (w1) becomes"
    assert lines[1] == "  - name: w1"
    assert "rollout/all.yaml is the plan of production too" in "\n".join(lines)
    assert not any("Pulumi." in line for line in lines)
    document = step_document(step, place)
    assert (document["file"], document["key"]) == ("rollout/all.yaml", "waves[1]")
    assert document["sharedWith"] == ["production"]
    text = yaml.safe_dump({"waves": [{"name": "w0"}]}).splitlines()[0]
    pasted = yaml.safe_load("\n".join([text, *lines]))
    assert pasted["waves"][0]["namespaces"] == ["web-a", "web-b"]


def test_a_plan_that_one_stack_names_is_shared_with_none() -> None:
    """A warning that is always there is read by nobody."""
    lines = step_lines(choose(config(*PLAN), CLUSTER, "next"), WaveInFile("staging", "plan.yaml"))
    assert not any("too" in line.split() for line in lines)


def test_a_plan_at_its_end_has_no_next_and_one_at_its_start_no_back() -> None:
    """An empty answer would be taken for an edit of nothing."""
    with pytest.raises(RefusedError, match="every wave is on"):
        choose(config({"state": "on", "namespaces": ["shop"]}), CLUSTER, "next")
    with pytest.raises(RefusedError, match="no wave is in"):
        choose(config({"namespaces": ["shop"]}), CLUSTER, "back")
    with pytest.raises(RefusedError, match="wave w0 is on already, and finds nothing more"):
        choose(config(*PLAN), CLUSTER, "next", "w0")


def test_a_wave_that_is_on_finds_namespaces_that_are_new() -> None:
    """The rest grows with every team."""
    made = config({"state": "on", "namespaces": ["shop"], "rest": True})
    step = choose(made, CLUSTER, "next", "w0")
    assert step.found == ("monitoring", "other", "web-a", "web-b")


def test_an_unknown_wave_is_bad_input_with_the_nearest() -> None:
    """A typo must not move another wave."""
    with pytest.raises(BadInputError, match=r"'w9': .*did you mean 'w3'\?|'w9'.*known: w0"):
        choose(config(*PLAN), CLUSTER, "next", "w9")
    with pytest.raises(BadInputError, match="has no waves"):
        choose(config(), CLUSTER, "next")
