"""Where the sandbox lives and what it says when a port is taken."""

from __future__ import annotations

import os
import socket
from dataclasses import astuple

import pytest

from bot.exit_codes import BadInputError
from sandbox import lifecycle
from sandbox.processes import Supervisor
from sandbox.settings import HOST, Ports, PortTakenError, Settings, check_free, free_ports


@pytest.fixture
def listener():
    with socket.socket() as made:
        made.bind((HOST, 0))
        made.listen()
        yield made.getsockname()[1]


def test_the_default_sandbox_belongs_to_the_working_copy(tmp_path, monkeypatch):
    monkeypatch.delenv("SANDBOX_TTL", raising=False)
    settings = Settings.default(tmp_path)
    assert settings.state_dir == tmp_path / ".sandbox"
    assert settings.kube_host == "https://127.0.0.1:16443"
    assert settings.vault_addr == "https://127.0.0.1:18200"
    assert settings.ttl_seconds == 8 * 3600


def test_the_default_ports_are_all_different():
    assert len(set(astuple(Ports()))) == len(astuple(Ports()))


def test_ephemeral_sandboxes_share_no_port():
    """Tests run side by side, and beside a developer's own sandbox."""
    numbers = [*astuple(free_ports()), *astuple(Ports())]
    assert len(set(numbers)) == len(numbers)


def test_time_to_live_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SANDBOX_TTL", "90")
    assert Settings.default(tmp_path).ttl_seconds == 90


@pytest.mark.parametrize("text", ["8h", "0", "-5"])
def test_a_bad_time_to_live_is_refused_with_an_example(tmp_path, monkeypatch, text):
    monkeypatch.setenv("SANDBOX_TTL", text)
    with pytest.raises(BadInputError, match="number of seconds, such as"):
        Settings.default(tmp_path)


def test_a_taken_port_names_the_port_the_server_and_the_owner(listener):
    with pytest.raises(PortTakenError, match=rf"port {listener} \(vault\).*process {os.getpid()} "):
        check_free("vault", listener)


def test_a_free_port_passes():
    check_free("vault", free_ports().vault)


def test_up_does_not_take_its_own_server_for_a_stranger(tmp_path, listener):
    """A second `up` repairs a half-running sandbox: the running half holds its ports itself."""
    settings = Settings(tmp_path, Ports(**{**vars(free_ports()), "vault": listener}))
    supervisor = Supervisor(settings.run_dir, settings.log_dir)
    with pytest.raises(PortTakenError):
        lifecycle._check_ports(supervisor, settings)
    supervisor.start("vault", ["sleep", "60"])
    try:
        lifecycle._check_ports(supervisor, settings)
    finally:
        supervisor.stop_all()


def test_down_deletes_only_a_folder_that_the_sandbox_made(tmp_path):
    """A mistyped --state-dir must not cost anybody their files."""
    precious = tmp_path / "precious"
    precious.write_text("x")
    said = []
    lifecycle.down(Settings(tmp_path), said.append)
    assert precious.exists()
    assert said == ["no sandbox here"]
