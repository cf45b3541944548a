"""A wave: everything is refused before the first stack begins, and nothing is done twice."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from bot.cli.dispatch import main
from bot.deploy import gate, tree, verified, waves
from bot.deploy.tree import Tree
from bot.deploy.verified import Proven
from bot.engine import target as engine_target
from bot.exit_codes import (
    BAD_INPUT,
    DONE,
    BadInputError,
    RefusedError,
)
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust import vault as trust_vault
from bot.mesh.trust.model import Kept
from stack import fleet
from tests.unit import delivery_samples as samples
from tests.unit import fake_engine
from tests.unit.bot_trust_samples import kept
from tests.unit.context import Context
from tests.unit.delivery_samples import keep
from tests.unit.waves_sample import options, project, two_waves

COMMIT = "a" * 40


@pytest.fixture
def ready(tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two waves, whose owner has published, at a clean commit, nothing applied."""
    folder = project(tmp_path, two_waves())
    context.engine()
    context.quick()
    monkeypatch.setattr(tree, "read", lambda _folder: Tree(COMMIT, dirty=False))
    monkeypatch.setattr(trust_vault, "read", lambda _t: (kept("anchor-2026"),))
    monkeypatch.setattr(waves, "command", lambda _a, stack, _f: ["sh", "-c", f"echo ran {stack}"])
    return folder


def proven(folder: Path, *stacks: str) -> None:
    """Let these stacks have the commit, applied and verified."""
    for stack in stacks:
        tags = {verified.TAG: verified.added("", Proven(COMMIT, "0123456789abcdef"))}
        keep(folder / f"backend-{stack}.json", history=[samples.entry()], tags=tags)


