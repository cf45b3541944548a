"""Where a sandbox keeps its state and which loopback ports it uses."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path

from bot.exit_codes import BadInputError

HOST = "127.0.0.1"
DEFAULT_TTL_SECONDS = 8 * 3600
_SOCKET_PATH_BYTES = 100  # The least that systems allow is 103 (unix(7), unix(4)).


class PortTakenError(Exception):
    """A port that the sandbox needs belongs to another process; the text names both."""


@dataclass(frozen=True)
class Ports:
    """One loopback port per server; the defaults are those of `make sandbox`."""

    kube: int = 16443
    etcd_client: int = 12379
    etcd_peer: int = 12380
    vault: int = 18200
    vault_cluster: int = 18201
    controller_manager: int = 18257
    scheduler: int = 18259
    cert_manager: int = 18402
    cainjector: int = 18403
    trust_manager: int = 18404
    external_secrets: int = 18405


@dataclass(frozen=True)
class Settings:
    """State folder, ports and lifetime of one sandbox.

    state_dir: folder that the sandbox owns; `down` deletes it.
    ttl_seconds: the watchdog stops everything after this long (default 8 h, or SANDBOX_TTL).
    vault_host: address that Vault listens on; loopback, unless a cluster of the user's needs it.
    """

    state_dir: Path
    ports: Ports = Ports()
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    vault_host: str = HOST

    @classmethod
    def default(cls, project_dir: Path) -> Settings:
        """Return the one sandbox of a working copy: `<project>/.sandbox` and fixed ports."""
        return cls(state_dir=project_dir.resolve() / ".sandbox", ttl_seconds=_ttl_from_env())

    @classmethod
    def ephemeral(cls, state_dir: Path) -> Settings:
        """Return a sandbox on free ports, so that several run side by side; tests use it.

        A sandbox that exists under `state_dir` keeps the ports it was started with.
        """
        return cls(state_dir=state_dir.resolve(), ports=free_ports(), ttl_seconds=_ttl_from_env())

    @property
    def pki_dir(self) -> Path:
        """Certificates and keys (mode 0700, keys 0600)."""
        return self.state_dir / "pki"

    @property
    def run_dir(self) -> Path:
        """One record per process."""
        return self.state_dir / "run"

    @property
    def log_dir(self) -> Path:
        """One log file per process."""
        return self.state_dir / "log"

    @property
    def kubeconfig(self) -> Path:
        """Cluster administrator's kubeconfig (mode 0600)."""
        return self.state_dir / "kubeconfig"

    @property
    def pod_network_socket(self) -> Path:
        """Where the API server's calls to services go; a socket's path is at most 107 bytes."""
        path = self.state_dir / "pod-network.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
            return path
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"sandbox-{name}.sock"

    @property
    def pod_routes(self) -> Path:
        """Pods whose program runs on this machine, see `sandbox.pod_network`; mostly absent."""
        return self.state_dir / "pod-routes.json"

    @property
    def kube_host(self) -> str:
        """Address of the API server."""
        return f"https://{HOST}:{self.ports.kube}"

    @property
    def vault_addr(self) -> str:
        """Address of Vault."""
        return f"https://{self.vault_host}:{self.ports.vault}"

    def with_ports(self, ports: Ports) -> Settings:
        """Return a copy that uses `ports`."""
        return replace(self, ports=ports)

    def on(self, vault_host: str) -> Settings:
        """Return a copy whose Vault listens on `vault_host`."""
        return replace(self, vault_host=vault_host)


def _ttl_from_env() -> int:
    text = os.environ.get("SANDBOX_TTL", "")
    if not text:
        return DEFAULT_TTL_SECONDS
    if not text.isdigit() or int(text) == 0:
        raise BadInputError(f"SANDBOX_TTL is {text!r}; write a number of seconds, such as 28800")
    return int(text)


def free_ports() -> Ports:
    """Return ports that nothing listens on now, all different."""
    held: list[socket.socket] = []
    try:
        numbers: dict[str, int] = {}
        for field in fields(Ports):
            listener = socket.socket()
            held.append(listener)
            listener.bind((HOST, 0))
            numbers[field.name] = listener.getsockname()[1]
        return Ports(**numbers)
    finally:
        for listener in held:
            listener.close()


def check_free(name: str, port: int, host: str = HOST) -> None:
    """Raise PortTakenError, naming the port and its owner, when something listens on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            owner = port_owner(port)
            who = f"process {owner}" if owner else "another process"
            raise PortTakenError(
                f"port {port} ({name}) on {host} is taken by {who}: "
                "stop it, or run the sandbox on free ports with --ephemeral"
            ) from None


def port_owner(port: int) -> str | None:
    """Return `pid (command)` of the listener on `port` as far as /proc shows it, else None."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        # It ended or was closed meanwhile, or belongs to another user.
        with contextlib.suppress(OSError):
            if str(link.readlink()) in inodes:
                process = link.parents[1]
                return f"{process.name} ({(process / 'comm').read_text().strip()})"
    return None


def _listening_inodes(port: int) -> set[str]:
    found: set[str] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            rows = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            local, state = columns[1], columns[3]
            if state == "0A" and int(local.rsplit(":", 1)[1], 16) == port:
                found.add(f"socket:[{columns[9]}]")
    return found
