"""A node without containers: it runs the pods of some namespaces as processes of this machine."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.clients.https import Client
from sandbox import cluster, toolchain
from sandbox.cluster import NODE_ADDRESS
from sandbox.node import dns, forward, logs, spec
from sandbox.node.api import Objects
from sandbox.node.kubelets import Guard
from sandbox.node.linux import NodeError, NodeNetwork, Processes
from sandbox.node.pod import ProcessPod, forget
from sandbox.node.spec import HostPlace, Manifest
from sandbox.node.volumes import ClusterReader
from sandbox.settings import HOST, Settings

PROGRAMS = (
    *("linkerd-controller", "linkerd-policy-controller"),
    *("linkerd2-proxy", "linkerd2-proxy-identity", "linkerd2-proxy-init"),
)
# Of the machine, with the package that has it on Debian.
SYSTEM = {
    "ip": "iproute2",
    "iptables-nft": "iptables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
API_ADDRESS, DNS_ADDRESS = "10.96.0.1", "10.96.0.10"
# Outside of kwok's range: it gives out again what any deleted pod had of it.
GATEWAY, _POD_NET = "10.245.255.254", "10.245"
_BRIDGE = "pods"
_TICK_SECONDS = 0.2
_WAIT_SECONDS = 120.0
RESTARTED = "kubectl.kubernetes.io/restartedAt"


def missing(programs: Sequence[str] = PROGRAMS) -> str | None:
    """Why no node can be had here, in one line with what to do; None when it can."""
    if not sys.platform.startswith("linux"):
        return "pods as processes need Linux"
    if os.geteuid() != 0:
        return (
            "pods as processes need root, or a user namespace with ids of its own: run it with "
            "sudo -E, or install uidmap and have a range in /etc/subuid and /etc/subgid"
        )
    # Of a user who is not root the PATH may lack what pods have on theirs.
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    absent = [name for name in SYSTEM if shutil.which(name, path=places) is None]
    if absent:
        packages = " ".join(dict.fromkeys(SYSTEM[name] for name in absent))
        return f"{', '.join(absent)}: not on PATH (apt-get install {packages})"
    lost = [name for name in programs if toolchain.find(name) is None]
    if lost:
        return (
            f"{', '.join(lost)}: neither on PATH nor downloaded "
            f"(python -m sandbox toolchain {' '.join(lost)}; SANDBOX_MIRROR=url in front)"
        )
    try:
        NodeNetwork().close()
        Processes().close()
    except NodeError as error:
        return f"this machine gives no namespaces: {error}"
    return None


@dataclass
class ProcessNode:
    """Runs every pod of its namespaces; see the package's docstring.

    images: the command of an image that has none of its own, by the last part of its name; beside
    Linkerd's and the shop's. programs: what commands of these names start, beside Linkerd's. files:
    of this machine, by the path at which pods find them. drain_seconds: see there. hosts: addresses
    of names outside the cluster, which DNS answers.
    """

    settings: Settings
    namespaces: tuple[str, ...]
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    drain_seconds: float = 3.0
    programs: Mapping[str, Path] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    pods: dict[str, ProcessPod] = field(default_factory=dict)
    # How many pods `restart` has replaced.
    restarts: int = 0
    dns_address: str = DNS_ADDRESS
    node_address: str = NODE_ADDRESS

    def __post_init__(self) -> None:
        self.images = {**spec.IMAGES, **self.images}
        self.api: Client = cluster.client(self.settings)
        self.objects = Objects(self.api)
        self.cluster: ClusterReader = self.objects
        self.folder: Path = self.settings.state_dir / "node"
        # As the API server calls a kubelet: by the name of its node, or by its address.
        self._names = (*cluster.ZONES, self.node_address)
        self._services: dict[tuple[str, str], dns.DnsService] = {}
        self._targets: dict[str, tuple[str, int]] = {}
        self._addresses = itertools.count(1)
        self._sockets: list[socket.socket] = []
        self._stopping = threading.Event()
        self._written: dict[Path, str] = {}

    # For tests.

    def apply(self, *manifests: Manifest) -> None:
        """Create or change objects by server-side apply; raises NodeError for a refused one."""
        for each in manifests:
            answer = self.objects.apply(each)
            if not answer.ok:
                raise NodeError(f"{each['kind']} {each['metadata']['name']}: {answer.body}")

    def delete(self, *manifests: Manifest) -> None:
        """Delete objects, those that are there."""
        for each in manifests:
            self.objects.delete(each)

    def wait(self, namespace: str, *names: str, seconds: float = _WAIT_SECONDS) -> None:
        """Return when Deployments are rolled out and ready: these, or all of the namespace."""
        deadline = time.monotonic() + seconds
        while waiting := [
            each["metadata"]["name"]
            for each in self._deployments(namespace)
            if (not names or each["metadata"]["name"] in names) and not rolled_out(each)
        ]:
            if time.monotonic() > deadline:
                raise NodeError(
                    f"{namespace}: {', '.join(waiting)} not ready after {seconds:.0f} s"
                    f"{self._why(namespace)}"
                )
            time.sleep(_TICK_SECONDS)

    def pods_of(self, namespace: str, app: str = "") -> list[ProcessPod]:
        """The ready pods, by the label `app` (or Linkerd's own for a component)."""
        # Of now: of a deletion the node itself hears a moment later.
        found = self._list(f"/api/v1/namespaces/{namespace}/pods")
        staying = {
            each["metadata"]["uid"] for each in found if "deletionTimestamp" not in each["metadata"]
        }
        return [
            each
            for uid, each in list(self.pods.items())
            if uid in staying
            and each.ready
            and (
                not app
                or app
                in (each.labels.get("app"), each.labels.get("linkerd.io/control-plane-component"))
            )
        ]

    def pod(self, namespace: str, app: str) -> ProcessPod:
        """One ready pod; raises NodeError when there is none."""
        found = self.pods_of(namespace, app)
        if not found:
            raise NodeError(f"{namespace}: no pod of {app} is ready{self._why(namespace)}")
        return found[0]

    def delete_pod(self, pod: ProcessPod) -> None:
        """Delete a pod as `kubectl delete pod` does; does not wait."""
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        self.api.request("DELETE", path)

    def restart(self, namespace: str, *names: str, seconds: float = 2 * _WAIT_SECONDS) -> None:
        """Restart Deployments (all of the namespace) as `kubectl rollout restart`, and wait."""
        for each in self._deployments(namespace):
            name = each["metadata"]["name"]
            if names and name not in names:
                continue
            stamp = {RESTARTED: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
            patch = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
            path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
            answer = self.api.request(
                "PATCH", path, patch, content_type="application/merge-patch+json"
            )
            if not answer.ok:
                raise NodeError(f"restart of {name}: {answer.body}")
            self.restarts += each["spec"].get("replicas", 1)
        self.wait(namespace, *names, seconds=seconds)

    # Its life.

    def start(self) -> None:
        """Take the namespaces over: their pods are deleted, and those that follow run here."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        self._place_programs()
        self.processes = Processes()
        self.network = NodeNetwork()
        self.network.ip("link", "add", _BRIDGE, "type", "bridge")
        for address in (f"{GATEWAY}/16", f"{API_ADDRESS}/32", f"{DNS_ADDRESS}/32"):
            self.network.ip("addr", "add", address, "dev", _BRIDGE)
        self.network.ip("link", "set", _BRIDGE, "up")
        self._serve()
        self._guard = Guard(self.settings, self.namespaces)
        self._look()
        for namespace in self.namespaces:
            for each in self._list(f"/api/v1/namespaces/{namespace}/pods"):
                forget(self.api, each)
        self._thread = threading.Thread(target=self._run, daemon=True, name="node")
        self._thread.start()

    def stop(self) -> None:
        """End all pods at once, and give the namespaces back to kwok."""
        self._stopping.set()
        with contextlib.suppress(AttributeError, RuntimeError):
            self._thread.join()
        for each in self.pods.values():
            each.kill()
        for each in self.pods.values():
            each.wait_ended(10)
        self.settings.pod_routes.unlink(missing_ok=True)
        for opened in self._sockets:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        if hasattr(self, "_logs"):
            self._logs.shutdown()
            self._logs.server_close()
        if hasattr(self, "processes"):
            self.processes.close()
        if hasattr(self, "network"):
            self.network.close()
        if hasattr(self, "_guard"):
            self._guard.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def attach(self, network: NodeNetwork, address: str) -> None:
        """Connect a pod's network to the bridge."""
        third, fourth = address.split(".")[2:]
        self.network.attach(network, f"v{third}-{fourth}", _BRIDGE, f"{address}/16", GATEWAY)

    def _place_programs(self) -> None:
        folder = self.folder / "lib" / "linkerd"
        folder.mkdir(parents=True)
        (self.folder / "lib").chmod(0o755)
        folder.chmod(0o755)
        for name in (*PROGRAMS, *self.programs):
            found = self.programs.get(name) or toolchain.find(name)
            if found is None:
                raise NodeError(f"{name} is not there")
            # A copy: the user that a pod runs as may be unable to read the cache.
            shutil.copyfile(found, folder / name)
            (folder / name).chmod(0o755)

    def _serve(self) -> None:
        """Open the API server and DNS to pods, and pods to the API server."""
        api = self.network.listen(API_ADDRESS, 443)
        port = self.settings.ports.kube
        forward.serve(api, lambda _client: socket.create_connection((HOST, port), 5))
        self._write_names()
        command = [sys.executable, dns.__file__, DNS_ADDRESS, str(self.folder / "names.json")]
        with (self.folder / "dns.log").open("wb") as log:
            self._dns = self.processes.start(self.network, command, os.environ, log)
        inward = socket.socket(socket.AF_UNIX)
        self._inward = self.settings.pod_network_socket.with_suffix(".node")
        self._inward.unlink(missing_ok=True)
        inward.bind(str(self._inward))
        self._inward.chmod(0o600)
        inward.listen(64)
        forward.serve(inward, self._dial)
        self._sockets = [api, inward]
        pki = self.settings.pki_dir
        certificate = (pki / "components.crt", pki / "components.key")
        self._logs = logs.serve(self.network, certificate, self._log)

    def _dial(self, client: socket.socket) -> socket.socket:
        """What the API server calls: the address is the first line."""
        host, _, port = forward.line(client).rpartition(":")
        if host in self._names:
            return self.network.connect(logs.HOST, logs.PORT, 5)
        address, number = self._targets.get(f"{host}:{port}", (host, int(port or 0)))
        return self.network.connect(address, number, 5)

    def _log(self, namespace: str, name: str, container: str) -> str | None:
        found = (namespace, name)
        pods = [each for each in list(self.pods.values()) if (each.namespace, each.name) == found]
        return pods[-1].log(container) if pods else None

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self._look()
                self._tick()
            except NodeError:
                continue  # The API server is away for a moment.

    def _look(self) -> None:
        """Read Services and where they are."""
        slices: dict[tuple[str, str], list[Manifest]] = {}
        for each in self._list("/apis/discovery.k8s.io/v1/endpointslices"):
            name = each["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
            slices.setdefault((each["metadata"]["namespace"], name), []).append(each)
        services, targets = {}, {}
        for each in self._list("/api/v1/services"):
            key = spec.name_of(each)
            found = service_of(each, slices.get(key, ()))
            services[key] = found
            for port in each["spec"].get("ports", []):
                inside = (found.ports or {}).get(port.get("name", ""))
                if found.address and found.pods and inside:
                    targets[f"{found.address}:{port['port']}"] = (found.pods[0], inside)
        self._services = services
        self._write_names()
        ours = {f"{each.address}" for each in self.pods.values() if each.network}
        self._targets = {a: t for a, t in targets.items() if t[0] in ours}
        self._write_routes([*self._names, *self._targets, *sorted(ours)])

    def _write_names(self) -> None:
        plain = [each.address for each in self.pods.values() if not spec.injected(each.pod)]
        self._write(self.folder / "names.json", dns.document(self._services, plain, self.hosts))

    def _write_routes(self, addresses: Sequence[str]) -> None:
        routes = json.dumps(dict.fromkeys(addresses, str(self._inward)))
        self._write(self.settings.pod_routes, routes)

    def _write(self, file: Path, text: str) -> None:
        """Put a file in place at once, if its text is another than before."""
        if text != self._written.get(file):
            partial = file.with_suffix(".partial")
            partial.write_text(text)
            partial.replace(file)
            self._written[file] = text

    def _tick(self) -> None:
        """Begin pods that are new, end those that are deleted."""
        there: set[str] = set()
        for namespace in self.namespaces:
            for each in self._list(f"/api/v1/namespaces/{namespace}/pods"):
                uid = each["metadata"]["uid"]
                there.add(uid)
                self._meet(uid, each)
        for uid in set(self.pods) - there:
            gone = self.pods.pop(uid)
            gone.kill()

    def _meet(self, uid: str, each: Manifest) -> None:
        known = self.pods.get(uid)
        deleted = "deletionTimestamp" in each["metadata"]
        if known and deleted:
            known.end()
        elif known or not each["spec"].get("nodeName"):
            return
        elif deleted:
            forget(self.api, each)
        elif each.get("status", {}).get("phase", "Pending") == "Pending":
            number = next(self._addresses)
            address = f"{_POD_NET}.{number // 250}.{1 + number % 250}"
            pod = ProcessPod(self, each, HostPlace(address, API_ADDRESS))
            self.pods[uid] = pod
            pod.start()

    def _deployments(self, namespace: str) -> list[Manifest]:
        return self._list(f"/apis/apps/v1/namespaces/{namespace}/deployments")

    def _list(self, path: str) -> list[Manifest]:
        answer = self.api.request("GET", path)
        if not answer.ok:
            raise NodeError(f"{path}: {answer.why}")
        return list(answer.body["items"])

    def _why(self, namespace: str) -> str:
        """What is known of pods that do not run, in lines of their own."""
        lines = [
            f"\n  {each.name}: {each.failed or each.state()}"
            for each in list(self.pods.values())
            if each.namespace == namespace and not each.ready
        ]
        return "".join(lines[:5])


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return when a condition holds, or after so many seconds; whether it does."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(_TICK_SECONDS)
    return held


def rolled_out(deployment: Manifest) -> bool:
    """Tell whether all pods of a Deployment are of its template, and available."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def service_of(service: Manifest, slices: Sequence[Manifest]) -> dns.DnsService:
    """A Service as DNS has it, with its EndpointSlices."""
    address = service["spec"].get("clusterIP", "")
    pods = [
        endpoint["addresses"][0]
        for each in slices
        for endpoint in each.get("endpoints") or ()
        if endpoint.get("conditions", {}).get("ready")
    ]
    ports = {
        port.get("name") or "": port["port"]
        for each in slices
        for port in each.get("ports") or ()
        if port.get("port")
    }
    return dns.DnsService("" if address == "None" else address, tuple(pods), ports)


@contextmanager
def running(
    settings: Settings,
    namespaces: Sequence[str] = ("linkerd", "shop"),
    *,
    images: Mapping[str, Sequence[str]] | None = None,
    drain_seconds: float = 3.0,
    programs: Mapping[str, Path] | None = None,
    files: Mapping[str, Path] | None = None,
    hosts: Mapping[str, str] | None = None,
) -> Iterator[ProcessNode]:
    """A node of a running sandbox, for as long as the block runs; Linkerd is ready in it.

    Raises NodeError.
    """
    node = ProcessNode(
        settings,
        tuple(namespaces),
        images or {},
        drain_seconds,
        programs or {},
        files or {},
        hosts or {},
    )
    try:
        node.start()
        node.wait("linkerd")
        yield node
    finally:
        node.stop()
