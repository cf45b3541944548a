"""An error that nobody expected: one line, an exit code, and the traceback in a log."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli import crash
from bot.exit_codes import BotError, RefusedError
from bot.text import log_file
from schema.errors import InputError
from tests.programs import ran
from tests.unit.stack_files import REPO


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the logs, of a project of the test's own."""
    monkeypatch.setattr(log_file, "PROJECT_DIR", tmp_path)
    return tmp_path / ".local" / "log"


def ended(error: BaseException) -> int:
    def fail() -> int:
        raise error

    return crash.guarded("python -m bot plan", fail)


def _cut() -> UnicodeDecodeError:
    return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("charts.yaml:3: is wrong"), 2, "charts.yaml:3: is wrong"),
        (BotError("it failed"), 1, "it failed"),
        (RefusedError("not now"), 4, "not now"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", ".local/a.tgz"), 1,
         r"python -m bot plan: \.local/a\.tgz: No space left on device: free space on that disk"),
        (OSError(errno.EROFS, "Read-only file system", "a"), 2, "a: Read-only .*not read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 2, "a: Permission denied: give"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", ".local/x"), 2, "is a file: move"),
        (OSError(errno.EMFILE, "Too many open files", "a"), 1, "ulimit -n"),
        (ModuleNotFoundError("No module named 'x'", name="x"), 3, "package x is not installed"),
        (RecursionError("maximum recursion depth"), 2, "nested too deep.*; the traceback is in "),
        (MemoryError(), 1, "not enough memory.*; the traceback is in "),
        (_cut(), 2, "is not UTF-8.*; the traceback is in "),
        (KeyError("a\x1b[2Jb\nc"), 1, r"unexpected KeyError: .*please report it; the traceback"),
        (OSError("no number"), 1, "unexpected OSError: no number"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_each_kind_of_error_has_its_line_and_code(
    error: BaseException, code: int, said: str, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback tells an operator nothing, and hides the one line that would."""
    assert ended(error) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(said, line), line
    assert line.isprintable()
    assert ("the traceback is in" in line) == logs.is_dir()


def test_the_log_has_the_traceback_for_its_owner_alone_and_without_secrets(
    logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent to somebody who is to mend the program."""
    monkeypatch.chdir(logs.parents[1])
    password = "hunter" + "2" * 3
    assert ended(LookupError(f"postgres://bot:{password}@db/states")) == 1
    said = capsys.readouterr().err
    assert password not in said
    (log,) = logs.iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{3}Z-bot-plan\.log", log.name)
    assert f"; the traceback is in .local/log/{log.name}\n" in said
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in text
    assert "LookupError: postgres://[secret]@db/states" in text
    assert password not in text


@pytest.mark.parametrize("there", ["file", "link", "full"])
def test_a_log_that_cannot_lie_in_the_project_lies_elsewhere(
    there: str, logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    """`.local` may be a file, may lead out of the project, or be on a disk that is full."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(elsewhere))
    if there == "file":
        logs.parent.write_text("mine")
    elif there == "link":
        logs.parent.mkdir()
        logs.symlink_to(tmp_path_factory.mktemp("target"))
    else:
        monkeypatch.setattr(log_file, "FOLDER", Path("/proc/self/log"))
    assert ended(LookupError("x")) == 1
    (log,) = elsewhere.iterdir()
    assert str(log) in capsys.readouterr().err


def test_where_no_log_can_be_written_the_line_comes_all_the_same(
    logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason of the failure must not be hidden by another one."""
    logs.parent.write_text("a file")
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/proc/none")
    assert ended(LookupError("x")) == 1
    assert "unexpected LookupError: x" in capsys.readouterr().err


def test_logs_do_not_pile_up(logs: Path) -> None:
    """A job that fails each minute would fill the disk."""
    logs.mkdir(parents=True)
    for number in range(150):
        (logs / f"20260101T000000.{number:03}Z-bot.log").touch()
    (logs / "mine.txt").touch()
    assert log_file.write("bot", "text") is not None
    left = sorted(file.name for file in logs.iterdir())
    assert len(left) == 101
    assert "mine.txt" in left
    assert "20260101T000000.149Z-bot.log" in left


def test_a_long_reason_is_whole_in_the_log(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first lines go to the terminal; nothing is cut that is nowhere else."""
    assert ended(BotError("\n".join(f"line {number}" for number in range(200)))) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["line 0", "line 1"]
    assert len(lines) == 41
    (log,) = logs.iterdir()
    assert lines[-1] == f"and 160 more lines: all of them are in {log}"
    assert log.read_text().splitlines()[-1] == "line 199"


@pytest.mark.parametrize(
    ("module", "arguments", "redirect", "code", "said"),
    [
        ("bot", "plan --stack trust", "> /dev/full", 1, "No space left on device"),
        ("bot", "--help", "> /dev/full", 1, "No space left on device"),
        ("bot", "--help", ">&-", 1, "standard output is closed: name a file"),
        ("bot", "--help", "2>&-", 0, ""),
        ("bot", "--help", "<&-", 0, ""),
        ("bot", "--help", "| true", 0, ""),
        ("bot", "history --stack $'a\\x1b[2Jb'", "", 2, r"'a\\x1b\[2Jb'"),
        ("bot", "plan --stack trust --js$'\\u202e'on", "", 2, r"\\u202e"),
        ("sandbox", "--help", ">&-", 1, "standard output is closed"),
        ("bot.cli.fetch_charts", "", ">&-", 1, "standard output is closed"),
        ("bench", "--help", ">&-", 1, "standard output is closed"),
    ],
)
def test_a_stream_that_is_full_or_closed_is_one_line(
    module: str, arguments: str, redirect: str, code: int, said: str
) -> None:
    """`ENOSPC` at the end was a traceback, and a closed stream had no `write`."""
    script = f"{sys.executable} -m {module} {arguments} {redirect}; exit ${{PIPESTATUS[0]}}"
    done = ran(
        ["bash", "-c", script], cwd=REPO, timeout=120,
        env={**os.environ, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == (1 if said else 0), done.stderr
    assert re.search(said, done.stderr)


def test_a_terminal_without_utf8_gets_what_it_can_show() -> None:
    """A name of a namespace must not end a status with UnicodeEncodeError."""
    done = subprocess.run(
        [sys.executable, "-c",
         "from bot.cli import crash; crash.guarded('x', lambda: print('\\u2500 \\udc80') or 0)"],
        cwd=REPO, capture_output=True, timeout=60, env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"\\u2500 \\udc80\n")
