"""From the engine's events to a change set: nothing is lost, nothing is told that is secret."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from bot.changes import risk
from bot.changes.model import Absent, Change, ChangeSet, FieldChange, Op
from bot.changes.rules import Level
from bot.clients.target import Target
from bot.engine import EngineResult
from bot.engine.as_changes import changes_of
from bot.engine.events import KINDS, OperationRecord
from bot.engine.process import UNREADABLE, Ended, Ending
from bot.text.hidden_values import UNKNOWN
from stack.load import from_file
from tests.unit.stack_files import REPO

_CHART_TYPE = "kubernetes:helm.sh/v4:Chart"
_LINKERD = "linkerd-platform:mesh:Linkerd"
_PARENT = f"urn:pulumi:s::p::{_LINKERD}::linkerd"
_CHART = f"urn:pulumi:s::p::{_LINKERD}${_CHART_TYPE}::linkerd-linkerd-control-plane"
_SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_CONFIG = from_file(REPO / "Pulumi.staging.yaml")


def _event(
    op: str,
    name: str,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    *,
    type_: str = "kubernetes:core/v1:ConfigMap",
    kind: str = "resourcePreEvent",
    parent: str = _PARENT,
    custom: bool = True,
    protect: bool = False,
    **more: Any,
) -> dict[str, Any]:
    chain = parent.split("::")[2]
    urn = (
        f"urn:pulumi:s::p::{chain}${type_}::{name}"
        if parent
        else f"urn:pulumi:s::p::{type_}::{name}"
    )
    state = {"parent": parent, "custom": custom, "protect": protect}
    sides = {
        side: None if inputs is None else {**state, "inputs": inputs, "outputs": more.get(side, {})}
        for side, inputs in (("old", old), ("new", new))
    }
    rest = {key: value for key, value in more.items() if key not in sides}
    return {kind: {"metadata": {"op": op, "urn": urn, "type": type_, **sides, **rest}}}


def _summary(result: str = "succeeded", **counts: int) -> dict[str, Any]:
    return {"summaryEvent": {"result": result, "durationSeconds": 3, "resourceChanges": counts}}


def _set(*events: dict[str, Any], code: int = 0, ended: Ended = "finished", killed: bool = False,
         outside: tuple[str, ...] = ()) -> ChangeSet:  # fmt: skip
    record = OperationRecord()
    for event in events:
        record.add(event)
    target = Target("staging", REPO, _CONFIG, None, {})
    return changes_of(
        EngineResult("preview", target, record, Ending(code, ended, killed), [*outside])
    )


def _one(*events: dict[str, Any]) -> Change:
    changes = _set(*events, _summary()).changes
    assert len(changes) == 1
    return changes[0]


def test_update_has_its_fields_with_both_sides() -> None:
    """A reviewer asks what it was and what it will be; the engine only names the path."""
    path = 'metadata.annotations["a.b/c"]'
    change = _one(
        _event(
            "update",
            "config",
            {"kind": "ConfigMap", "metadata": {"annotations": {"a.b/c": "1"}}, "data": {"x": "1"}},
            {"kind": "ConfigMap", "metadata": {"annotations": {"a.b/c": "2"}}, "data": {"y": None}},
            detailedDiff={
                path: {"diffKind": "update"},
                "data.x": {"diffKind": "delete"},
                "data.y": {"diffKind": "add-replace"},
            },
        )
    )
    assert (change.op, change.component) == (Op.UPDATE, "linkerd")
    assert change.fields == (
        FieldChange(path="data.x", before="1"),
        FieldChange(path="data.y", after=None, replaces=True),
        FieldChange(path=path, before="1", after="2"),
    )


def test_without_a_detailed_diff_the_inputs_are_compared() -> None:
    """Providers of the engine itself send none; a change without fields says nothing."""
    change = _one(_event("update", "c", {"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 3]}, keys=["b"]))
    assert change.fields == (FieldChange(path="b[1]", before=2, after=3, replaces=True),)


def test_drift_is_told_from_what_is_there() -> None:
    """With the same inputs on both sides the difference is in what the provider has read."""
    event = _event(
        "update", "c", {"spec": {"a": 1}}, {"spec": {"a": 1}},
        detailedDiff={"spec.a": {"diffKind": "update"}},
    )  # fmt: skip
    event["resourcePreEvent"]["metadata"]["old"]["outputs"] = {"spec": {"a": 7}}
    assert _one(event).fields == (FieldChange(path="spec.a", before=7, after=1),)


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["create-replacement", "replace", "delete-replaced"]))
)
def test_replacement_is_one_change(order: tuple[str, ...]) -> None:
    """It comes as three operations, in an order that depends on the resource."""
    sides = {"create-replacement": (None, {"a": 2}), "delete-replaced": ({"a": 1}, None)}
    events = [_event(op, "c", *sides.get(op, ({"a": 1}, {"a": 2}))) for op in order]
    change = _one(*events)
    assert (change.op, change.before, change.after) == (Op.REPLACE, {"a": 1}, {"a": 2})


def test_deletion_beside_a_creation_is_a_replacement() -> None:
    """What an interrupted run has left is deleted under the URN of what is created."""
    assert _one(_event("create", "c", None, {}), _event("delete", "c", {}, None)).op is Op.REPLACE


_OPS = [*KINDS, "teleport", ""]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(_OPS, _OPS)))
def test_every_pair_of_operations_is_known_or_critical(first: str, second: str) -> None:
    """No order of operations may hide one that changes something, or one that nobody knows."""
    found = _set(_event(first, "c", {}, {}), _event(second, "c", {}, {}), _summary())
    kinds = {KINDS.get(op) for op in (first, second)}
    if None in kinds:
        assert found.changes[0].op is Op.UNKNOWN
        assert found.doubts
        assert risk.verdict(risk.assess(found)) is Level.CRITICAL
    elif kinds == {"unchanged"}:
        assert (found.changes, found.unchanged) == ((), 1)
    else:
        assert len(found.changes) == 1
        op, changing = found.changes[0].op, kinds - {"unchanged"}
        assert changing != {"deleted"} or op is Op.DELETE
        assert "replaced" not in changing or op is Op.REPLACE
        assert "deleted" not in changing or len(changing) == 1 or op is Op.REPLACE


def test_secrets_are_masked_wherever_they_stand() -> None:
    """The file goes to a public comment: the engine's mask, Secrets, keys and tokens."""
    key = "-----BEGIN EC PRIVATE " + "KEY-----\nc2VjcmV0LW1hdGVyaWFs\n-----END EC PRIVATE KEY-----"
    token = "hvs." + "c2VjcmV0LW1hdGVyaWFs"
    old = {"kind": "Secret", "data": {"k": "c2VjcmV0LW1hdGVyaWFs"}, "note": key}
    new = {"kind": "Secret", "data": {"k": "c2VjcmV0LW1hdGVyaWFsMg=="}, "note": [token]}
    marked = {
        **_SECRET,
        "ciphertext": "c2VjcmV0LW1hdGVyaWFs",
        "plaintext": '"c2VjcmV0LW1hdGVyaWFs"',
    }
    found = _set(
        _event("update", "s", old, new, detailedDiff={"data.k": {"diffKind": "update"}}),
        _event("update", "t", {"a": marked}, {"a": marked, "note": key}),
        {"diagnosticEvent": {"severity": "error", "message": f"it said {token}"}},
        {"diagnosticEvent": {"severity": "warning", "message": f"it said {key}"}},
        {"policyEvent": {"policyName": "p", "message": f"it has {token}"}},
        outside=(f"error: {key}",),
    )
    text = found.model_dump_json()
    assert "c2VjcmV0" not in text
    assert text.count("[secret]") >= 8
    assert [field.path for field in found.changes[0].fields] == ["data.k"]