def test_every_stack_of_the_wave_runs_and_no_other(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wave after it waits for somebody to look."""
    assert waves.run(options("canary", yes=True), ready) == DONE
    out = capsys.readouterr().out
    assert "one" in out
    assert "europe" not in out
    (log,) = (ready / ".local" / "waves").glob("*-canary/one.log")
    assert log.read_text() == "ran one\n"


def test_a_stack_that_has_the_commit_verified_is_passed_over(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that the same command goes on where it was left."""
    proven(ready, "one", "europe")
    files = approvals(ready, "europe", "america")
    assert waves.run(options("production", approved_dir=files, json=True), ready) == DONE
    document = json.loads(capsys.readouterr().out)
    assert {s["stack"]: s["outcome"] for s in document["stacks"]} == {
        "europe": "skipped",
        "america": "applied",
    }
    assert document["stacks"][0]["reason"] == f"has commit {COMMIT[:12]}, applied and verified"


def test_with_changed_files_nothing_is_passed_over(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commit does not say what is here."""
    proven(ready, "one")
    monkeypatch.setattr(tree, "read", lambda _folder: Tree(COMMIT, dirty=True))
    assert waves.run(options("canary", yes=True), ready) == DONE
    assert "skipped" not in capsys.readouterr().out


def test_a_history_that_cannot_be_read_is_left_to_the_stack_s_own_run(
    ready: Path, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with the reason and the right exit code."""
    context.engine(fake_engine.engine(ready.parent, "sys.exit('error: no backend')"))
    assert waves.run(options("canary", yes=True), ready) == DONE
    assert "applied" in capsys.readouterr().out


def approvals(folder: Path, *stacks: str) -> Path:
    """A folder with a file per stack; what is in it is read by tests of its own."""
    made = folder / "approvals"
    made.mkdir()
    for stack in stacks:
        (made / f"{stack}.approval.json").write_text("{}")
    return made


@pytest.fixture(autouse=True)
def approvals_are_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waves.approval, "read", lambda file: file)
    monkeypatch.setattr(waves.approval, "refuse_unusable", lambda _record, _stack: None)
    monkeypatch.setattr(waves.signing, "refuse_unsigned", lambda _target, _record: None)


def test_a_wave_that_needs_approval_needs_one_for_each_stack(ready: Path) -> None:
    """`--yes` is no approval."""
    with pytest.raises(RefusedError, match="there is none for america: "):
        waves.run(options("production", yes=True, approved_dir=approvals(ready, "europe")), ready)
    assert not (ready / ".local").exists()


def test_nobody_is_asked_for_several_stacks(ready: Path) -> None:
    """Without a word the command would wait for an answer that cannot be given."""
    with pytest.raises(BadInputError, match="--wave canary does not ask for each stack"):
        waves.run(options("canary"), ready)


def test_the_waves_before_it_are_asked_for_once_and_first(ready: Path) -> None:
    """Production is no canary."""
    files = approvals(ready, "europe", "america")
    with pytest.raises(RefusedError, match="missing: one: no commit was ever applied to it"):
        waves.run(options("production", approved_dir=files), ready)
    assert not (ready / ".local").exists()
    skip = options("production", approved_dir=files, skip_waves=True, reason="canary is down")
    assert waves.run(skip, ready) == DONE


def test_an_unpublished_generation_is_refused_before_any_stack(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cluster would wait for it until its time is over, half way through."""
    monkeypatch.setattr(trust_vault, "read", lambda _target: (Kept("anchor-2026", None),))
    with pytest.raises(RefusedError, match="one trusts anchor-2026, which trust has not published"):
        waves.run(options("canary", yes=True), ready)


def test_a_contradiction_in_the_files_is_refused_before_any_stack(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after the first stack of the wave has been applied."""

    def contradiction(target: engine_target.Target) -> None:
        if target.stack == "america":
            raise BadInputError("america signs with another")

    monkeypatch.setattr(trust_fleet, "guard", contradiction)
    files = approvals(ready, "europe", "america")
    with pytest.raises(BadInputError, match="america signs with another"):
        waves.run(options("production", approved_dir=files), ready)


@pytest.mark.parametrize(
    ("name", "said"),
    [("kanary", "did you mean 'canary'"), ("staging", "known: canary, production")],
)
def test_an_unknown_wave_names_those_there_are(ready: Path, name: str, said: str) -> None:
    """The name of a stack is tried first by most."""
    with pytest.raises(BadInputError, match=said):
        waves.run(options(name, yes=True), ready)


def test_without_a_fleet_file_there_are_no_waves(ready: Path) -> None:
    """And the error says what to write."""
    (ready / fleet.FILE).unlink()
    with pytest.raises(BadInputError, match=r"no fleet\.yaml: list `owner` and `waves`"):
        waves.run(options("canary", yes=True), ready)


def test_options_go_to_each_stack_as_they_were_given() -> None:
    """A stack of a wave is applied as it would be on its own."""
    words = waves.command(
        options("canary", allow=["crd"], skip_waves=True, reason="x y", refresh=True), "one", None
    )
    assert words[1:] == [
        *("-m", "bot", "up", "--stack", "one", "--yes", "--allow", "crd", "--refresh"),
        *("--skip-waves", "--reason=x y", "--wait=0.0", "--timeout=1800.0"),
    ]
    approved = waves.command(options("canary", no_verify=True), "one", Path("/a/one.json"))
    assert "--yes" not in approved
    assert approved[6:9] == ["--approved", "/a/one.json", "--no-verify"]


@pytest.mark.parametrize(
    "words",
    [
        ["--stack", "staging", "--wave", "canary"],
        ["--stack", "staging", "--parallel", "2"],
        ["--stack", "staging", "--json"],
        ["--wave", "canary", "--approved", "x.json"],
        ["--wave", "canary", "--parallel", "0"],
        ["--wave", "no-such", "--yes"],
        [],
    ],
)
def test_options_that_do_not_go_together_are_bad_input(words: list[str]) -> None:
    """Nothing is guessed about what to deploy."""
    try:
        code = main(["up", *words])
    except SystemExit as ending:
        code = int(ending.code or 0)
    assert code == BAD_INPUT


def test_the_policy_of_a_wave_is_read_from_the_same_file(ready: Path) -> None:
    """The stack's own run asks again, and must come to the same."""
    found = gate.requirement_of("europe", ready)
    assert (found.wave, found.approval, found.before) == ("production", True, ("one",))
    parser = argparse.ArgumentParser()
    waves.add(parser)
    assert parser.parse_args([]).parallel is None
