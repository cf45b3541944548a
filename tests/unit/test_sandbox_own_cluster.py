"""A cluster of the user's, or kind's: what is run for it, and what is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from bot.engine import sandbox_stack
from bot.engine.sandbox_stack import ContextError, OwnCluster
from sandbox import lifecycle, own_cluster, toolchain
from sandbox.settings import Ports, Settings

OWN = OwnCluster("mine", "/kubeconfig", "https://10.0.0.1:6443", "ca", "https://v:8200", None)
BOTH = {"VAULT_ADDR": "https://vault.example:8200", "VAULT_TOKEN": "for-the-test"}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a program on a PATH that has nothing else; what it was called with is in `calls`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> Path:
        calls = tmp_path / "calls"
        text = f'#!/bin/sh\necho "{name} $*" >>"{calls}"\n{script}\n'
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
        return calls

    return put


def _chosen(project: Path, own: OwnCluster) -> None:
    (project / ".sandbox").mkdir()
    (project / ".sandbox" / "context.json").write_text(json.dumps(asdict(own)))


@pytest.mark.parametrize(
    ("system", "docker", "expected"),
    [
        ("linux", "exit 0", False),
        ("darwin", "exit 0", True),
        ("darwin", "exit 1", False),
        ("darwin", None, False),
    ],
    ids=["linux", "macOS", "docker stopped", "no docker"],
)
def test_kind_is_used_by_itself_where_docker_is_and_the_servers_are_not_at_home(
    system: str,
    docker: str | None,
    expected: bool,
    programs: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On Linux the servers start in seconds; elsewhere most are not published at all."""
    monkeypatch.setattr(own_cluster.sys, "platform", system)
    if docker is not None:
        programs("docker", docker)
    assert own_cluster.by_itself() == expected


@pytest.mark.parametrize(
    ("context", "environment", "expected"),
    [
        ("", {}, toolchain.SERVERS),
        ("mine", {}, ("vault",)),
        ("mine", BOTH, ()),
        (own_cluster.CONTEXT, {}, ("kind", "vault")),
        (own_cluster.CONTEXT, BOTH, ("kind",)),
    ],
)
def test_no_more_programs_are_asked_for_than_are_used(
    context: str, environment: dict[str, str], expected: tuple[str, ...]
) -> None:
    """An API server takes a quarter of an hour to build: nobody needs one who has a cluster."""
    assert own_cluster.needed(context, environment) == expected


@pytest.mark.parametrize("alone", ["VAULT_ADDR", "VAULT_TOKEN"])
def test_half_a_vault_is_refused(alone: str, tmp_path: Path) -> None:
    """Neither is to say: bring one. One of the two is a mistake, found before anything starts."""
    with pytest.raises(ContextError, match=rf"{alone} is set alone: .* or neither"):
        own_cluster.check(tmp_path, "mine", {alone: "x"})


def test_another_cluster_beside_the_embedded_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have one folder: the state of the one would be taken for that of the other."""
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox" / "settings.json").write_text("{}")
    monkeypatch.setattr(sandbox_stack, "cluster_of", lambda *_: ("f", "s", "a"))
    with pytest.raises(ContextError, match="`make sandbox-down` first"):
        own_cluster.check(tmp_path, "mine", {})


def test_what_was_chosen_with_a_vault_keeps_it(tmp_path: Path) -> None:
    """The second run is in another shell: another Vault would be another trust anchor."""
    _chosen(tmp_path, OWN)
    (tmp_path / "kubeconfig").write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox_stack, "cluster_of", lambda *_: ("f", "s", "a"))
        assert own_cluster.use(tmp_path, "mine", {"VAULT_TOKEN": "x"}, print) == OWN


@pytest.mark.parametrize(
    "named", [{}, {"VAULT_ADDR": "https://192.0.2.7:18200", "VAULT_TOKEN": "x"}]
)
def test_without_a_vault_one_is_started_where_the_cluster_reaches_it(
    named: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address, exported as `make sandbox` says at its end, still means the same."""
    _chosen(tmp_path, OwnCluster(*list(asdict(OWN).values())[:4], "https://192.0.2.7:18200", "ca",
                                 own_vault=True))  # fmt: skip
    started: list[Settings] = []

    def up(settings: Settings, _say: object) -> Settings:
        started.append(settings)
        settings.pki_dir.mkdir(parents=True)
        (settings.pki_dir / "vault-ca.crt").write_text("the authority")
        return settings

    monkeypatch.setattr(lifecycle, "vault_up", up)
    monkeypatch.setattr(own_cluster, "vault_host", lambda _kind: "192.0.2.7")
    monkeypatch.setattr(sandbox_stack, "cluster_of", lambda *_: ("f", "https://s", "a"))
    own = own_cluster.use(tmp_path, "mine", named, print)
    assert [settings.vault_host for settings in started] == ["192.0.2.7"]
    assert (own.vault_addr, own.vault_ca_pem) == ("https://192.0.2.7:18200", "the authority")
    assert own.own_vault


