"""The pins of an older revision: its own environment, made once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from bot.deploy import environment
from bot.exit_codes import BotError, MissingToolError


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would be run; the cache is a folder of the test's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ran: list[list[str]] = []

    def run(command: list[str]) -> None:
        ran.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(environment, "_run", run)
    return ran


def folders(tmp_path: Path, older: str, today: str) -> tuple[Path, Path]:
    made = []
    for name, pins in (("older", older), ("today", today)):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "requirements.txt").write_text(pins)
        made.append(folder)
    (made[1] / ".venv").mkdir()
    return made[0], made[1]


def test_the_same_pins_take_the_project_s_own(tmp_path: Path, commands: list[list[str]]) -> None:
    """Nothing is installed in an incident that is there already."""
    older, today = folders(tmp_path, "a==1\n", "a==1\n")
    environment.provide(older, today, pytest.fail)
    assert (older / ".venv").resolve() == (today / ".venv").resolve()
    assert commands == []


def test_other_pins_get_their_own_once_and_say_how_long(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    """Another version of a provider's SDK shows changes that are none."""
    older, today = folders(tmp_path, "a==1\n", "a==2\n")
    said: list[str] = []
    environment.provide(older, today, said.append)
    assert [command[1:3] for command in commands] == [["-m", "venv"], ["-m", "pip"]]
    assert commands[1][-1] == str(older / "requirements.txt")
    assert said[0].startswith("its pins differ from today's")
    assert said[1].startswith("made in 0 s")
    (older / ".venv").unlink()
    environment.provide(older, today, pytest.fail)
    assert len(commands) == 2


def test_a_lock_is_what_is_installed_and_compared_where_the_revision_has_one(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    """The same direct pins with another dependency below them are another environment."""
    older, today = folders(tmp_path, "a==1\n", "a==1\n")
    (older / "requirements.lock").write_text("a==1 --hash=sha256:1\nb==1 --hash=sha256:2\n")
    environment.provide(older, today, lambda _text: None)
    assert commands[-1][-4:] == [
        "--no-deps",
        "--require-hashes",
        "--requirement",
        str(older / "requirements.lock"),
    ]
    for same in (False, True):
        (older / ".venv").unlink()
        text = (older / "requirements.lock").read_text()
        (today / "requirements.lock").write_text(text if same else "a==1 --hash=sha256:1\n")
        environment.provide(older, today, lambda _text: None)
        assert ((older / ".venv").resolve() == (today / ".venv").resolve()) is same


def test_a_revision_without_a_lock_is_compared_by_its_direct_pins(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    """Revisions of before there was one can still be gone back to."""
    older, today = folders(tmp_path, "a==1\n", "a==1\n")
    (today / "requirements.lock").write_text("a==1 --hash=sha256:1\n")
    environment.provide(older, today, pytest.fail)
    assert commands == []
    other, _ = folders(tmp_path / "other", "a==2\n", "a==1\n")
    environment.provide(other, today, lambda _text: None)
    assert "--require-hashes" not in commands[-1]


def test_one_that_was_cut_short_is_made_anew(
    tmp_path: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the packages would fail in the middle of an update."""
    older, today = folders(tmp_path, "a==1\n", "a==2\n")
    whole = environment._run

    def fail(command: list[str]) -> None:
        whole(command)
        if "pip" in command:
            raise BotError("no network")

    monkeypatch.setattr(environment, "_run", fail)
    with pytest.raises(BotError, match="no network"):
        environment.provide(older, today, lambda _text: None)
    monkeypatch.setattr(environment, "_run", whole)
    environment.provide(older, today, lambda _text: None)
    assert len(commands) == 4


def test_two_at_a_time_make_it_once(tmp_path: Path, commands: list[list[str]]) -> None:
    """Two stacks are rolled back by two people."""
    older, _ = folders(tmp_path, "a==1\n", "a==2\n")
    pins = older / "requirements.txt"
    run = [
        threading.Thread(target=environment.cached, args=(b"a==1\n", pins, lambda _t: None))
        for _ in range(3)
    ]
    for thread in run:
        thread.start()
    for thread in run:
        thread.join()
    assert len(commands) == 2


def test_a_failure_is_told_in_one_line(tmp_path: Path) -> None:
    """With pip's own reason, which names the pin."""
    script = tmp_path / "pip"
    said = "".join(f"echo '{line}' >&2\n" for line in ("warning", "ERROR: no a==1", "more"))
    script.write_text(f"#!/bin/sh\n{said}exit 1\n")
    script.chmod(0o755)
    with pytest.raises(BotError, match=r"could not be created: ERROR: no a==1$"):
        environment._run([str(script)])
    with pytest.raises(BotError, match=r"could not be created: FileNotFoundError$"):
        environment._run([str(tmp_path / "no-such")])


def test_without_pins_or_environment_nothing_is_guessed(tmp_path: Path) -> None:
    """A program of unknown pins is not run."""
    older, today = folders(tmp_path, "a==1\n", "a==1\n")
    (today / ".venv").rmdir()
    with pytest.raises(MissingToolError, match="make venv"):
        environment.provide(older, today, pytest.fail)
    (older / "requirements.txt").unlink()
    with pytest.raises(BotError, match=r"requirements\.txt: No such file"):
        environment.provide(older, today, pytest.fail)