def test_unknown_values_are_told_as_such() -> None:
    """A sentinel of the engine looks like an identifier that somebody chose."""
    change = _one(_event("create", "c", None, {"a": [_UNKNOWN], "__defaults": []}))
    assert change.after == {"a": [UNKNOWN]}


def test_set_survives_its_file() -> None:
    """One job writes it and another reads it: null, absent and empty must stay apart."""
    found = _set(
        _event("update", "c", {"a": None}, {"a": {}, "b": ""}),
        _event("delete", "d", {"x": [1, 2.5, True]}, None, protect=True),
        _event("create", "e", None, {}),
        {"policyEvent": {"policyName": "p", "enforcementLevel": "advisory", "message": "m"}},
        _summary(),
    )
    again = ChangeSet.model_validate_json(found.model_dump_json())
    assert again.model_dump_json() == found.model_dump_json()
    assert again.changes[0].fields[1].before == Absent.ABSENT
    assert again.changes[1].protected


@pytest.mark.parametrize(
    ("found", "said"),
    [
        pytest.param(lambda: _set(), "no summary", id="no-summary"),
        pytest.param(lambda: _set(_summary("failed"), code=1), "failed", id="failed"),
        pytest.param(lambda: _set(_summary(), ended="interrupted"), "interrupted", id="ended"),
        pytest.param(lambda: _set(_summary(), ended="timed out"), "time-out", id="time-out"),
        pytest.param(lambda: _set(_summary(), killed=True), "killed", id="killed"),
        pytest.param(lambda: _set(_summary(), {UNREADABLE: {}}), "could not be read", id="line"),
        pytest.param(
            lambda: _set(_summary(), {"resourcePreEvent": {"metadata": None}}),
            "could not be read",
            id="event",
        ),
        pytest.param(lambda: _set(_summary(update=2)), "counts 2 changes", id="missed"),
        pytest.param(
            lambda: _set(
                _summary(),
                {"diagnosticEvent": {"severity": "warning", "message": "Preview is incomplete."}},
            ),
            "incomplete",
            id="incomplete",
        ),
    ],
)
def test_what_is_not_the_whole_truth_is_critical(found: Any, said: str) -> None:
    """A preview that ended half-way shows few changes, and looks like a safe one."""
    changes = found()
    assert any(said in doubt for doubt in changes.doubts), changes.doubts
    assert risk.verdict(risk.assess(changes)) is Level.CRITICAL


