"""`bot up` from the command line to the engine: what is refused before it, and noted after it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot import engine
from bot.cli import dispatch
from bot.clients.target import Target
from bot.deploy import backend, operation, tree, verified
from bot.exit_codes import BAD_INPUT, DONE, FAILED, REFUSED
from bot.mesh.trust import fleet as trust_fleet
from tests.unit import delivery_samples as samples
from tests.unit.context import Context

_PLAN = {"anchor-sign": "update"}


@pytest.fixture
def where(tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch) -> Target:
    """Stack `trust` in a repository, with an engine of a test, and servers that are well."""
    made = samples.target(tmp_path, plan=_PLAN)
    samples.repository(tmp_path)
    monkeypatch.setenv("PULUMI_BACKEND_URL", made.environment["PULUMI_BACKEND_URL"])
    context.project(tmp_path)
    context.engine()
    context.vault(samples.Transit())
    context.mesh()
    return made


def _up(*options: str) -> int:
    return dispatch.main(["up", "--stack", "trust", *options])


def _change(where: Target, **data: Any) -> None:
    file = where.project_dir / "backend.json"
    file.write_text(json.dumps({**samples.kept(where), **data}))


def _calls(where: Target, name: str = "up") -> int:
    return sum(call[0] == name for call in samples.kept(where).get("calls", ()))


def _approve(where: Target, *options: str, plan: Mapping[str, str] = _PLAN) -> Path:
    """Preview and approve as the commands do."""
    from bot.deploy import preview

    result = preview.preview(engine.find(), where)
    assert {step.name for step in result.record.changes} == set(plan)
    changes = where.project_dir / "state" / "changes.json"
    changes.parent.mkdir(exist_ok=True)
    assert dispatch.main(["preview", "--stack", "trust", "--out", str(changes)]) == DONE
    file = where.project_dir / "state" / "approval.json"
    words = ["--stack", "trust", "--changes", str(changes), "--by", "ada", "--out", str(file)]
    assert dispatch.main(["approve", *words, *options]) == DONE
    return file


def test_update_is_verified_and_noted(where: Target, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way without an approval: previewed, applied, proven, in the history."""
    assert _up("--yes") == DONE
    told = capsys.readouterr().out
    assert told.index("verdict: ") < told.index("anchor") < told.index("1 check passed")
    commit = tree.read(where.project_dir).commit
    (entry,) = backend.history(engine.find(), where)
    assert (entry.commit, entry.clean) == (commit, True)
    (proven,) = verified.read(engine.find(), where)
    assert (proven.commit, proven.operation) == (commit, entry.trailers[backend.OPERATION])
    assert dispatch.main(["history", "--stack", "trust", "--json"]) == DONE
    (row,) = json.loads(capsys.readouterr().out)["operations"]
    assert (row["verified"], row["outcome"], row["seconds"]) == ("yes", "succeeded", 9)


