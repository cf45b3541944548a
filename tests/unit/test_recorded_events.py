"""What the engine really says, recorded by tests/fixtures/record_events.py, as change sets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bot.changes import risk
from bot.changes.impact import impact
from bot.changes.model import Change, ChangeSet, Op
from bot.changes.rules import Level
from bot.clients.target import Target
from bot.engine import EngineResult
from bot.engine.as_changes import changes_of
from bot.engine.events import OperationRecord
from bot.engine.process import Ending
from stack.load import from_file
from tests.unit.stack_files import REPO

_EVENTS = REPO / "tests" / "fixtures" / "events"
_NAMES = ("create", "same", "restart", "replace", "failed", "protected")
_FAILED = ("failed", "protected")
_CONFIG = from_file(REPO / "Pulumi.staging.yaml")


def _set(name: str) -> ChangeSet:
    record = OperationRecord()
    for line in (_EVENTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        record.add(json.loads(line))
    code = int(name in _FAILED)
    target = Target("sandbox", Path("/nowhere"), _CONFIG, None, {})
    return changes_of(EngineResult("preview", target, record, Ending(code, "finished")))


def _one(changes: ChangeSet, place: str, kind: str) -> Change:
    return next(c for c in changes.changes if (c.place, c.kind) == (place, kind))


def _level(changes: ChangeSet) -> Level | None:
    return risk.verdict(risk.assess(changes))


def test_every_recording_is_there_and_small() -> None:
    """A recording that was forgotten would leave its tests with nothing to say."""
    assert sorted(file.stem for file in _EVENTS.glob("*")) == sorted(_NAMES)
    assert sum(file.stat().st_size for file in _EVENTS.glob("*")) < 320_000


@pytest.mark.parametrize("name", _NAMES)
def test_recording_has_nothing_of_a_machine(name: str) -> None:
    """It is public with the repository."""
    text = (_EVENTS / f"{name}.jsonl").read_text(encoding="utf-8")
    assert not re.search(r"PRIVATE KEY|BEGIN CERTIFICATE|\bhv[sb]\.|/(tmp|home|root|work)/", text)


@pytest.mark.parametrize("name", _NAMES)
def test_set_of_a_recording_survives_its_file(name: str) -> None:
    """Real values have forms that nobody thinks of."""
    made = _set(name)
    again = ChangeSet.model_validate_json(made.model_dump_json())
    assert again.model_dump_json() == made.model_dump_json()


@pytest.mark.parametrize("name", [name for name in _NAMES if name not in _FAILED])
def test_preview_that_went_well_leaves_no_doubt(name: str) -> None:
    """Counts of the engine and of the record agree, for every form of change."""
    assert _set(name).doubts == ()
    assert _set(name).errors == ()


def test_first_preview_of_a_cluster_is_low() -> None:
    """Nothing that is there changes, whatever is made."""
    made = _set("create")
    assert {change.op for change in made.changes} == {Op.CREATE}
    assert len(made.changes) > 60
    assert _level(made) is Level.LOW
    moves = {move.chart: (move.before, move.after) for move in made.moves}
    assert moves["cert-manager-crds"][0] is None
    assert not impact(made).restarts


def test_unchanged_stack_has_nothing_to_tell() -> None:
    """The preview after each `up`."""
    made = _set("same")
    assert (made.changes, made.moves, made.warnings) == ((), (), ())
    assert made.unchanged > 60
    assert _level(made) is None


def test_value_of_the_control_plane_restarts_it() -> None:
    """The log level is an argument of its containers; the default policy denies."""
    made = _set("restart")
    identity = _one(made, "linkerd/linkerd-identity", "Deployment")
    assert identity.op is Op.UPDATE
    assert all(field.path.startswith("spec.template") for field in identity.fields)
    assert any("debug" in str(field.after) for field in identity.fields)
    assert all(field.before != field.after for change in made.changes for field in change.fields)
    answers = impact(made)
    assert {text.partition(" ")[0] for text in answers.restarts} >= {
        "linkerd-identity", "linkerd-destination", "linkerd-proxy-injector",
    }  # fmt: skip
    rules = {finding.rule for finding in risk.assess(made)}
    assert {"control-plane-restarts", "default-policy-denies"} <= rules
    assert answers.denied


def test_what_is_made_anew_is_told_once() -> None:
    """Three operations of the engine, one change, with the field that makes it new."""
    made = _set("replace")
    config = next(
        c for c in made.changes if c.type.startswith("vault:kubernetes/authBackendConfig")
    )
    assert config.op is Op.REPLACE
    backend = next(field for field in config.fields if field.path == "backend")
    assert (backend.before, backend.after) == ("kubernetes/sandbox", "kubernetes/other")
    assert backend.replaces
    assert len({change.urn for change in made.changes}) == len(made.changes)


def test_extension_that_goes_is_told_as_a_chart() -> None:
    """Fifty deletions are one decision."""
    made = _set("replace")
    assert [(m.chart, m.before, m.after) for m in made.moves] == [("linkerd-viz", "2026.6.3", None)]
    rules = {finding.rule for finding in risk.assess(made)}
    assert {"chart-removed", "namespace-goes", "webhook-goes"} <= rules
    assert "linkerd-viz/tap (gone)" in impact(made).restarts


def test_program_that_fails_is_told_with_its_error() -> None:
    """What it had made known so far looks like a whole preview."""
    made = _set("failed")
    assert any("the program is broken" in error for error in made.errors)
    assert made.doubts
    assert _level(made) is Level.CRITICAL


def test_deletion_of_what_is_protected_is_told_with_its_resource() -> None:
    """The engine refuses it only in the preview's last moment."""
    made = _set("protected")
    assert any("protected" in error for error in made.errors)
    (change,) = made.changes
    assert (change.op, change.protected, change.after) == (Op.DELETE, True, None)
    assert _level(made) is Level.CRITICAL
