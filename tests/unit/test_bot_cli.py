"""The dispatcher: each command by its name, and no other imported for it."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import pytest

from bot.cli import dispatch
from bot.exit_codes import BotError
from tests.programs import ran


@pytest.mark.parametrize("name", dispatch.COMMANDS)
def test_a_module_adds_the_command_it_is_listed_for(name: str) -> None:
    """A name that leads to another command's module would be called unknown by its own parser."""
    made = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(dispatch.COMMANDS[name].module).add(made)
    assert list(made.choices) == [name]


def test_a_named_command_imports_no_other() -> None:
    """All of them together cost each preview half a second."""
    code = (
        "import sys; from bot.cli import dispatch\n"
        "try: dispatch.main(['comment', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({each.module for each in dispatch.COMMANDS.values()} & set(sys.modules)))"
    )
    done = ran([sys.executable, "-c", code], check=True)
    assert done.stdout.splitlines()[-1] == "['bot.comments.command']"


def _loaded(*arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    code = (
        "import sys; from bot.cli import dispatch\n"
        f"try: dispatch.main({list(arguments)!r})\n"
        "except SystemExit: pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)"
    )
    done = ran([sys.executable, "-c", code], check=True)
    return set(done.stderr.split())


def test_the_help_loads_no_command() -> None:
    """All of them take a second, of a processor that has nothing else to do."""
    loaded = _loaded("--help")
    assert "bot.cli.dispatch" in loaded
    assert not loaded & {each.module for each in dispatch.COMMANDS.values()}
    assert not loaded & {"pulumi", "pydantic", "yaml"}


def test_a_comment_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """It is rendered for each stack of each pull request: the SDK alone took half of its time."""
    file = tmp_path / "changes.json"
    file.write_text(json.dumps({"stack": "production", "source": "preview"}))
    loaded = _loaded("comment", "--changes", str(file), "--out", str(tmp_path / "out"))
    assert (tmp_path / "out").is_dir()
    assert "bot.comments.render" in loaded
    unneeded = {"pulumi", "grpc", "yaml", "cryptography", "urllib.request", "bot.engine"}
    assert not loaded & unneeded


def test_the_command_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Its module is found by that; anything before it must not end in a traceback."""
    for before in ("--", "-x"):
        with pytest.raises(SystemExit) as ended:
            dispatch.main([before, "history", "--stack", "staging"])
        assert ended.value.code == 2
        assert "python -m bot --help" in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name, or with one that is none, all of them are offered."""
    with pytest.raises(SystemExit):
        dispatch.main(["--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in dispatch.COMMANDS)
    with pytest.raises(SystemExit) as ended:
        dispatch.main(["previw"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stauts", "'status'"),
        ("trust chek --stack a", "'check'"),
        ("rollout nxt", "'next'"),
        ("up --stack a --allow denny", "'deny'"),
        ("rollback --stack a --to b --allow namspace", "'namespace'"),
        ("up --stack a --allwo deny", "'--allow'"),
        ("up --stack a --alow=deny", "'--allow'"),
        ("trust status --stack a --jsn", "'--json'"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, which names the help of that very command."""
    with pytest.raises(SystemExit) as ended:
        dispatch.main(typed.split())
    assert ended.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert f"did you mean {meant}?; see python -m bot" in said


@pytest.mark.parametrize("typed", ["up --stack a --allow zzz", "up --stack a zzz"])
def test_where_nothing_comes_near_nothing_is_guessed(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        dispatch.main(typed.split())
    (said,) = capsys.readouterr().err.splitlines()
    assert "'zzz'" in said
    assert "did you mean" not in said


@pytest.mark.parametrize("action", ["anchor", "crd", "stack"])
def test_a_rollback_cannot_be_allowed_what_it_never_does(action: str) -> None:
    with pytest.raises(SystemExit) as ended:
        dispatch.main(["rollback", "--stack", "a", "--to", "b", "--allow", action])
    assert ended.value.code == 2


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer types that first; it names each command, a first step, and where to read on."""
    assert dispatch.main([]) == 2
    said = capsys.readouterr().err
    assert all(f"\n    {name} " in said for name in dispatch.COMMANDS)
    assert "python -m bot plan --all" in said
    assert "docs/README.md" in said


def test_an_error_is_told_without_what_is_secret_in_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine names its backend with the password in the address."""

    def fail(_: object) -> int:
        raise BotError("cannot open postgres://bot:hunter2@db/states")

    def add(subparsers: dispatch.Subparsers) -> None:
        subparsers.add_parser("plan").set_defaults(run=fail)

    monkeypatch.setattr(importlib.import_module(dispatch.COMMANDS["plan"].module), "add", add)
    assert dispatch.main(["plan"]) == 1
    said = capsys.readouterr().err
    assert said == "cannot open postgres://[secret]@db/states\n"
