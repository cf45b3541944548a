"""Linkerd's own identity service as a process on this machine, against the sandbox's API server.

The program is upstream's controller with its sub-command `identity` (controller/cmd/identity). It
is in no Go module that can be fetched, so it is used where it is on PATH. Its arguments are those
of the Deployment in the cluster: what the chart was told is what runs. It logs in as the chart's
service account. The issuer's files lie as a kubelet leaves them, and are changed in the same way,
by a rename of `..data`, which is what the program watches for.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509

from bot.clients.https import Client
from bot.text.output import write_private
from components.names import LINKERD
from tests.e2e.identity import RENEW_AT, Bundle, Identity
from tests.e2e.identity_grpc import IdentityClient, Refused
from tests.e2e.leaves import NAMESPACE, Issuer, Leaf, identity_of, now

PROGRAM = "linkerd-controller"
# What upstream's validator asks for: controller/identity/validator.go.
AUDIENCE = "identity.l5d.io"
_ACCOUNT = "linkerd-identity"
_DEPLOYMENT = f"/apis/apps/v1/namespaces/{LINKERD}/deployments/{_ACCOUNT}"
_SKIPPED = "Skipping issuer update"
_TTL_SECONDS, _START_SECONDS = 3600, 120.0
# The bundle's path is fixed in the program, so each process has a /var/run of its own.
_SCRIPT = """
set -e
mount -t tmpfs none "$(readlink -f /var/run)"
mkdir -p /var/run/linkerd/identity/trust-roots
cp "$1" /var/run/linkerd/identity/trust-roots/ca-bundle.crt
shift
exec "$@"
"""


@cache
def missing() -> str | None:
    """Why Linkerd's identity service cannot be run here; None when it can."""
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not on PATH, and no Go module has it"
    try:
        tried = subprocess.run(
            [*unshare(), "sh", "-c", 'mount -t tmpfs none "$(readlink -f /var/run)"'],
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unshare (util-linux) is not there"
    return None if tried.returncode == 0 else "no mount namespace may be made here"


def unshare() -> list[str]:
    """The command with mounts of its own for what follows it."""
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


@dataclass
class _Running:
    """One process: what started it, where it listens."""

    process: subprocess.Popen[bytes]
    client: IdentityClient
    admin: str
    log: Path

    def stop(self) -> None:
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@dataclass
class IdentityProcess(Identity):
    """A process in an identity pod's place. api: client of the API server as an administrator.

    Its files lie below `folder`. `follows` is False while its kubelet brings nothing, as a volume
    that is stuck would be.
    """

    api: Client | None = None
    folder: Path | None = None
    follows: bool = True
    _running: _Running | None = None
    _tokens: dict[str, str] = field(default_factory=dict)
    _starts: int = 0
    _skips: int = 0

    @property
    def admin(self) -> str:
        """Host and port of its metrics."""
        assert self._running
        return self._running.admin

    def restart(self, bundle: Bundle, issuer: Issuer | None) -> None:
        """Bring up a new process, then stop the old one: as a rollout does."""
        assert issuer, "a pod without the issuer's Secret does not start"
        old, self._starts = self._running, self._starts + 1
        place = self._place / f"start-{self._starts}"
        place.mkdir(parents=True, mode=0o700)
        self.bundle, self.issuer = bundle, issuer
        deliver(place / "issuer", issuer)
        self._running, self._skips = self._start(place, bundle), 0
        if old:
            old.stop()

    def stop(self) -> None:
        """End the process, and leave no key behind."""
        if self._running:
            self._running.stop()
            self._running = None
        shutil.rmtree(self._place, ignore_errors=True)

    def take(self, issuer: Issuer) -> None:
        """Bring the new files; whether they are taken is up to the program."""
        if not self.follows:
            return
        self.issuer = issuer
        deliver(self._place / f"start-{self._starts}" / "issuer", issuer)

    def look(self, issuer: Issuer) -> None:
        """Follow the Secret; note what the program said it refused."""
        super().look(issuer)
        said = self._running.log.read_text(errors="replace").count(_SKIPPED) if self._running else 0
        if said > self._skips and self.issuer:
            self._skips = said
            self.skipped.append(self.issuer.serial)

    def certify(self, workload: str, asked: x509.CertificateSigningRequest) -> Leaf | None:
        """A leaf by gRPC, with a token of the workload's own account."""
        running = self._running
        if running is None:
            return None
        moment = now()
        try:
            leaf, *chain = running.client.certify(
                identity_of(workload), self._token(workload), asked
            )
        except Refused:
            return None
        renew = moment + (leaf.not_valid_after_utc - moment) * RENEW_AT
        return Leaf(identity_of(workload), leaf, tuple(chain), renew)

    @property
    def _place(self) -> Path:
        assert self.folder
        return self.folder / f"{self.name}-{id(self):x}"

    def _token(self, workload: str) -> str:
        if workload not in self._tokens:
            assert self.api
            account(self.api, NAMESPACE, workload)
            self._tokens[workload] = token(self.api, NAMESPACE, workload, [AUDIENCE])
        return self._tokens[workload]

    def _start(self, place: Path, bundle: Bundle) -> _Running:
        assert self.api
        roots, login, log = place / "ca-bundle.crt", place / "kubeconfig", place / "log"
        roots.write_text(bundle.text)
        write_private(login, kubeconfig(self.api, token(self.api, LINKERD, _ACCOUNT)))
        grpc_address, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
        command = [
            *("timeout", str(_TTL_SECONDS)),
            *(*unshare(), "sh", "-c", _SCRIPT, "sh", str(roots)),
            *(PROGRAM, *arguments(self.api)),
            f"-addr={grpc_address}",
            f"-admin-addr={admin}",
            f"-kubeconfig={login}",
            f"-issuer={place / 'issuer'}",
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        running = _Running(process, IdentityClient(grpc_address), admin, log)
        deadline = time.monotonic() + _START_SECONDS
        while not _ready(grpc_address, admin):
            if process.poll() is not None or time.monotonic() > deadline:
                running.stop()
                raise AssertionError(f"{PROGRAM} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        return running


def deliver(folder: Path, issuer: Issuer) -> None:
    """Write the Secret's files as a kubelet does: all new at once, by a rename of `..data`.

    Follows k8s.io/kubernetes/pkg/volume/util/atomic_writer.go.
    """
    folder.mkdir(exist_ok=True, mode=0o700)
    fresh = folder / f"..{issuer.serial:x}-{time.monotonic_ns()}"
    fresh.mkdir(mode=0o700)
    for name, content in issuer.files.items():
        write_private(fresh / name, content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    (folder / "..data_tmp").symlink_to(fresh.name)
    (folder / "..data_tmp").rename(folder / "..data")
    for old in folder.glob("..*-*"):
        if old != fresh:
            shutil.rmtree(old)


def arguments(api: Client) -> list[str]:
    """The arguments of the container in the Deployment that the chart made."""
    spec = api.request("GET", _DEPLOYMENT).body["spec"]["template"]["spec"]
    (container,) = (each for each in spec["containers"] if each["name"] == "identity")
    return list(container["args"])


def account(api: Client, namespace: str, name: str) -> None:
    """Make a service account, and its namespace, unless they are there."""
    made = {"metadata": {"name": namespace}}
    api.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", **made})
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    answer = api.request("POST", path, {"metadata": {"name": name}})
    assert answer.ok or answer.status == 409, answer


def token(api: Client, namespace: str, name: str, audiences: list[str] | None = None) -> str:
    """A token of a service account, as a kubelet asks for one."""
    body: dict[str, Any] = {"spec": {"expirationSeconds": 3600}}
    if audiences:
        body["spec"]["audiences"] = audiences
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    answer = api.request("POST", path, body)
    assert answer.ok, answer
    return str(answer.body["status"]["token"])


def kubeconfig(api: Client, bearer: str) -> str:
    """A kubeconfig with a token, for the server that `api` talks to."""
    authority = base64.b64encode(api.ca_file.read_bytes()).decode()
    server = {"server": api.base, "certificate-authority-data": authority}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "c", "user": {"token": bearer}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }
    )


def _ready(grpc_address: str, admin: str) -> bool:
    host, port = grpc_address.split(":")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{admin}/ready", timeout=2) as answer:
            if answer.status != 200:
                return False
        # It is called ready a moment before it listens.
        socket.create_connection((host, int(port)), timeout=2).close()
    except (OSError, urllib.error.URLError):
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on now."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()