def test_unhealthy_mesh_fails_the_update(
    where: Target, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """Applied is not well: the next wave must not follow."""
    context.mesh(well=False)
    assert _up("--yes") == FAILED
    assert "stack trust is not healthy: mesh" in capsys.readouterr().out
    assert verified.read(engine.find(), where) == ()


def test_update_without_verification_is_noted_as_such(where: Target) -> None:
    """It proves nothing to the next wave."""
    assert _up("--yes", "--no-verify") == DONE
    assert verified.read(engine.find(), where) == ()
    (entry,) = backend.history(engine.find(), where)
    assert entry.trailers[backend.VERIFY] == "no"


def test_dirty_tree_is_noted_and_proves_nothing(where: Target) -> None:
    """Nobody can tell later what was applied."""
    (where.project_dir / "extra.py").write_text("")
    assert _up("--yes") == DONE
    (entry,) = backend.history(engine.find(), where)
    assert not entry.clean
    assert verified.read(engine.find(), where) == ()


@pytest.mark.parametrize("op", ["delete", "replace"])
def test_protected_action_is_refused_without_its_flag(
    where: Target, op: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--yes` answers a question; it does not allow what nobody would have been asked about."""
    _change(where, plan={"anchor-sign": op})
    assert _up("--yes") == REFUSED
    assert "--allow anchor" in capsys.readouterr().err
    assert _up("--yes", "--allow", "crd") == REFUSED
    assert _calls(where) == 0
    assert _up("--yes", "--allow", "anchor") == DONE


def test_doubtful_preview_is_not_applied(where: Target, capsys: pytest.CaptureFixture[str]) -> None:
    """An operation that nobody knows may be any of the protected ones."""
    _change(where, plan={"anchor-sign": "teleport"})
    assert _up("--yes") == REFUSED
    assert "teleport" in capsys.readouterr().err
    assert _calls(where) == 0


def test_approved_changes_are_applied_once(
    where: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nobody is asked; a second run finds nothing left, and proves the mesh again."""
    file = _approve(where)
    assert _up("--approved", str(file)) == DONE
    (entry,) = backend.history(engine.find(), where)
    assert entry.trailers[backend.APPROVED_BY] == "ada"
    assert _up("--approved", str(file)) == DONE
    assert "verdict: no changes" in capsys.readouterr().out


def test_what_was_not_approved_is_refused(
    where: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each binding by itself: the state, the changes, a file, the commit."""
    file = _approve(where)

    def refused(told: str) -> None:
        assert _up("--approved", str(file)) == REFUSED
        assert told in capsys.readouterr().err

    before = samples.kept(where)
    _change(where, state={"resources": [{"urn": "x"}]})
    refused("version of the state: was ")
    _change(where, state={}, plan={**_PLAN, "more": "create"})
    refused("Policy more: was no change, is create")
    _change(where, plan={})
    refused("Policy anchor-sign: was update, is no change")
    _change(where, plan=before["plan"])
    charts = where.project_dir / "charts.yaml"
    text = charts.read_text()
    charts.write_text(f"{text}# moved\n")
    refused("file charts.yaml: was ")
    charts.write_text(text)
    module = where.project_dir / "__main__.py"
    module.write_text("")
    refused("tree: was clean, is dirty (__main__.py)")
    module.unlink()
    assert _calls(where) == 0
    assert _up("--approved", str(file)) == DONE


def test_other_commit_is_refused(where: Target, capsys: pytest.CaptureFixture[str]) -> None:
    """Even one that changes nothing for this stack: it was not the one looked at."""
    file = _approve(where)
    (where.project_dir / "notes.md").write_text("new")
    samples.repository(where.project_dir)
    assert _up("--approved", str(file)) == REFUSED
    assert "commit: was " in capsys.readouterr().err


def test_killed_run_is_gone_on_with_by_the_same_approval(
    where: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own part of the work is in the state by then; to approve again would need a person."""
    _change(where, plan={"anchor-sign": "update", "more": "create"})
    file = _approve(where, plan={"anchor-sign": "", "more": ""})
    _change(where, die=True)
    assert _up("--approved", str(file)) == FAILED
    assert samples.kept(where)["state"] != {}
    assert "stays valid for the rest" in capsys.readouterr().out
    _change(where, die=False, plan={"more": "create"})
    assert _up("--approved", str(file)) == DONE
    assert "resuming with approval" in capsys.readouterr().err


def test_killed_run_does_not_open_the_door_for_more(
    where: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was not approved in the first place is not approved by half of it being there."""
    file = _approve(where)
    _change(where, die=True)
    assert _up("--approved", str(file)) == FAILED
    _change(where, die=False, plan={"more": "create"})
    assert _up("--approved", str(file)) == REFUSED
    assert "Policy more: was no change, is create" in capsys.readouterr().err
    _change(where, plan=_PLAN, history=[samples.entry(minute=30)])
    assert _up("--approved", str(file)) == REFUSED
    assert "version of the state" in capsys.readouterr().err


def test_protected_action_can_be_part_of_the_approval(where: Target) -> None:
    """Then whoever applies it need not know of it; and without it nobody can approve it."""
    _change(where, plan={"anchor-sign": "delete"})
    with pytest.raises(AssertionError):
        _approve(where)
    file = _approve(where, "--allow", "anchor")
    assert _up("--approved", str(file)) == DONE


def test_state_that_moves_under_the_preview_is_refused(
    where: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the step there is a question, or another bot."""
    file = _approve(where)

    def meanwhile(_target: Target) -> list[str]:
        _change(where, state={"resources": [{"urn": "theirs"}]})
        return []

    monkeypatch.setattr(trust_fleet, "same_anchors", meanwhile)
    assert _up("--approved", str(file)) == REFUSED
    assert _calls(where) == 0


def test_run_that_finds_the_lock_taken_looks_again(
    where: Target, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """Backends that do not show their locks: each try previews anew, since the state has moved."""
    context.quick()
    _change(where, locked=2)
    assert _up("--yes", "--wait", "60") == DONE
    assert (_calls(where), _calls(where, "preview")) == (3, 3)
    _change(where, locked=1, plan=_PLAN)
    assert _up("--yes") == FAILED
    assert "locked by eve@elsewhere, process 7" in capsys.readouterr().out


def test_mark_of_a_run_that_found_the_lock_taken_is_taken_back(where: Target) -> None:
    """Else a later kill of the other run would look like one of this approval."""
    file = _approve(where)
    _change(where, locked=1)
    assert _up("--approved", str(file)) == FAILED
    assert operation.TAG not in samples.kept(where).get("tags", {})


def test_nobody_to_ask_is_bad_input(where: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the engine is run at all."""
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: SIM115, PTH123
    assert _up() == BAD_INPUT
    assert _calls(where, "preview") == 0


def test_answer_no_changes_nothing(
    where: Target, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict is read before the question."""
    context.terminal("n\n")
    assert _up() == DONE
    assert "verdict: " in capsys.readouterr().out
    assert _calls(where) == 0
    context.terminal("y\n")
    assert _up() == DONE
    assert _calls(where) == 1


def test_destroying_a_stack_needs_its_flag(
    where: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--yes` was typed by a script for every command."""
    assert dispatch.main(["destroy", "--stack", "trust", "--yes"]) == REFUSED
    assert "--allow stack" in capsys.readouterr().err
    assert _calls(where, "destroy") == 0
