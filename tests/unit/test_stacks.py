"""Names of stacks: those there are, and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import stacks
from bot.cli import dispatch
from bot.exit_codes import BadInputError


@pytest.mark.parametrize("name", ["a", "_a", "eu-west.1", "0", "A" * 100])
def test_names_that_the_engine_takes(name: str) -> None:
    assert stacks.checked(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "-x", "a b", "a\n", "\u0661", "A" * 101, "\udcff", "a\x1b[31m"]
)
def test_what_no_stack_can_be_called_is_one_short_line(name: str) -> None:
    """It may stand in a file's name, an option of the engine and a comment's marker."""
    for told in ("", "file.json"):
        with pytest.raises(
            BadInputError, match=f"^{told}.*stack '.*: a stack's name has"
        ) as caught:
            stacks.checked(name, told)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 250


def test_file_of_an_unknown_stack_names_the_nearest(tmp_path: Path) -> None:
    for name in ("staging", "production"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    with pytest.raises(BadInputError, match=r"did you mean 'staging'.*known: production, staging"):
        stacks.file_of("stagin", tmp_path)
    with pytest.raises(BadInputError, match="a stack's name has"):
        stacks.file_of("../staging", tmp_path)


@pytest.mark.parametrize("stack", ["\udcff", "../x", "a\nb"])
@pytest.mark.parametrize("command", [["preview", "--out", "x"], ["plan"], ["history"]])
def test_commands_refuse_such_a_name(
    stack: str,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dispatch.main([*command, "--stack", stack]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300", "-1", "soon", ""])
@pytest.mark.parametrize("option", ["--timeout", "--wait"])
def test_no_time_that_a_wait_cannot_have(option: str, seconds: str) -> None:
    """To `nan <= 0` the answer is no, and the clock of a wait overflows above some centuries."""
    with pytest.raises(SystemExit) as caught:
        dispatch.main(["up", "--stack", "trust", option, seconds])
    assert caught.value.code == 2


def test_a_time_out_of_nothing_is_none() -> None:
    with pytest.raises(SystemExit) as caught:
        dispatch.main(["preview", "--stack", "trust", "--timeout", "0"])
    assert caught.value.code == 2
