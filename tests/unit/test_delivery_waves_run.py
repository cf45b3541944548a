"""Several stacks at once: bounded, none begun after a failure, an interrupt waited for."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.deploy import waves_run, waves_text
from bot.deploy.tree import Tree
from bot.deploy.waves_run import Job, State
from bot.exit_codes import (
    BAD_INPUT,
    DONE,
    FAILED,
    INTERRUPTED,
    REFUSED,
)
from tests.unit.context import Context

COMMIT = "a" * 40


@pytest.fixture(autouse=True)
def _quick(context: Context) -> None:
    context.quick()


def jobs(folder: Path, *scripts: str) -> list[Job]:
    """One job per shell script, called `a`, `b` and so on."""
    return [
        Job(name, ["sh", "-c", script], folder / f"{name}.log")
        for name, script in zip("abcdefgh", scripts, strict=False)
    ]


def run(made: Sequence[Job], folder: Path, parallel: int = 4) -> int:
    """The largest number of jobs that were seen to run at once."""
    seen = [0]

    def show(shown: Sequence[Job]) -> None:
        seen[0] = max(seen[0], sum(job.state == State.RUNNING for job in shown))

    waves_run.run(made, folder, parallel, show)
    return seen[0]


def states(made: Sequence[Job]) -> list[str]:
    return [job.state.value for job in made]


def test_no_more_run_at_once_than_is_asked_for(tmp_path: Path) -> None:
    """Each is an engine with its providers: forty at once would end the machine."""
    made = jobs(tmp_path, *["sleep 0.03"] * 5)
    assert run(made, tmp_path, 2) == 2
    assert states(made) == ["applied"] * 5


def test_they_run_at_the_same_time(tmp_path: Path) -> None:
    """One waits for what the other writes."""
    wait = "while [ ! -e there ]; do sleep 0.005; done"
    made = jobs(tmp_path, f"timeout 5 sh -c '{wait}'", "touch there")
    run(made, tmp_path, 2)
    assert states(made) == ["applied", "applied"]


def test_after_a_failure_none_begins_and_those_that_run_end(tmp_path: Path) -> None:
    """A fault that broke one cluster must not break the next; half an update helps nobody."""
    made = jobs(tmp_path, "exit 1", "sleep 0.05; echo through", "exit 0")
    run(made, tmp_path, 2)
    assert states(made) == ["failed", "applied", "not begun"]
    assert made[1].tail(1) == ["through"]
    assert not made[2].log.exists()


def test_an_interrupt_goes_to_each_that_runs_and_is_waited_for(tmp_path: Path) -> None:
    """The engine of each then writes down what it has made."""
    end = "trap 'sleep 0.05; echo written; exit 130' INT"
    wait = "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); sleep 0.005; done"
    script = f"{end}; touch up-$0; {wait}"
    made = jobs(tmp_path, script, script, "exit 0")
    for job in made:
        job.command = [*job.command, job.stack]

    def interrupt() -> None:
        while not ((tmp_path / "up-a").exists() and (tmp_path / "up-b").exists()):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    run(made, tmp_path, 2)
    thread.join()
    assert states(made) == ["interrupted", "interrupted", "not begun"]
    assert [job.tail(1) for job in made[:2]] == [["written"]] * 2
    assert waves_text.worst(made) == INTERRUPTED


def test_each_has_a_session_of_its_own_and_a_log_that_only_we_read(tmp_path: Path) -> None:
    """A Ctrl-C in the terminal must not reach an engine past its bot."""
    made = jobs(
        tmp_path, "cut -d' ' -f6 /proc/self/stat; echo to stderr >&2; read x || echo no input"
    )
    run(made, tmp_path)
    session, *rest = made[0].tail(3)
    assert int(session) != os.getsid(0)
    assert rest == ["to stderr", "no input"]
    assert made[0].log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((0, 0), DONE),
        ((0, REFUSED), REFUSED),
        ((REFUSED, FAILED), FAILED),
        ((BAD_INPUT, FAILED, REFUSED), FAILED),
        ((FAILED, INTERRUPTED), INTERRUPTED),
        ((-9,), FAILED),
        ((REFUSED, 77), REFUSED),
    ],
)
def test_the_exit_code_is_the_worst(tmp_path: Path, codes: Sequence[int], worst: int) -> None:
    """The caller reads one number for all of them."""
    made = [Job(str(code), [], tmp_path, code=code) for code in codes]
    assert waves_text.worst(made) == worst


def test_the_summary_names_outcome_commit_and_next_step_and_shows_why(tmp_path: Path) -> None:
    """The logs are on the machine of a CI job that may be gone."""
    made = jobs(tmp_path, "echo failed: no such host; exit 1", "exit 0", "exit 0")
    made[1].state, made[1].reason = State.SKIPPED, "has commit aaa, applied and verified"
    run(made, tmp_path, 1)
    told = waves_text.summary("canary", made, Tree(COMMIT, dirty=False))
    assert told[0].split() == ["stack", "outcome", "time", "commit", "next", "step"]
    assert told[1].split()[:2] == ["a", "failed"]
    assert told[2].split() == ["b", "skipped", "-", COMMIT[:12]]
    assert "run `python -m bot up --wave canary` to continue" in told[3]
    assert told[-1] == "  failed: no such host"
    document = waves_text.document("canary", made, Tree(COMMIT, dirty=False))
    assert json.loads(json.dumps(document))["code"] == FAILED
    assert [each["outcome"] for each in document["stacks"]] == ["failed", "skipped", "not begun"]
    assert [each["code"] for each in document["stacks"]] == [1, None, None]


def test_without_a_terminal_each_change_is_one_line(tmp_path: Path) -> None:
    """A CI log is read by people too."""
    out = io.StringIO()
    made = jobs(tmp_path, "sleep 0.03", "exit 1")
    waves_run.run(made, tmp_path, 2, waves_text.Board(out).show)
    lines = [" ".join(line.split()[:2]) for line in out.getvalue().splitlines()]
    assert sorted(lines) == ["a applied", "a running", "b failed", "b running"]
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_the_table_is_drawn_in_place(tmp_path: Path) -> None:
    """With the last line of each log, which is the engine's own progress."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    made = jobs(tmp_path, "exit 0", "echo 12 of 140 done")
    made[0].state = made[1].state = State.RUNNING
    made[1].log.write_text("starting\n12 of 140 done\n\n")
    board = waves_text.Board(out)
    board.show(made)
    made[0].state = made[1].state = State.APPLIED
    board.show(made)
    first, second = out.getvalue().split("\x1b[2F")
    assert "12 of 140 done" in first
    assert second.count("applied") == 2
