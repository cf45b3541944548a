"""The Kubernetes servers of a sandbox: etcd, API server, controller manager, scheduler, kwok."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.clients.https import Client
from sandbox import pki
from sandbox.processes import Supervisor, python_path
from sandbox.settings import HOST, Settings
from sandbox.tools import TOOLS

SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "10.244.0.0/16"
NODE_ADDRESS = "192.0.2.10"  # TEST-NET-1 of RFC 5737: nodes need an address, none is ever dialled.
REGION = "sandbox"
ZONES = ("sandbox-a", "sandbox-b", "sandbox-c")
NODE_RESOURCES = {"cpu": "32", "memory": "64Gi", "pods": "250", "ephemeral-storage": "100Gi"}
STAGES = Path(__file__).resolve().parent / "kwok" / "stages.yaml"
START_SECONDS = 90.0


@dataclass(frozen=True)
class Endpoints:
    """Where the servers of a sandbox are and what is needed to log in."""

    kubeconfig: Path
    kube_host: str
    kube_ca_file: Path
    vault_addr: str
    vault_ca_file: Path
    vault_token_file: Path
    state_dir: Path


def endpoints(settings: Settings) -> Endpoints:
    """Return the endpoints that `settings` imply."""
    return Endpoints(
        kubeconfig=settings.kubeconfig,
        kube_host=settings.kube_host,
        kube_ca_file=settings.pki_dir / "ca.crt",
        vault_addr=settings.vault_addr,
        vault_ca_file=settings.pki_dir / "vault-ca.crt",
        vault_token_file=settings.state_dir / "vault" / "root-token",
        state_dir=settings.state_dir,
    )


def client(settings: Settings) -> Client:
    """Return a client of the API server with the administrator's certificate."""
    pair = (settings.pki_dir / "admin.crt", settings.pki_dir / "admin.key")
    return Client(settings.kube_host, settings.pki_dir / "ca.crt", pair)


def ready(settings: Settings) -> bool:
    """Tell whether the API server answers and is ready."""
    return client(settings).request("GET", "/readyz", seconds=3).ok


def start_etcd(supervisor: Supervisor, settings: Settings, tools: Mapping[str, Path]) -> None:
    """Start etcd (does not wait: the API server retries)."""
    keys, ports = settings.pki_dir, settings.ports
    peer = f"http://{HOST}:{ports.etcd_peer}"
    flags = {
        "name": "sandbox",
        "data-dir": settings.state_dir / "etcd",
        "listen-client-urls": f"https://{HOST}:{ports.etcd_client}",
        "advertise-client-urls": f"https://{HOST}:{ports.etcd_client}",
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"sandbox={peer}",
        "cert-file": keys / "etcd.crt",
        "key-file": keys / "etcd.key",
        "trusted-ca-file": keys / "ca.crt",
        "client-cert-auth": "true",
        "log-level": "warn",
        # The data lives as long as the processes do: no need to wait for the disk.
        "unsafe-no-fsync": "true",
    }
    supervisor.start("etcd", [str(tools["etcd"]), *_flags(flags)])


def start_pod_network(supervisor: Supervisor, settings: Settings) -> None:
    """Start what answers the API server's calls to services (does not wait)."""
    task = {
        "socket": str(settings.pod_network_socket),
        "routes": str(settings.pod_routes),
        "nameless_cert": str(settings.pki_dir / "components.crt"),
        "nameless_key": str(settings.pki_dir / "components.key"),
        **admin_login(settings),
    }
    command = [sys.executable, "-m", "sandbox.pod_network", json.dumps(task)]
    supervisor.start("pod-network", command, env=python_path())


def admin_login(settings: Settings) -> dict[str, str]:
    """Return address, authority and the administrator's certificate for a helper process."""
    return {
        "base": settings.kube_host,
        "ca": str(settings.pki_dir / "ca.crt"),
        "cert": str(settings.pki_dir / "admin.crt"),
        "key": str(settings.pki_dir / "admin.key"),
    }


def start_api_server(supervisor: Supervisor, settings: Settings, tools: Mapping[str, Path]) -> None:
    """Start the API server (does not wait, see wait_api_server)."""
    keys, ports = settings.pki_dir, settings.ports
    _write_api_server_config(settings)
    flags = {
        "bind-address": HOST,
        "secure-port": ports.kube,
        # A loopback address may not be advertised, and no pod is there to use it.
        "advertise-address": NODE_ADDRESS,
        "endpoint-reconciler-type": "none",
        "etcd-servers": f"https://{HOST}:{ports.etcd_client}",
        "etcd-cafile": keys / "ca.crt",
        "etcd-certfile": keys / "etcd-client.crt",
        "etcd-keyfile": keys / "etcd-client.key",
        "tls-cert-file": keys / "kube-apiserver.crt",
        "tls-private-key-file": keys / "kube-apiserver.key",
        "client-ca-file": keys / "ca.crt",
        "authentication-config": settings.state_dir / "authentication.json",
        "authorization-mode": "RBAC",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": keys / "service-account.pub",
        "service-account-signing-key-file": keys / "service-account.key",
        "service-cluster-ip-range": SERVICE_RANGE,
        "allow-privileged": "true",  # proxy-init asks for NET_ADMIN.
        "requestheader-client-ca-file": keys / "front-proxy-ca.crt",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": keys / "front-proxy-client.crt",
        "proxy-client-key-file": keys / "front-proxy-client.key",
        "egress-selector-config-file": settings.state_dir / "egress.json",
        "profiling": "false",
    }
    supervisor.start("kube-apiserver", [str(tools["kube-apiserver"]), *_flags(flags)])


