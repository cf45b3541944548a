"""Programs that nobody has reviewed: what they cannot read, waste, hide or print."""

from __future__ import annotations

import ctypes
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.changes.model import ChangeSet
from bot.cli import dispatch
from bot.exit_codes import INTERRUPTED
from bot.plan import base as plan_base
from bot.plan import base_apart
from bot.plan import base_process as plan_base_process
from bot.plan.base_process import RevisionTree, environment, run_all
from bot.plan.base_snapshot import RevisionPlans
from bot.text.lines import line
from tests.unit.plan_base_project import Project

_TOKENS = ("VAULT_TOKEN", "KUBECONFIG", "PULUMI_ACCESS_TOKEN", "AWS_SECRET_ACCESS_KEY")
_MORE = ("GITHUB_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "PYTHONPATH", "PYTHONSTARTUP")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """One stack, committed, and ready to be changed."""
    made = Project(tmp_path)
    (made.folder / "Pulumi.staging.yaml").unlink()
    made.commit()
    with made.used():
        yield made


def _evaluate(project: Project, tmp_path: Path) -> RevisionPlans:
    """The answer of one process; its reasons are those of its only stack."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return run_all([RevisionTree("head", project.folder, ("trust",))], scratch)[0]


def _reason(answer: RevisionPlans) -> str:
    (failure,) = answer.failures
    return failure.reason


def test_no_token_reaches_the_program(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull request may print what it finds."""
    for name in (*_TOKENS, *_MORE):
        monkeypatch.setenv(name, "hunter2")
    shown = "import os; raise RuntimeError(sorted(os.environ))"
    project.append("stack/program.py", shown)
    reason = _reason(_evaluate(project, tmp_path))
    assert reason.startswith("the evaluation failed: RuntimeError: ['CHARTS_DIR', 'HELM_")
    for name in (*_TOKENS, *_MORE):
        assert name not in reason
    assert "hunter2" not in str(environment(tmp_path))


def test_nothing_else_of_the_revision_is_run(project: Project, tmp_path: Path) -> None:
    """Its bot, its tests and what Python would load by itself lie beside the program."""
    mark = tmp_path / "ran"
    evil = f"open({str(mark)!r}, 'w')\n"
    for name in ("conftest.py", "sitecustomize.py", "usercustomize.py", "__main__.py", "setup.py"):
        (project.folder / name).write_text(evil)
    (project.folder / "bot/plan").mkdir(parents=True)
    for name in ("bot/__init__.py", "bot/plan/__init__.py", "bot/plan/base_child.py"):
        (project.folder / name).write_text(evil)
    answer = _evaluate(project, tmp_path)
    assert [snapshot.stack for snapshot in answer.snapshots] == ["trust"]
    assert not mark.exists()


def test_the_program_is_the_revisions_own(project: Project, tmp_path: Path) -> None:
    """With the working tree's `stack` both sides would always be equal."""
    project.append("components/__init__.py", "raise ImportError('of the revision')")
    assert "of the revision" in _reason(_evaluate(project, tmp_path))


def test_a_program_without_the_package_is_no_other_program(
    project: Project, tmp_path: Path
) -> None:
    (project.folder / "components").rename(project.folder / "parts")
    assert "No module named 'components'" in _reason(_evaluate(project, tmp_path))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import time; time.sleep(60)", "took longer than 2 s"),
        ("import os; os._exit(0)", "no readable answer"),
        ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL"),
        ("hold = bytearray(1 << 33)", "MemoryError"),
    ],
)
def test_a_program_that_does_not_answer_is_a_failure(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    if "sleep" in code:
        monkeypatch.setattr(plan_base_process, "TIMEOUT_SECONDS", 2.0)
    project.append("stack/program.py", code)
    assert reason in _reason(_evaluate(project, tmp_path))


def test_no_evaluation_outlives_its_time(project: Project, tmp_path: Path) -> None:
    """Also where whoever watches the time is killed: the kernel watches too."""
    limit = "resource.getrlimit(resource.RLIMIT_CPU)"
    project.append("stack/program.py", f"import resource\nraise RuntimeError({limit})")
    assert "(180, 180)" in _reason(_evaluate(project, tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_end_from_outside_leaves_no_process_and_no_folder(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """A job that is cancelled is told so by a signal; a stranger's program must not go on."""
    scratch, file = tmp_path / "scratch", tmp_path / "pid"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    note = f"open({str(file)!r}, 'a').write(f'{{os.getpid()}} ')"
    end = f"os.kill({os.getpid()}, {number.value})"
    project.append("stack/program.py", f"import os, time\n{note}\n{end}\ntime.sleep(60)")
    assert dispatch.main(["plan", "--stack", "trust", "--base", "HEAD"]) == INTERRUPTED
    assert not any(Path(f"/proc/{pid}").exists() for pid in file.read_text().split())
    assert not list(scratch.iterdir())


def test_no_process_that_leaves_its_session_is_left(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session is killed as a whole; `setsid` leads out of it."""
    file = tmp_path / "pids"
    code = (
        "import os, time\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        os.environ.clear()\n"
        "        if os.fork() == 0:\n"
        "            os.setsid()\n"
        f"        open({str(file)!r}, 'a').write(f'{{os.getpid()}} ')\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        f"while len(open({str(file)!r}, 'a+').name) and os.path.getsize({str(file)!r}) < 12:\n"
        "    time.sleep(0.01)\n"
    )
    monkeypatch.setattr(plan_base_process, "TIMEOUT_SECONDS", 20.0)
    project.append("stack/program.py", code)
    _evaluate(project, tmp_path)
    pids = file.read_text().split()
    assert len(pids) >= 3
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_what_we_were_started_with_is_not_for_the_program() -> None:
    """`/proc/<parent>/environ` is root's while it runs, and as it was before when it has ended."""
    dumpable = ctypes.CDLL(None).prctl
    before = dumpable(3, 0, 0, 0, 0)
    with base_apart.apart():
        assert dumpable(3, 0, 0, 0, 0) == 0
    assert dumpable(3, 0, 0, 0, 0) == before


def test_the_whole_reason_of_a_program_that_fails_is_in_a_log(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The comment has its last line, which tells nobody where it is wrong."""
    project.append("stack/program.py", "raise KeyError('of the program')")
    _evaluate(project, tmp_path)
    said = capsys.readouterr().err.strip()
    assert said.startswith("head: the output of its program is in ")
    log = Path(said.rpartition(" ")[2])
    assert "Traceback" in log.read_text()
    assert "KeyError: 'of the program'" in log.read_text()


def test_an_answer_about_other_stacks_is_none(project: Project, tmp_path: Path) -> None:
    """A program that writes the answer itself could leave out the stack that it breaks."""
    code = (
        "import json, os, pathlib, sys\n"
        "file = next(pathlib.Path(sys.path[0]).parent.glob('*.errors')).with_suffix('.json')\n"
        "file.write_text(json.dumps({'snapshots': []}))\n"
        "os._exit(0)"
    )
    project.append("stack/program.py", code)
    assert "no readable answer" in _reason(_evaluate(project, tmp_path))


def test_a_file_outside_of_the_project_is_not_read(project: Project, tmp_path: Path) -> None:
    """Its content would be in the plan, which anybody reads."""
    outside = tmp_path / "outside.crt"
    outside.write_text("hunter2")
    for path in (str(outside), "../outside.crt"):
        project.edit("trust", lambda config, path=path: config["vault"].update(caFile=path))
        answer = run_all([RevisionTree("head", project.folder, ("trust",))], _folder(tmp_path))[0]
        assert not answer.failures
        assert "hunter2" not in answer.model_dump_json()
        assert any("outside of the project" in w for w in answer.snapshots[0].warnings)


def _folder(tmp_path: Path) -> Path:
    made = tmp_path / f"scratch-{len(list(tmp_path.iterdir()))}"
    made.mkdir()
    return made


def test_a_base_that_cannot_be_evaluated_is_a_doubt(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The other side is still shown, and nothing is called safe."""
    project.append("stack/program.py", "raise RuntimeError('\\n::error::broken ##[group]x')")
    project.commit()
    project.append("stack/program.py", "")
    text = (project.folder / "stack/program.py").read_text().replace("raise Runtime", "# ")
    (project.folder / "stack/program.py").write_text(text)
    out = tmp_path / "out"
    code = dispatch.main(["plan", "--all", "--base", "HEAD", "--out", str(out)])
    shown = capsys.readouterr().out
    assert code == 0
    assert "risk: critical" in shown
    assert not [row for row in shown.splitlines() if row.lstrip().startswith("::")]
    assert "##[" not in shown
    changes = ChangeSet.model_validate_json((out / "trust.changes.json").read_text())
    assert changes.doubts[0].startswith("base cannot be evaluated: ")
    assert not changes.complete
    assert changes.errors == ()
    assert any(w.startswith("head has ") for w in changes.warnings)


def test_a_head_that_fails_is_told_and_written_and_fails(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    project.append("stack/program.py", "print('::warning::hello')\nraise RuntimeError('broken')")
    out = tmp_path / "out"
    assert dispatch.main(["plan", "--all", "--base", "HEAD", "--out", str(out)]) == 1
    captured = capsys.readouterr()
    assert "::warning" not in captured.out + captured.err
    changes = ChangeSet.model_validate_json((out / "trust.changes.json").read_text())
    assert changes.errors == ("the evaluation failed: RuntimeError: broken",)


def test_a_faulty_stack_file_is_bad_input_in_head_and_a_doubt_in_base(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What is at fault in the head is for its author; the base is there already."""
    project.edit("trust", lambda config: config["trust"].update(signings="x"))
    out = tmp_path / "out"
    assert dispatch.main(["plan", "--all", "--base", "HEAD", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Pulumi.trust.yaml:")
    assert "did you mean 'signing'?" in error
    assert (out / "trust.changes.json").is_file(), "whoever reads the comment is told too"
    project.commit()
    project.edit("trust", lambda config: config["trust"].pop("signings"))
    (changes,) = plan_base.compare("HEAD", None).sets
    assert "did you mean 'signing'?" in changes.doubts[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::set-output name=x::y", ": :set-output name=x::y"),
        ("   ::debug::x", "   : :debug::x"),
        ("a ##[command]b", "a # #[command]b"),
        ("urn:pulumi:s::p::t::n", "urn:pulumi:s::p::t::n"),
        ("    x\r::debug::y", "    x ::debug::y"),
        ("a\x1b[31mb\u202ec", "ab\\u{202e}c"),
        ("hvs.AAAAAAAAAAAAAAAA", "[secret]"),
    ],
)
def test_no_line_is_a_command_to_a_runner_or_a_terminal(text: str, expected: str) -> None:
    assert line(text) == expected
