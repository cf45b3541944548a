"""When an approval may go on with a state that is no longer the one it was given for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.deploy import backend, operation
from bot.deploy.operation import Operation
from bot.deploy.protected import Action
from bot.deploy.tree import Tree
from tests.unit.delivery_samples import (
    COMMIT,
    STATE,
    approved,
    change,
    change_set,
    entries,
    entry,
    kept,
    target,
)
from tests.unit.fake_engine import BACKEND

_APPROVAL = approved(change_set(change()))
_WANTED = Operation(Tree(COMMIT, dirty=False), _APPROVAL)
_OWN = {backend.APPROVAL: _APPROVAL.id}


_BEFORE = entry(minute=0)
_TYPED = "fedcba9876543210"
_MARK = f"{_APPROVAL.id} {STATE} {entries(_BEFORE)[0].key}"


def test_killed_run_is_gone_on_with() -> None:
    """It leaves no entry: the tag, and a history that has not moved, are all there is."""
    assert operation.continues(_APPROVAL, _MARK, entries(_BEFORE))


def test_failed_run_is_gone_on_with() -> None:
    """It leaves an entry with its approval."""
    failed = entry(minute=5, result="failed", trailers=_OWN)
    assert operation.continues(_APPROVAL, _MARK, entries(failed, _BEFORE))


@pytest.mark.parametrize(
    ("mark", "since"),
    [
        pytest.param("", [], id="never begun"),
        pytest.param("garbage", [], id="not ours"),
        pytest.param(_MARK.replace(_APPROVAL.id, "0" * 16), [], id="another approval"),
        pytest.param(_MARK.replace(STATE, "sha256:0"), [], id="another state"),
        pytest.param(_MARK, [entry(minute=5)], id="another update since"),
        pytest.param(_MARK, [entry(minute=5, message="by hand")], id="by hand since"),
        pytest.param(
            _MARK,
            [entry(minute=9, trailers=_OWN), entry(minute=5)],
            id="another update between two of its own",
        ),
        pytest.param(
            _MARK,
            [entry(minute=5, operation=_TYPED, trailers=_OWN)],
            id="a message like ours, typed by hand",
        ),
        pytest.param(_MARK.rpartition(" ")[0] + " none", [], id="a history that was not there"),
        pytest.param(_MARK.rpartition(" ")[0] + " 1234", [], id="a history that is gone"),
    ],
)
def test_state_that_anybody_else_may_have_moved_is_stale(
    mark: str, since: list[dict[str, object]]
) -> None:
    """What was approved is then not what would be applied."""
    known = entries(*since, _BEFORE)
    tag = backend.fingerprint("0123456789abcdef")
    found = [replace(e, authentic=backend.fingerprint(e.noted.get("Operation", "")) == tag)
             for e in known]  # fmt: skip
    assert not operation.continues(_APPROVAL, mark, found)


def test_first_run_of_all_is_gone_on_with() -> None:
    """A stack's first deployment is the longest, and the likeliest to be cut short."""
    mark = f"{_APPROVAL.id} {STATE} none"
    assert operation.continues(_APPROVAL, mark, [])
    assert not operation.continues(_APPROVAL, mark, entries(_BEFORE))


def test_run_marks_the_stack_and_goes_on_with_its_own_mark(tmp_path: Path) -> None:
    """The second run of an approval must not mark the half-applied state as the approved one."""
    found, where = BACKEND, target(tmp_path, history=[_BEFORE])
    with operation.marked(found, where, _WANTED):
        assert kept(where)["tags"][operation.TAG] == _MARK
    failed = entry(minute=5, operation=_WANTED.id, trailers=_OWN)
    data = {"history": [failed, _BEFORE], "tags": kept(where)["tags"]}
    where = target(tmp_path, **data)
    with operation.marked(found, where, _WANTED):
        assert kept(where)["tags"][operation.TAG] == _MARK
    assert operation.goes_on(found, where, _APPROVAL)


def test_run_that_did_not_begin_leaves_the_mark_of_the_one_that_did(tmp_path: Path) -> None:
    """Two bots: the one that finds the lock taken must not look as if it had begun."""
    found, where = BACKEND, target(tmp_path, tags={operation.TAG: "theirs"})
    with operation.marked(found, where, _WANTED) as mark:
        mark.keep = False
    assert kept(where)["tags"][operation.TAG] == "theirs"
    where = target(tmp_path)
    with operation.marked(found, where, _WANTED) as mark:
        mark.keep = False
    assert kept(where)["tags"] == {}


def test_message_has_all_that_is_known_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what `bot history` and the waves read later."""
    monkeypatch.setenv("GITHUB_ACTOR", "grace")
    wanted = Operation(
        Tree(COMMIT, dirty=False), _APPROVAL, (Action.CRD,), skipped="hot fix", verify=False
    )
    found = dict(backend._TRAILER.findall(wanted.message("staging")))
    assert found == {
        "Operation": wanted.id,
        "By": "grace",
        "Commit": COMMIT,
        "Tree": "clean",
        "Approval": _APPROVAL.id,
        "Approved-by": "ada",
        "Approval-signed": "no",
        "Snapshot": _APPROVAL.snapshot.short,
        "Allowed": "crd",
        "Skipped-waves": "hot fix",
        "Verify": "no",
    }
    assert "Tree: dirty" in Operation(Tree(None, dirty=True)).message("staging")