def test_whole_truth_has_no_doubt() -> None:
    """A doubt that is always there is read by nobody."""
    found = _set(_event("update", "c", {"a": 1}, {"a": 2}), _summary(update=1, same=4))
    assert (found.doubts, found.complete, found.seconds) == ((), True, 3.0)


def _chart(op: str, *objects: dict[str, Any]) -> ChangeSet:
    chart = _event(
        op, "linkerd-linkerd-control-plane", {}, {}, type_=_CHART_TYPE, custom=False
    )  # fmt: skip
    return _set(chart, *objects, _summary())


def _object(op: str, name: str, old: str | None, new: str | None) -> dict[str, Any]:
    sides = [
        None if version is None else
        {"kind": "ServiceAccount", "metadata": {"labels": {}, "annotations":
            {"linkerd.io/created-by": f"linkerd/helm edge-{version}"}}}
        for version in (old, new)
    ]  # fmt: skip
    return _event(op, f"linkerd-control-plane:linkerd/{name}", *sides, parent=_CHART)


def test_chart_that_stays_while_its_objects_go_was_not_looked_into() -> None:
    """https://github.com/pulumi/pulumi-kubernetes/issues/3699: everything looks deleted."""
    gone = [_object("delete", name, "26.6.3", None) for name in ("a", "b")]
    assert any("look deleted" in doubt for doubt in _chart("same", *gone).doubts)
    assert not _chart("delete", *gone).doubts


def test_chart_version_is_read_from_its_objects() -> None:
    """The engine keeps nothing of a chart's own; the version is on what it makes."""
    moves = _chart("same", _object("update", "a", "26.6.3", "26.6.4")).moves
    assert [(m.chart, m.before, m.after) for m in moves] == [
        ("linkerd-control-plane", "2026.6.3", "2026.6.4")
    ]
    assert not _chart("same", _object("update", "a", "26.6.3", "26.6.3")).moves
    assert _chart("create", _object("create", "a", None, "26.6.3")).moves[0].before is None
    assert _chart("delete", _object("delete", "a", "26.6.3", None)).moves[0].after is None


def test_two_thousand_resources_are_all_told() -> None:
    """A large fleet's preview; how long it may take is measured by `make bench`."""
    labels = {f"app.kubernetes.io/l{n}": "value" for n in range(20)}
    record = OperationRecord()
    for n in range(2000):
        old, new = ({"kind": "ConfigMap", "metadata": {"labels": labels}, "n": v} for v in (n, -n))
        diff = {"n": {"diffKind": "update"}}
        record.add(_event("update", f"c{n}", old, new, detailedDiff=diff))
    target = Target("staging", Path("/nowhere"), _CONFIG, None, {})
    changes = changes_of(EngineResult("preview", target, record, Ending(0, "finished")))
    assert [change.name for change in changes.changes] == [f"c{n}" for n in range(2000)]