@pytest.mark.parametrize(
    ("gateways", "expected"),
    [
        ("fc00:f853::1 127.0.0.3 ", "127.0.0.3"),
        ("192.0.2.99 ", "own"),
        (None, "own"),
    ],
    ids=["a gateway of this machine", "a gateway of a virtual machine", "no network"],
)
def test_vault_is_at_an_address_of_this_machine_that_nodes_reach(
    gateways: str | None,
    expected: str,
    programs: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Docker Desktop's gateway is inside its virtual machine: nothing here can listen on it."""
    programs("docker", f"echo '{gateways}'" if gateways else "exit 1")
    monkeypatch.setattr(own_cluster, "_own_addresses", lambda: ["127.0.0.9"])
    assert own_cluster.vault_host(kind=True) == expected.replace("own", "127.0.0.9")
    assert own_cluster.vault_host(kind=False) == "127.0.0.9"


def test_without_any_other_address_vault_is_on_loopback(
    programs: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without a network still has clusters that share its loopback."""
    programs("docker", "exit 1")
    monkeypatch.setattr(own_cluster, "_own_addresses", list)
    assert own_cluster.vault_host(kind=True) == "127.0.0.1"


@pytest.mark.parametrize("there", [True, False], ids=["there", "new"])
def test_kinds_cluster_is_made_once_with_nodes_for_a_highly_available_control_plane(
    there: bool, programs: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """`make sandbox` a second time must find it; three replicas want three nodes."""
    got = tmp_path / "config"
    calls = programs(
        "kind",
        "case $1 in version) echo 'kind v0.33.0' ;;"
        f" get) echo {own_cluster.NAME if there else ''} ;;"
        f' create) while read -r line; do echo "$line" >>"{got}"; done ;; esac',
    )
    toolchain._on_path.cache_clear()
    own_cluster.make_kind(lambda _text: None)
    toolchain._on_path.cache_clear()
    made = [line for line in calls.read_text().splitlines() if line.startswith("kind create")]
    assert made == (
        [] if there else ["kind create cluster --name linkerd-platform --wait 180s --config -"]
    )
    if not there:
        assert got.read_text().count("role: worker") == 3


def test_what_kind_says_is_one_line(programs: Callable[[str, str], Path]) -> None:
    """Docker out of disk, an old kernel: kind knows, and a traceback would hide it."""
    programs(
        "kind",
        "case $1 in version) echo 'kind v0.33.0' ;; *) echo 'no\n space' >&2; exit 1 ;; esac",
    )
    toolchain._on_path.cache_clear()
    with pytest.raises(ContextError, match=r"^kind: no space$"):
        own_cluster.make_kind(lambda _text: None)
    toolchain._on_path.cache_clear()


def test_the_address_of_a_vault_that_was_started_is_remembered(tmp_path: Path) -> None:
    """The next command is another process: on another address it would find nobody."""
    settings = Settings(tmp_path / ".sandbox", Ports()).on("192.0.2.7")
    settings.state_dir.mkdir()
    lifecycle.write_mark(settings)
    assert lifecycle.adopted(Settings(tmp_path / ".sandbox")) == settings
    assert settings.vault_addr == "https://192.0.2.7:18200"
    assert settings.kube_host.startswith("https://127.0.0.1:")
