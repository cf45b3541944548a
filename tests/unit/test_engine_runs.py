"""The note of a run is there exactly while the engine runs, or for good where the bot is killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot import engine
from bot.engine import runs as engine_runs
from tests.unit import fake_engine

_LOOKS = """
runs = os.path.join(os.getcwd(), ".local", "engine", "runs")
deadline = time.monotonic() + 5
want = args[0] != "preview"
while want and time.monotonic() < deadline:
    if os.path.isdir(runs) and any(n.endswith(".json") for n in os.listdir(runs)):
        break
    time.sleep(0.01)
with open("seen", "w") as out:
    out.write("\\n".join(os.listdir(runs)) if os.path.isdir(runs) else "")
summary()
"""


@pytest.mark.parametrize(("operation", "noted"), [("up", True), ("preview", False)])
def test_engine_is_noted_while_it_runs(tmp_path: Path, operation: str, noted: bool) -> None:
    """A preview takes no lock, so its note could prove nothing."""
    found, where = fake_engine.engine(tmp_path, _LOOKS), fake_engine.target(tmp_path)
    assert engine.run(found, where, operation).ok
    assert ("trust-" in (tmp_path / "seen").read_text()) == noted
    assert engine_runs.recorded(tmp_path, "trust") == {}


def test_note_goes_when_the_run_is_interrupted(tmp_path: Path) -> None:
    """Only a kill leaves it behind."""

    def interrupted() -> None:
        with engine_runs.noted(tmp_path, "trust", "up", os.getpid()):
            assert len(engine_runs.recorded(tmp_path, "trust")) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert engine_runs.recorded(tmp_path, "trust") == {}


def test_note_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """A read-only checkout can deploy; its lock is then released by hand."""
    (tmp_path / ".local").write_text("in the way")
    with engine_runs.noted(tmp_path, "trust", "up", os.getpid()):
        assert engine_runs.recorded(tmp_path, "trust") == {}


def test_faulty_notes_are_passed_over(tmp_path: Path) -> None:
    """Half a note, or one of another version of this program."""
    with engine_runs.noted(tmp_path, "trust", "up", os.getpid()):
        (file,) = engine_runs.recorded(tmp_path, "trust")
        file.with_name("trust-1.json").write_text("{")
        file.with_name("trust-2.json").write_text('{"stack": "trust"}')
        assert list(engine_runs.recorded(tmp_path, "trust")) == [file]
