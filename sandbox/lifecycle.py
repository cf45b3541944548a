"""Bring a whole sandbox up and take it down."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

from sandbox import cluster, controllers, pki, toolchain, vault, watchdog
from sandbox.cluster import Endpoints
from sandbox.processes import StartError, Supervisor, python_path, signals_held
from sandbox.settings import Ports, Settings, check_free

PROCESSES = (
    *(watchdog.NAME, "etcd", "pod-network", "kube-apiserver", vault.NAME),
    *("kube-controller-manager", "kube-scheduler", "kwok"),
    *controllers.NAMES,
)
NODES_SECONDS = 60.0
# The state is thrown away, so nothing is lost by stopping without ceremony.
GRACE_SECONDS = 2.0
_MARK = "settings.json"


def up(settings: Settings, progress: Callable[[str], None] = print) -> Endpoints:
    """Start what does not run yet and return when three nodes are Ready and Vault is open.

    Safe to repeat; whatever fails or interrupts it, what it started is stopped again.
    Raises ToolMissing, PortTakenError or StartError.
    """
    with _only_one(settings.state_dir):
        settings = adopted(settings)
        if running(settings):
            progress("the sandbox is running")
            return cluster.endpoints(settings)
        tools = toolchain.ensure(progress=progress)
        supervisor = Supervisor(settings.run_dir, settings.log_dir)
        try:
            _start_all(supervisor, settings, tools, _with_seconds(progress))
        except BaseException:
            supervisor.stop_started(GRACE_SECONDS)
            raise
    return cluster.endpoints(settings)


def vault_up(settings: Settings, progress: Callable[[str], None] = print) -> Settings:
    """Start Vault alone, for a cluster of the user's, unless it runs; returns where it is.

    Raises ToolMissing, PortTakenError or StartError.
    """
    with _only_one(settings.state_dir):
        settings = adopted(settings)
        supervisor = Supervisor(settings.run_dir, settings.log_dir)
        if supervisor.running(vault.NAME) and vault.is_open(settings):
            return settings
        tools = toolchain.ensure([vault.NAME], progress)
        try:
            check_free(vault.NAME, settings.ports.vault, settings.vault_host)
            check_free(vault.NAME, settings.ports.vault_cluster)
            _begin(supervisor, settings)
            vault.start(supervisor, settings, tools)
            vault.open_up(supervisor, settings)
        except BaseException:
            supervisor.stop_started(GRACE_SECONDS)
            raise
    progress(f"vault is open at {settings.vault_addr}")
    return settings


def down(settings: Settings, progress: Callable[[str], None] = print) -> None:
    """Stop every process of the sandbox and delete its state; nothing happens without one."""
    if not (settings.state_dir / _MARK).exists():
        progress("no sandbox here")
        return
    with _only_one(settings.state_dir), signals_held():
        say = _with_seconds(progress)
        Supervisor(settings.run_dir, settings.log_dir).stop_all(GRACE_SECONDS)
        settings.pod_network_socket.unlink(missing_ok=True)
        shutil.rmtree(settings.state_dir)
        say("stopped, state deleted")


def running(settings: Settings) -> bool:
    """Tell whether all of it runs and serves."""
    supervisor = Supervisor(settings.run_dir, settings.log_dir)
    return (
        all(supervisor.running(name) for name in PROCESSES)
        and cluster.ready(settings)
        and vault.is_open(settings)
    )


def status(settings: Settings) -> dict[str, str]:
    """Return the state of each process, and of the servers, in words."""
    settings = adopted(settings)
    supervisor = Supervisor(settings.run_dir, settings.log_dir)
    found: dict[str, str] = {}
    for name in PROCESSES:
        record = supervisor.record(name)
        alive = record is not None and record.running()
        found[name] = f"running, process {record.pid}" if record and alive else "stopped"
    if supervisor.running("kube-apiserver"):
        found["kube-apiserver"] += ", ready" if cluster.ready(settings) else ", not ready"
    if supervisor.running(vault.NAME):
        found[vault.NAME] += ", open" if vault.is_open(settings) else ", sealed"
    return found


def adopted(settings: Settings) -> Settings:
    """Return `settings` with the ports of the sandbox that exists in their folder, if one does."""
    mark = settings.state_dir / _MARK
    if not mark.exists():
        return settings
    known = json.loads(mark.read_text())
    settings = settings.with_ports(Ports(**known["ports"]))
    return settings.on(known.get("vault_host", settings.vault_host))


def _start_all(
    supervisor: Supervisor,
    settings: Settings,
    tools: dict[str, Path],
    say: Callable[[str], None],
) -> None:
    _check_ports(supervisor, settings)
    _begin(supervisor, settings)
    cluster.write_kubeconfigs(settings)
    cluster.start_etcd(supervisor, settings, tools)
    cluster.start_pod_network(supervisor, settings)
    cluster.start_api_server(supervisor, settings, tools)
    vault.start(supervisor, settings, tools)
    say("etcd, kube-apiserver and vault are starting")
    vault.open_up(supervisor, settings)
    say("vault is open")
    cluster.wait_api_server(supervisor, settings)
    say("kube-apiserver is ready")
    cluster.create_nodes(settings)
    cluster.start_controllers(supervisor, settings, tools)
    for name in controllers.NAMES:
        controllers.start_with(supervisor, settings, name, tools)
    supervisor.wait_ready("kwok", lambda: cluster.nodes_ready(settings), NODES_SECONDS)
    supervisor.wait_ready(
        "kube-controller-manager", lambda: cluster.default_account_exists(settings), NODES_SECONDS
    )
    dead = [name for name in PROCESSES if not supervisor.running(name)]
    if dead:
        raise StartError(f"{dead[0]} ended while it was starting\n{supervisor.log_tail(dead[0])}")
    say("three nodes are Ready, operators wait for their CRDs")


def write_mark(settings: Settings) -> None:
    """Note where the servers of a state folder are, for `adopted`."""
    mark = {
        "ports": asdict(settings.ports),
        "ttl_seconds": settings.ttl_seconds,
        "vault_host": settings.vault_host,
    }
    (settings.state_dir / _MARK).write_text(json.dumps(mark))


def _begin(supervisor: Supervisor, settings: Settings) -> None:
    write_mark(settings)
    pki.create(settings.pki_dir, settings.vault_host)
    # First of all, so that there is no moment at which an abandoned server would stay for good.
    life = [sys.executable, "-m", "sandbox.watchdog", str(settings.state_dir)]
    life.append(str(settings.ttl_seconds))
    supervisor.start(watchdog.NAME, life, env=python_path())


def _check_ports(supervisor: Supervisor, settings: Settings) -> None:
    owners = {
        "etcd_client": "etcd",
        "etcd_peer": "etcd",
        "kube": "kube-apiserver",
        "vault_cluster": vault.NAME,
        "controller_manager": "kube-controller-manager",
        "scheduler": "kube-scheduler",
        "cert_manager": "cert-manager",
        "trust_manager": "trust-manager",
        "external_secrets": "external-secrets",
    }
    for field in fields(Ports):
        name = owners.get(field.name, field.name)
        if not supervisor.running(name):
            check_free(name, getattr(settings.ports, field.name))


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Let one `up` or `down` at a time work on a state folder, which it makes if absent."""
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not _same(folder, handle):
                continue  # A `down` deleted it while this one waited.
            yield
            return
        finally:
            os.close(handle)


def _same(folder: Path, handle: int) -> bool:
    try:
        return folder.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


def _with_seconds(progress: Callable[[str], None]) -> Callable[[str], None]:
    started = time.monotonic()
    return lambda text: progress(f"[{time.monotonic() - started:5.1f} s] {text}")
