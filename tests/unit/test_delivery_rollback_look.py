"""`bot rollback --preview` and `--approve-by`: what it would do, and nothing applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.changes.model import Change, ChangeSet, Op
from bot.clients.target import Target
from bot.deploy import backend, preview, rollback, snapshot
from bot.deploy.approval import Approval
from bot.engine import Engine, EngineResult
from bot.engine.events import OperationRecord
from bot.engine.process import Ending
from bot.exit_codes import (
    DONE,
    RefusedError,
)
from tests.unit.context import Context
from tests.unit.delivery_samples import Transit
from tests.unit.rollback_sample import (
    Delivered,
    arguments,
    deliveries,
    git,
    prepared,
    template,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template(tmp_path_factory.mktemp("made"))


@pytest.fixture
def repo(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return prepared(made, tmp_path, monkeypatch)


@pytest.fixture
def delivered(monkeypatch: pytest.MonkeyPatch) -> Delivered:
    return deliveries(monkeypatch)


@pytest.fixture
def looked(repo: Path, context: Context, monkeypatch: pytest.MonkeyPatch) -> ChangeSet:
    """A preview that shows one update."""
    change = Change(
        urn="urn:pulumi:one::p::kubernetes:apps/v1:Deployment::d",
        type="kubernetes:apps/v1:Deployment",
        name="d",
        component="c",
        op=Op.UPDATE,
        before={"kind": "Deployment", "metadata": {"name": "d"}},
        after={"kind": "Deployment", "metadata": {"name": "d"}},
    )
    sha = git(repo, "rev-parse", "HEAD~1")
    changes = ChangeSet(stack="one", source="preview", changes=(change,), commit=sha)

    def run(_engine: Engine, target: Target, **_more: Any) -> EngineResult:
        return EngineResult(
            "preview", target, OperationRecord(result="succeeded"), Ending(0, "finished")
        )

    monkeypatch.setattr(preview, "preview", run)
    monkeypatch.setattr(preview, "judged", lambda _result: changes)
    context.vault(Transit())
    monkeypatch.setattr(backend, "state_version", lambda _engine, _target: "sha256:1")
    monkeypatch.setattr(snapshot, "archives", lambda _target: {})
    return changes


def test_a_look_applies_nothing_and_writes_what_it_saw(
    repo: Path, delivered: Delivered, looked: ChangeSet, tmp_path: Path
) -> None:
    """It can be rendered as any preview."""
    out = tmp_path / "changes.json"
    assert rollback.run(arguments(yes=False, preview=True, out=out), repo) == DONE
    written = ChangeSet.model_validate_json(out.read_text())
    assert written.changes == looked.changes
    assert (written.commit, bool(written.base), written.complete) == (looked.commit, True, True)
    assert not delivered


def test_an_approval_is_bound_to_the_older_commit_and_today_s_state(
    repo: Path, delivered: Delivered, looked: ChangeSet, tmp_path: Path
) -> None:
    """`--approved` compares it with what is there then."""
    out = tmp_path / "approval.json"
    assert rollback.run(arguments(yes=False, approve_by=" Jo  Do ", out=out), repo) == DONE
    record = Approval.model_validate_json(out.read_text())
    assert record.by == "Jo Do"
    assert record.snapshot.commit == git(repo, "rev-parse", "HEAD~1")
    assert record.snapshot.state == "sha256:1"
    assert [each.urn for each in record.changes] == [looked.changes[0].urn]
    assert not delivered
    assert rollback.run(arguments(yes=False, approved=out), repo) == DONE
    assert delivered[0][1].approval == record


def test_an_approval_for_another_stack_is_refused(
    repo: Path, delivered: Delivered, looked: ChangeSet, tmp_path: Path
) -> None:
    """Before anything is exported."""
    assert looked.changes
    out = tmp_path / "approval.json"
    rollback.run(arguments(yes=False, approve_by="jo", out=out), repo)
    document = {**json.loads(out.read_text()), "stack": "europe"}
    out.write_text(json.dumps(document))
    with pytest.raises(RefusedError, match="is for stack europe"):
        rollback.run(arguments(yes=False, approved=out), repo)
    assert not delivered


def test_a_look_at_what_may_not_be_done_says_so(
    repo: Path, looked: ChangeSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where the state has CRDs that no list of charts knows."""
    gone = looked.changes[0].model_copy(
        update={
            "op": Op.DELETE,
            "after": None,
            "before": {"kind": "CustomResourceDefinition", "metadata": {"name": "x"}},
        }
    )
    changes = looked.model_copy(update={"changes": (gone,)})
    monkeypatch.setattr(preview, "judged", lambda _result: changes)
    out = tmp_path / "changes.json"
    with pytest.raises(RefusedError, match="CustomResourceDefinition x: is deleted"):
        rollback.run(arguments(yes=False, preview=True, out=out), repo)
    assert not ChangeSet.model_validate_json(out.read_text()).complete