def wait_api_server(supervisor: Supervisor, settings: Settings) -> None:
    """Return when the API server is ready; raises StartError."""
    supervisor.wait_ready("kube-apiserver", lambda: ready(settings), START_SECONDS)


def start_controllers(
    supervisor: Supervisor, settings: Settings, tools: Mapping[str, Path]
) -> None:
    """Start controller manager, scheduler and kwok against a ready API server."""
    keys, ports = settings.pki_dir, settings.ports
    shared = {
        "bind-address": HOST,
        "leader-elect": "false",
        "kube-api-qps": 200,
        "kube-api-burst": 400,
        "tls-cert-file": keys / "components.crt",
        "tls-private-key-file": keys / "components.key",
    }
    manager = {
        **shared,
        **_kubeconfigs(settings, "controller-manager"),
        "secure-port": ports.controller_manager,
        "root-ca-file": keys / "ca.crt",
        "service-account-private-key-file": keys / "service-account.key",
        "use-service-account-credentials": "true",
        "cluster-signing-cert-file": keys / "ca.crt",
        "cluster-signing-key-file": keys / "ca.key",
        "concurrent-deployment-syncs": 10,
        "concurrent-replicaset-syncs": 10,
    }
    scheduler = {
        **shared,
        **_kubeconfigs(settings, "scheduler"),
        "secure-port": ports.scheduler,
    }
    name = "kube-controller-manager"
    supervisor.start(name, [str(tools[name]), *_flags(manager)])
    supervisor.start("kube-scheduler", [str(tools["kube-scheduler"]), *_flags(scheduler)])
    start_kwok(supervisor, settings, tools)


def start_kwok(
    supervisor: Supervisor, settings: Settings, tools: Mapping[str, Path], stages: Path = STAGES
) -> None:
    """Start kwok, which stands in for kubelets as `stages` say."""
    flags = {
        "config": stages,
        "kubeconfig": settings.kubeconfig,
        "manage-all-nodes": "true",
        "cidr": POD_RANGE,
        "node-ip": NODE_ADDRESS,
        "node-lease-duration-seconds": 40,
    }
    supervisor.start("kwok", [str(tools["kwok"]), *_flags(flags)])


def create_nodes(settings: Settings) -> None:
    """Create one node per zone, unless it exists."""
    api = client(settings)
    for zone in ZONES:
        answer = api.request("POST", "/api/v1/nodes", node(zone))
        if not answer.ok and answer.status != 409:
            raise RuntimeError(f"node {zone} was not created: {answer.body}")


def node(zone: str) -> dict[str, object]:
    """Return the Node of `zone`; it bears the zone's name."""
    labels = {
        "kubernetes.io/hostname": zone,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": zone,
        "type": "kwok",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": zone, "labels": labels},
        "status": {
            "allocatable": NODE_RESOURCES,
            "capacity": NODE_RESOURCES,
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": "",
                "containerRuntimeVersion": "kwok",
                "kernelVersion": "",
                "kubeProxyVersion": "",
                "kubeletVersion": f"v{TOOLS['kube-apiserver'].version}",
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "kwok",
                "systemUUID": "",
            },
        },
    }


def nodes_ready(settings: Settings) -> bool:
    """Tell whether every node reports Ready."""
    answer = client(settings).request("GET", "/api/v1/nodes")
    ready_names = {
        item["metadata"]["name"]
        for item in (answer.body["items"] if answer.ok else ())
        for condition in item["status"].get("conditions", [])
        if condition["type"] == "Ready" and condition["status"] == "True"
    }
    return ready_names >= set(ZONES)


def default_account_exists(settings: Settings) -> bool:
    """Tell whether pods can be created in `default`: its service account comes after a while."""
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    return client(settings).request("GET", path).ok


def write_kubeconfigs(settings: Settings) -> None:
    """Write the kubeconfig of the administrator and of each component."""
    users = {
        "admin": settings.kubeconfig,
        "controller-manager": settings.pki_dir / "controller-manager.kubeconfig",
        "scheduler": settings.pki_dir / "scheduler.kubeconfig",
    }
    for user, path in users.items():
        pki.write_private(path, pki.kubeconfig(settings.pki_dir, user, settings.kube_host))


def _write_api_server_config(settings: Settings) -> None:
    authentication = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        # Nobody without a credential gets further than the health checks.
        "anonymous": {
            "enabled": True,
            "conditions": [{"path": path} for path in ("/livez", "/readyz", "/healthz")],
        },
    }
    # Calls to services of the cluster end in sandbox.pod_network: no packet for a service or pod
    # address ever leaves the machine.
    proxy = {
        "proxyProtocol": "HTTPConnect",
        "transport": {"uds": {"udsName": str(settings.pod_network_socket)}},
    }
    egress = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": proxy}],
    }
    for name, document in (("authentication", authentication), ("egress", egress)):
        (settings.state_dir / f"{name}.json").write_text(json.dumps(document))


def _kubeconfigs(settings: Settings, user: str) -> dict[str, object]:
    path = settings.pki_dir / f"{user}.kubeconfig"
    flags = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return dict.fromkeys(flags, path)


def _flags(flags: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]
