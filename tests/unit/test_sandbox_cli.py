"""The command line: dispatch, and one line instead of a traceback."""

from __future__ import annotations

import pytest

from sandbox import cli, cluster_command, toolchain
from sandbox.processes import StartError
from sandbox.settings import Ports, PortTakenError
from sandbox.toolchain import ToolMissing


def test_stopping_the_cluster_does_not_import_the_rest_of_the_program(monkeypatch):
    """A working copy that cannot deploy must still be able to clean up."""
    monkeypatch.setitem(cli.COMMANDS, "run", "sandbox.no_such_module.at_all")
    monkeypatch.setattr(cluster_command, "run", lambda _parsed: 0)
    assert cli.main(["cluster", "down"]) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ToolMissing("etcd: not on PATH"), 3),
        (StartError("vault ended"), 1),
        (PortTakenError("port 16443"), 1),
        (ValueError("SANDBOX_TTL is 'x'"), 1),
    ],
)
def test_an_expected_failure_is_one_line_and_its_code(monkeypatch, capsys, error, code):
    def fail(_parsed):
        raise error

    monkeypatch.setattr(cluster_command, "run", fail)
    assert cli.main(["cluster", "up"]) == code
    said = capsys.readouterr().err
    assert said.startswith("sandbox: ")
    assert "Traceback" not in said


def test_an_unknown_action_is_an_argument_error():
    with pytest.raises(SystemExit) as stopped:
        cli.main(["cluster", "restart"])
    assert stopped.value.code == 2


def test_a_state_folder_of_its_own_keeps_the_fixed_ports(monkeypatch, tmp_path):
    seen = []

    def keep(parsed):
        seen.append(cluster_command.settings_of(parsed))
        return 0

    monkeypatch.setattr(cluster_command, "run", keep)
    cli.main(["cluster", "up", "--state-dir", str(tmp_path)])
    cli.main(["cluster", "up", "--state-dir", str(tmp_path), "--ephemeral"])
    assert seen[0].ports == Ports()
    assert seen[0].state_dir == seen[1].state_dir == tmp_path
    assert seen[1].ports != Ports()


def test_an_unknown_tool_is_named_with_the_known_ones(capsys):
    assert cli.main(["toolchain", "consul"]) == 1
    assert "no tool 'consul'; there are etcd," in capsys.readouterr().err


def test_the_toolchain_lists_every_program_and_where_it_is(monkeypatch, capsys, tmp_path):
    """What is not there is said to be absent, and nothing is downloaded or built for it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    toolchain._on_path.cache_clear()
    assert cli.main(["toolchain", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(toolchain.TOOLS)
    assert all(line.endswith(" absent") for line in lines)
    toolchain._on_path.cache_clear()


def test_locking_without_a_download_fails_and_says_what_to_run(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cli.main(["toolchain", "--lock"]) == 1
    assert "run `python -m sandbox toolchain` first" in capsys.readouterr().out


def test_a_mirror_that_is_no_address_is_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("SANDBOX_MIRROR", "mirror.example")
    monkeypatch.setenv("PATH", "/nowhere")
    toolchain._on_path.cache_clear()
    assert cli.main(["toolchain", "linkerd-controller"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("sandbox: SANDBOX_MIRROR is 'mirror.example': write https://")
    assert len(said.splitlines()) == 1
