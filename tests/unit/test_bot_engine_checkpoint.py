"""A state file that a killed engine left half written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from bot.clients.target import Target
from bot.engine import EngineResult
from bot.engine import checkpoint as engine_checkpoint
from bot.engine.events import OperationRecord
from bot.engine.process import Ending
from stack.config import StackConfig

_STATE = {"version": 3, "checkpoint": {}}
_TORN = "failed to load checkpoint: EOF"


@pytest.fixture
def target(tmp_path: Path) -> Target:
    folder = tmp_path / "a backend/.pulumi/stacks/linkerd-platform"
    folder.mkdir(parents=True)
    (folder / "sandbox.json.bak").write_text(json.dumps(_STATE))
    environment = {"PULUMI_BACKEND_URL": (tmp_path / "a backend").as_uri()}
    return Target("sandbox", tmp_path, cast(StackConfig, None), None, environment)


def _state(target: Target) -> Path:
    folder = target.project_dir / "a backend/.pulumi/stacks/linkerd-platform"
    return folder / "sandbox.json"


def _result(target: Target, text: str = _TORN) -> EngineResult:
    return EngineResult(
        "up", target, OperationRecord(), Ending(255, "finished", killed=False), [text]
    )


@pytest.mark.parametrize("torn", ["", '{"version": 3, "che'])
def test_torn_state_is_replaced_by_the_one_before(target: Target, torn: str) -> None:
    """A kill while the engine writes must cost nothing: the older state knows what was begun."""
    _state(target).write_text(torn)
    assert engine_checkpoint.mend(target, _result(target))
    assert json.loads(_state(target).read_text()) == _STATE
    assert _state(target).with_name("sandbox.json.torn").read_text() == torn
    assert not engine_checkpoint.mend(target, _result(target))


@pytest.mark.parametrize("torn", ["", '{"user.content_ty'])
@pytest.mark.parametrize(
    "name",
    [
        "stacks/linkerd-platform/sandbox.json.attrs",
        "stacks/linkerd-platform/sandbox.json.bak.attrs",
        "history/linkerd-platform/sandbox/sandbox-1.history.json.attrs",
        "locks/organization/linkerd-platform/sandbox/a.json.attrs",
        "meta.yaml.attrs",
    ],
)
def test_torn_attributes_go_and_the_state_stays(target: Target, name: str, torn: str) -> None:
    """The state itself is renamed into its place; what lies beside it is not."""
    _state(target).write_text('{"version": 3, "checkpoint": {"newer": 1}}')
    whole = _state(target).with_name("sandbox.json.whole.attrs")
    whole.write_text("{}")
    other = _state(target).with_name("staging.json.attrs")
    other.write_text("")
    file = target.project_dir / "a backend/.pulumi" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(torn)
    assert engine_checkpoint.mend(target, _result(target))
    assert not file.exists()
    assert whole.exists()
    assert other.exists(), "another stack's run may be writing it"
    assert "newer" in _state(target).read_text()
    assert not engine_checkpoint.mend(target, _result(target))


def test_whole_state_is_never_replaced(target: Target) -> None:
    """An older state over a good one would forget resources."""
    _state(target).write_text('{"version": 3, "checkpoint": {"newer": 1}}')
    assert not engine_checkpoint.mend(target, _result(target))
    assert "newer" in _state(target).read_text()


def test_other_errors_and_backends_are_left_alone(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a file backend can be torn, and only these errors say so."""
    _state(target).write_text("")
    assert not engine_checkpoint.mend(target, _result(target, "Vault is sealed"))
    _state(target).with_name("sandbox.json.bak").write_text("also torn")
    assert not engine_checkpoint.mend(target, _result(target))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    elsewhere = Target("sandbox", target.project_dir, target.config, None, {})
    assert not engine_checkpoint.mend(elsewhere, _result(elsewhere))
