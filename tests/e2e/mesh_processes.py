"""Linkerd's injector, validators and policy controller as processes, for a sandbox's API server.

The programs are upstream's own (controller/cmd, policy-controller). Neither is in a module that can
be fetched, so they are used where they are on PATH. Their arguments, accounts and permissions are
those of the chart; the API server calls them by the chart's own webhook configurations: a call to
the ClusterIP of a webhook's Service is passed on to the process's port, see `sandbox.pod_network`.
"""

from __future__ import annotations

import base64
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from bot.text.output import write_private
from components.names import LINKERD, TRUST_ROOTS_CONFIG_MAP
from sandbox.processes import Supervisor
from tests.certificates import certified, named
from tests.e2e import mesh_objects
from tests.e2e.identity_process import free_ports, kubeconfig, missing, token, unshare
from tests.e2e.leaves import now
from tests.e2e.mesh_objects import Objects
from tests.e2e.policy_grpc import PolicyClient
from tests.e2e.project import SHARED_TTL_SECONDS
from tests.e2e.sandbox_cluster import Cluster

CONTROLLER, POLICY_CONTROLLER = "linkerd-controller", "linkerd-policy-controller"
_INJECTOR, _PROFILES, _POLICIES = (
    "linkerd-proxy-injector",
    "linkerd-sp-validator",
    "linkerd-policy-validator",
)
_START_SECONDS = 90.0
# The paths are fixed in the program, so each process has a /var/run of its own.
_SCRIPT = """
set -e
mount -t tmpfs none "$(readlink -f /var/run)"
cp -R "$1" /var/run/linkerd
shift
exec "$@"
"""


def missing_controllers() -> str | None:
    """Why Linkerd's own controllers cannot be run here; None when they can."""
    if shutil.which(POLICY_CONTROLLER) is None:
        return f"{POLICY_CONTROLLER} is not on PATH, and no registry has it as a program"
    return missing()


@dataclass(frozen=True)
class Controllers:
    """The running processes of one cluster."""

    cluster: Cluster
    objects: Objects
    policy: PolicyClient
    injector_metrics: str


@contextmanager
def running_controllers(cluster: Cluster, folder: Path) -> Iterator[Controllers]:
    """Put the control plane's objects into a cluster, and run its programs in its pods' place.

    They end with the sandbox that they are recorded in.
    """
    objects = Objects(cluster.api)
    objects.apply(*mesh_objects.crds())
    objects.apply(*mesh_objects.control_plane(), _roots())
    files = folder / "files"
    authority = _files(files)
    started = _Starter(cluster, folder, files)
    ports = dict(zip((_INJECTOR, _PROFILES, _POLICIES), free_ports(3), strict=True))
    metrics = started.webhook(_INJECTOR, "proxy-injector", "proxy-injector", ports[_INJECTOR])
    started.webhook("linkerd-destination", "sp-validator", "sp-validator", ports[_PROFILES])
    grpc_address = started.policy(ports[_POLICIES])
    routes = {f"{_cluster_ip(cluster, name)}:443": port for name, port in ports.items()}
    cluster.settings.pod_routes.write_text(json.dumps(routes))
    objects.apply(*mesh_objects.webhooks(authority))
    policy = PolicyClient(grpc_address)
    try:
        yield Controllers(cluster, objects, policy, metrics)
    finally:
        policy.close()
        cluster.settings.pod_routes.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Starter:
    """Starts processes that log in as the chart's accounts. files: what they find mounted."""

    cluster: Cluster
    folder: Path
    files: Path

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.cluster.settings.run_dir, self.cluster.settings.log_dir)

    def webhook(self, deployment: str, container: str, command: str, port: int) -> str:
        """Start a webhook of linkerd-controller; returns the address of its metrics."""
        (admin,) = free_ports(1)
        given = mesh_objects.arguments(deployment, container)
        assert given[0] == command, given
        self._start(
            container,
            [
                *(*unshare(), "sh", "-c", _SCRIPT, "sh", str(self.files)),
                *(CONTROLLER, *given),
                f"-addr=127.0.0.1:{port}",
                f"-metrics-addr=127.0.0.1:{admin}",
                f"-kubeconfig={self._login(deployment)}",
            ],
            f"127.0.0.1:{admin}",
        )
        return f"127.0.0.1:{admin}"

    def policy(self, port: int) -> str:
        """Start the policy controller; returns the address at which proxies ask it."""
        grpc_port, admin = free_ports(2)
        tls = self.files / "tls"
        # A repeated argument is an error to this program.
        ours = {
            "--admin-addr": f"127.0.0.1:{admin}",
            "--grpc-addr": f"127.0.0.1:{grpc_port}",
            "--server-addr": f"127.0.0.1:{port}",
            "--server-tls-key": str(tls / "tls.key"),
            "--server-tls-certs": str(tls / "tls.crt"),
            "--kubeconfig": str(self._login("linkerd-destination")),
        }
        given = mesh_objects.arguments("linkerd-destination", "policy")
        theirs = [each for each in given if each.partition("=")[0] not in ours]
        assert len(theirs) < len(given), given
        command = [POLICY_CONTROLLER, *theirs, *(f"{key}={value}" for key, value in ours.items())]
        self._start("policy", command, f"127.0.0.1:{admin}", {"HOSTNAME": "linkerd-destination-0"})
        return f"127.0.0.1:{grpc_port}"

    def _start(
        self, name: str, command: list[str], admin: str, env: dict[str, str] | None = None
    ) -> None:
        self.supervisor.start(name, ["timeout", str(SHARED_TTL_SECONDS), *command], env=env)
        self.supervisor.wait_ready(name, lambda: _ready(admin), _START_SECONDS)

    def _login(self, account: str) -> Path:
        path = self.folder / f"{account}.kubeconfig"
        if not path.exists():
            api = self.cluster.api
            write_private(path, kubeconfig(api, token(api, LINKERD, account)))
        return path


def _ready(admin: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{admin}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _cluster_ip(cluster: Cluster, service: str) -> str:
    answer = cluster.api.request("GET", f"/api/v1/namespaces/{LINKERD}/services/{service}")
    assert answer.ok, answer
    return str(answer.body["spec"]["clusterIP"])


def _roots() -> mesh_objects.Manifest:
    # trust-manager's part; that bundles reach the mesh is proven elsewhere.
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": TRUST_ROOTS_CONFIG_MAP, "namespace": LINKERD},
        "data": {"ca-bundle.crt": ""},
    }


def _files(folder: Path) -> str:
    """What the pods have mounted at /var/run/linkerd; returns the webhooks' CA in base64.

    One certificate for the three Services, its key in PKCS8, which the policy controller needs.
    """
    hosts = [f"{name}.{LINKERD}.svc" for name in (_INJECTOR, _PROFILES, _POLICIES)]
    made = certified(
        "webhooks",
        named(*hosts),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        starts=now() - timedelta(minutes=1),
        lifetime=timedelta(hours=6),
    )
    pem = made.pem.encode()
    for part in ("tls", "config", "identity/trust-roots"):
        (folder / part).mkdir(parents=True, mode=0o700)
    (folder / "tls" / "tls.crt").write_bytes(pem)
    write_private(folder / "tls" / "tls.key", made.key_pem)
    (folder / "identity/trust-roots/ca-bundle.crt").write_bytes(pem)
    (values,) = (
        each["data"]["values"]
        for each in mesh_objects.control_plane()
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "linkerd-config"
    )
    (folder / "config" / "values").write_text(values)
    return base64.b64encode(pem).decode()
