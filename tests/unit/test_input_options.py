"""Every option of every command that names a file, given what is no file of its kind."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot import stacks
from bot.cli import dispatch, fetch_charts
from bot.exit_codes import BAD_INPUT, DONE, FAILED, MISSING_TOOL, REFUSED
from sandbox import cli as sandbox_cli
from tests.unit import bot_project
from tests.unit.stack_files import REPO, certificate
from tests.unit.test_fuzz import limited

SECONDS = 30
# What stands for the other arguments that a command cannot do without.
OTHERS = {"--stack": "trust", "--by": "ada", "--to": "HEAD", "--generation": "a", "--revision": "x"}
FILE_WORDS = ("FILE", "DIR")


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


def _made(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _unreadable(folder: Path) -> Path:
    # Root reads what it may not; a file of another process's memory refuses it too.
    file = _made("unreadable", b"x")(folder)
    file.chmod(0)
    return file if os.geteuid() else Path("/proc/self/mem")


def _folder(folder: Path) -> Path:
    (folder / "folder").mkdir()
    return folder / "folder"


def _loop(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


FILES: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "missing",
    "missing-folder": lambda folder: folder / "none" / "missing",
    "folder": _folder,
    "fifo": _fifo,
    "zero": lambda _: Path("/dev/zero"),
    "full": lambda _: Path("/dev/full"),
    "empty": _made("empty", b""),
    "binary": _made("binary", bytes(range(256)) * 40),
    "nested": _made("nested", b"[" * 300_000),
    "mappings": _made("mappings", b'{"a":' * 100_000),
    "not-utf8": _made("not-utf8", b"config:\n  a: \xff\n"),
    "surrogate": _made("surrogate", b'{"stack": "\\ud800"}'),
    "list": _made("list", b"- a\n- b\n"),
    "unreadable": _unreadable,
    "loop": _loop,
    "long-name": lambda folder: folder / ("x" * 5000),
    "control": _made("a\x1b[2Jb\nc", b"x"),
}


def _parsers() -> Iterator[tuple[list[str], argparse.ArgumentParser]]:
    """Every command, and every command of a group, with its parser."""
    for name, command in dispatch.COMMANDS.items():
        made = argparse.ArgumentParser().add_subparsers()
        importlib.import_module(command.module).add(made)
        yield from _below([name], made.choices[name])


def _below(
    words: list[str], parser: argparse.ArgumentParser
) -> Iterator[tuple[list[str], argparse.ArgumentParser]]:
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for group in groups:
        for name, inner in group.choices.items():
            yield from _below([*words, name], inner)
    if not groups:
        yield words, parser


def _options() -> Iterator[tuple[str, list[str], str, bool]]:
    """Each option for a file: its command, the words before it, and whether it is written."""
    for words, parser in _parsers():
        for action in parser._actions:
            named = str(action.metavar or "")
            if not action.option_strings or not (action.type is Path or named in FILE_WORDS):
                continue
            option = action.option_strings[-1]
            needed = [
                word
                for other in parser._actions
                if other.required and other is not action and other.option_strings
                for word in (other.option_strings[-1], _value(other))
            ]
            yield f"{' '.join(words)} {option}", [*words, *needed], option, option == "--out"


def _value(action: argparse.Action) -> str:
    if action.type is Path or action.metavar in FILE_WORDS:
        return str(REPO / "fleet.yaml")
    if action.choices:
        return str(next(iter(action.choices)))
    return OTHERS.get(action.option_strings[-1], "x")


OPTIONS = {name: (words, option, out) for name, words, option, out in _options()}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a stack, whose engine would fail if it were run."""
    made = bot_project.use(tmp_path, monkeypatch, trust=bot_project.stack_file("trust"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    return made


def ended(run: Callable[[], int]) -> int:
    """The exit code, whichever way it comes."""
    try:
        with limited(SECONDS):
            return run()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else FAILED


def refused(code: int, said: str, *codes: int) -> None:
    """One or a few lines, an exit code of those, and nothing that a terminal obeys."""
    assert code in codes, said
    assert said.strip()
    lines = said.splitlines()
    assert "Traceback" not in said
    assert len(lines) <= 5, said
    assert all(line.isprintable() for line in lines), said


def test_there_are_options_for_files() -> None:
    """A walk that finds none proves nothing."""
    assert {"approve --changes", "comment --changes", "up --approved", "plan --out",
            "trust import --certificate", "trust import --key"} <= OPTIONS.keys()  # fmt: skip


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", [name for name, (_, _, out) in OPTIONS.items() if not out])
def test_an_option_that_reads_refuses_what_is_no_file_of_its_kind(
    name: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is a typing error somebody makes, or a file somebody else has put there."""
    words, option, _ = OPTIONS[name]
    file = FILES[kind](tmp_path)
    code = ended(lambda: dispatch.main([*words, option, str(file)]))
    # Without an engine or a clean tree some commands end before they read.
    refused(code, capsys.readouterr().err, BAD_INPUT, MISSING_TOOL, REFUSED)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("kind", ["folder", "fifo", "zero", "full", "missing-folder", "loop",
                                  "long-name"])  # fmt: skip
@pytest.mark.parametrize("name", [name for name, (_, _, out) in OPTIONS.items() if out])
def test_an_option_that_writes_leaves_what_is_no_file_as_it_is(
    name: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As root a rename over /dev/full would take the device away from everybody."""
    words, option, _ = OPTIONS[name]
    file = FILES[kind](tmp_path)
    before = file.lstat() if os.path.lexists(file) else None
    code = ended(lambda: dispatch.main([*words, option, str(file)]))
    assert code in (DONE, FAILED, BAD_INPUT, MISSING_TOOL, REFUSED)
    assert "Traceback" not in capsys.readouterr().err
    if before and kind in ("fifo", "zero", "full"):
        assert (file.lstat().st_ino, file.lstat().st_mode) == (before.st_ino, before.st_mode)


PROJECT_FILES = ("Pulumi.trust.yaml", "fleet.yaml", "charts.yaml")


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", PROJECT_FILES)
def test_a_file_of_the_project_may_be_anything(
    name: str, kind: str, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack file that is a pipe made every command wait for ever."""
    content = FILES[kind](tmp_path)
    file = project / name
    file.unlink(missing_ok=True)
    if kind != "long-name":
        file.symlink_to(content)
    code = ended(lambda: dispatch.main(["plan", "--stack", "trust"]))
    said = capsys.readouterr().err
    if name == "fleet.yaml" and code == DONE:
        return  # a plan of the owner alone does not need it
    if name == "charts.yaml":
        code_fetch = ended(lambda: fetch_charts.main([], project))
        refused(code_fetch, capsys.readouterr().err, BAD_INPUT)
    refused(code, said, BAD_INPUT)


@pytest.mark.parametrize("kind", FILES)
def test_a_kubeconfig_may_be_anything(
    kind: str, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named by an environment variable, which may be another tool's."""
    config = bot_project.stack_file("staging")
    cluster = config["config"]["linkerd-platform:cluster"]
    assert isinstance(cluster, dict)
    cluster["kubeconfig"] = str(FILES[kind](tmp_path))
    bot_project.project(project, staging=config)
    code = ended(lambda: dispatch.main(["drift", "--stack", "staging"]))
    refused(code, capsys.readouterr().err, FAILED, BAD_INPUT, MISSING_TOOL)


@pytest.mark.parametrize("kind", ["fifo", "zero", "missing", "folder", "loop"])
def test_an_authority_may_be_anything(
    kind: str, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = bot_project.stack_file("trust")
    vault = config["config"]["linkerd-platform:vault"]
    assert isinstance(vault, dict)
    vault.pop("caPem", None)
    vault["caFile"] = "ca.pem"
    (project / "ca.pem").symlink_to(FILES[kind](tmp_path))
    bot_project.project(project, trust=config)
    code = ended(lambda: dispatch.main(["plan", "--stack", "trust"]))
    if kind == "missing":
        assert code == DONE  # a placeholder stands for it, which the plan says
    else:
        refused(code, capsys.readouterr().err, BAD_INPUT)


@pytest.mark.parametrize("there", ["file", "fifo", "loop", "device"])
def test_a_local_folder_that_is_none_is_one_line(
    there: str, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Charts are linked there, locks and logs lie there."""
    make = {"file": "empty", "fifo": "fifo", "loop": "loop", "device": "zero"}[there]
    (project / ".local").symlink_to(FILES[make](tmp_path))
    bot_project.project(project, staging=bot_project.stack_file("staging"))
    code = ended(lambda: dispatch.main(["plan", "--stack", "staging"]))
    said = capsys.readouterr().err
    refused(code, said, BAD_INPUT)
    assert ".local must be a folder that can be written to" in said


def test_the_sandbox_refuses_what_is_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("empty", "fifo", "loop"):
        file = FILES[kind](tmp_path)
        code = ended(
            lambda file=file: sandbox_cli.main(["cluster", "down", "--state-dir", str(file)])
        )
        said = capsys.readouterr()
        assert code in (DONE, FAILED, BAD_INPUT, MISSING_TOOL)
        assert "Traceback" not in said.err


def test_the_certificate_of_the_tests_is_one() -> None:
    """The cases above fail for what they say, not for what they share."""
    assert "BEGIN CERTIFICATE" in certificate()
    assert stacks.PROJECT_DIR == REPO
