"""`python -m bot drift`: which stacks, side by side, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bot import engine, stacks
from bot.changes.model import ChangeSet
from bot.cli.dispatch import main
from bot.clients.target import Target
from bot.engine import Engine
from bot.engine import target as engine_target
from bot.mesh.drift import check, command
from bot.mesh.drift.report import StackDrift
from bot.mesh.trust import fleet as trust_fleet
from stack.fleet import read

ENGINE = Engine("pulumi", "v3")


def clean(stack: str, **more: Any) -> StackDrift:
    return StackDrift(stack=stack, tracked=ChangeSet(stack=stack, source="drift"), **more)


class Found:
    """In place of the search for the engine."""

    def engine(self) -> Engine:
        return ENGINE


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, StackDrift]:
    """What each stack's check gives; none says `clean`."""
    drifts: dict[str, StackDrift] = {}
    monkeypatch.setattr(engine, "FoundMeanwhile", Found)
    monkeypatch.setattr(
        check, "check", lambda _e, target, *_r: drifts.get(target.stack, clean(target.stack))
    )
    return drifts


def test_one_stack(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to tell is one line and exit code 0."""
    assert main(["drift", "--stack", "trust"]) == 0
    assert capsys.readouterr().out == "trust: no drift, 0 resources looked at in 0 s\n"


def test_all_are_the_stacks_of_the_fleet(capsys: pytest.CaptureFixture[str]) -> None:
    """The owner too: its Vault is where an anchor's policy would be widened."""
    assert main(["drift", "--all", "--json"]) == 0
    fleet = read(stacks.PROJECT_DIR)
    assert fleet is not None
    told = json.loads(capsys.readouterr().out)
    assert tuple(each["stack"] for each in told["stacks"]) == fleet.stacks
    assert fleet.owner in fleet.stacks


def test_one_that_is_away_does_not_stop_the_others(
    world: dict[str, StackDrift], capsys: pytest.CaptureFixture[str]
) -> None:
    """The report has a line for each, and the exit code of the worst."""
    world["staging"] = clean("staging", errors=("https://k does not answer",))
    assert main(["drift", "--all"]) == 1
    captured = capsys.readouterr()
    assert "staging: could not be determined" in captured.out
    assert "production: no drift" in captured.out
    assert "staging: undetermined\n" in captured.err


def test_drift_is_exit_code_5(world: dict[str, StackDrift], tmp_path: Path) -> None:
    """And a set of changes for each stack, whether it has any or not."""
    hooks = clean("staging", unlisted={})
    world["staging"] = hooks.model_copy(update={"tracked": _changed("staging")})
    out = tmp_path / "new" / "drift"
    assert main(["drift", "--all", "--out", str(out)]) == 5
    written = {each.name for each in out.iterdir()}
    assert {"drift.json", "staging.changes.json", "production.changes.json"} <= written
    made = ChangeSet.model_validate_json((out / "staging.changes.json").read_text())
    assert (made.source, len(made.changes)) == ("drift", 1)


def _changed(stack: str) -> ChangeSet:
    change = {"urn": "u", "type": "t", "name": "n", "component": "c", "op": "delete"}
    return ChangeSet.model_validate({"stack": stack, "source": "drift", "changes": [change]})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stack", "stagin"], "did you mean 'staging'"),
        ([], "one of the arguments --stack --all is required"),
        (["--stack", "trust", "--all"], "not allowed with"),
        (["--all", "--parallel", "0"], "'0': must be a whole number above 0"),
        (["--all", "--timeout", "0"], "must be a positive number of seconds"),
    ],
)
def test_bad_input_is_said_before_anything_is_looked_at(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2, in one line."""
    monkeypatch.setattr(command, "look", lambda *_args: pytest.fail("looked"))
    try:
        code = main(["drift", *arguments])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    captured = capsys.readouterr()
    assert code == 2
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_folder_of_no_use_is_said_before_anything_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes of reading clusters would be lost."""
    monkeypatch.setattr(command, "look", lambda *_args: pytest.fail("looked"))
    file = tmp_path / "file"
    file.touch()
    assert main(["drift", "--stack", "trust", "--out", str(file / "x")]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_project_without_a_fleet_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--all` of nothing would be a clean bill for nothing."""
    monkeypatch.setattr(trust_fleet.fleet, "read", lambda _folder: None)
    assert main(["drift", "--all"]) == 2
    assert "fleet.yaml" in capsys.readouterr().err


def targets(*names: str) -> list[Target]:
    known = engine_target.of("trust")
    return [Target(name, known.project_dir, known.config, None, {}) for name in names]


def test_stacks_are_looked_at_side_by_side_and_no_more_than_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each starts an engine with 300 MB."""
    running, most, lock = [0], [0], threading.Lock()

    def one(_engine: Engine, target: Target, *_rest: Any) -> StackDrift:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return clean(target.stack)

    monkeypatch.setattr(check, "check", one)
    names = ["c", "a", "b", "d"]
    found = command.look(ENGINE, targets(*names), 2, 10)
    assert [each.stack for each in found] == names, "in the order given"
    assert most[0] == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_them_all(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is cancelled must leave no engine behind, and begin no other."""
    begun: list[str] = []

    def one(_engine: Engine, target: Target, stop: threading.Event, *_rest: Any) -> StackDrift:
        begun.append(target.stack)
        if len(begun) == 1:
            time.sleep(0.05)  # until the command has begun to wait
            os.kill(os.getpid(), number)
        stopped.append(stop.wait(2))
        return clean(target.stack)

    stopped: list[bool] = []
    monkeypatch.setattr(check, "check", one)
    with pytest.raises(KeyboardInterrupt):
        command.look(ENGINE, targets("a", "b", "c"), 1, 10)
    assert (begun, stopped) == (["a"], [True])
