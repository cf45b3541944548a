"""One pod as processes: what a kubelet and a container runtime do for it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bot.clients.https import Client
from sandbox.node import dns, spec
from sandbox.node.linux import NodeError, NodeNetwork, Processes, signal_group
from sandbox.node.load import HttpReply, LoadPlan, Report
from sandbox.node.spec import HostPlace, Manifest, UnsupportedError
from sandbox.node.volumes import ClusterReader, NotThereError, Volumes

ADMIN_PORT = 4191
_SOON, _LATER, _FAILURES = 0.25, 1.0, 3
_GRACE_SECONDS, _RESTART_SECONDS, _PROBE_SECONDS = 10.0, 1.0, 2.0
_LOAD_PROGRAM = Path(__file__).with_name("load.py")


class Host(Protocol):
    """What a pod needs of its node."""

    api: Client
    cluster: ClusterReader
    network: NodeNetwork
    processes: Processes
    images: Mapping[str, Sequence[str]]
    programs: Mapping[str, Path]
    files: Mapping[str, Path]
    folder: Path
    dns_address: str
    node_address: str
    drain_seconds: float

    def attach(self, network: NodeNetwork, address: str) -> None:
        """Connect a pod's network to the node's."""


@dataclass
class _Running:
    """A container's process. ready: whether its probe has said so, and `failures` since then."""

    process: subprocess.Popen[bytes]
    started: float
    ready: bool = False
    failures: int = 0


@dataclass
class ProcessPod:
    """A pod of a node. `failed` says why it cannot run."""

    host: Host
    pod: Manifest
    place: HostPlace
    failed: str = ""
    ready: bool = False
    network: NodeNetwork | None = None
    _running: dict[str, _Running] = field(default_factory=dict)
    _states: dict[str, dict[str, Any]] = field(default_factory=dict)
    _restarts: dict[str, int] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)
    _said: Any = None
    _thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.pod["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.pod["metadata"]["namespace"])

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.pod["metadata"].get("labels") or {}

    @property
    def address(self) -> str:
        """Its address."""
        return self.place.address

    @property
    def folder(self) -> Path:
        """Its volumes and logs."""
        return self.host.folder / "pods" / f"{self.namespace}-{self.name}"

    def log(self, container: str) -> str:
        """What a container has printed."""
        file = self.folder / f"{container}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def state(self) -> str:
        """What its containers do, in a few words."""
        return ", ".join(f"{name} {next(iter(each))}" for name, each in self._states.items())

    # What tests do with it.

    def execute(
        self, command: Sequence[str], seconds: float = 30.0, container: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command where a container runs (the first one); its output is text."""
        process = self._execute(command, container)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            signal_group(process, signal.SIGKILL)
            process.communicate()
            raise
        return subprocess.CompletedProcess(
            list(command), process.returncode, out.decode(), err.decode()
        )

    def request(
        self,
        url: str,
        method: str = "GET",
        *,
        headers: Mapping[str, str] | None = None,
        body: str = "",
        seconds: float = 5.0,
    ) -> HttpReply:
        """One request from the pod; status 0 where there was no answer in time."""
        report = self.load(
            url, rps=1, seconds=0, method=method, headers=headers, body=body, timeout=seconds
        )
        return report.replies[0]

    def load(self, url: str, rps: float, seconds: float, **more: Any) -> Report:
        """Send requests at a fixed rate, and say what became of them; see `load.Load`."""
        return self.loading(url, rps, seconds, **more).finish(at_once=False)

    def loading(self, url: str, rps: float, seconds: float = 600.0, **more: Any) -> Loading:
        """Begin to send requests; as a context it ends with the block, and `report` is there."""
        wanted = LoadPlan(url=url, rps=rps, seconds=seconds, **more)
        command = [sys.executable, str(_LOAD_PROGRAM), json.dumps(wanted.document())]
        return Loading(self._execute(command, stdin=subprocess.PIPE), wanted)

    def knobs(self, **settings: Any) -> None:
        """Set knobs of the shop's server in the pod; see `sandbox.node.shop`."""
        reply = self.local("POST", "/knobs", json.dumps(settings))
        if reply.status != 200:
            raise NodeError(f"{self.name}: knobs {settings}: {reply}")

    def counts(self) -> dict[str, Any]:
        """What the shop's server in the pod has counted since `knobs`."""
        found: dict[str, Any] = json.loads(self.local("GET", "/counts").body)
        return found

    def local(self, method: str, path: str, body: str = "", port: int = 8080) -> HttpReply:
        """A request within the pod, past its proxy."""
        assert self.network  # noqa: S101
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=_PROBE_SECONDS)
        client.sock = self.network.connect("127.0.0.1", port, _PROBE_SECONDS)
        with contextlib.closing(client):
            client.request(method, path, body.encode())
            answer = client.getresponse()
            headers = {key.lower(): value for key, value in answer.getheaders()}
            return HttpReply(answer.status, headers, answer.read().decode())

    def metrics(self) -> str:
        """The metrics of its proxy."""
        return self.local("GET", "/metrics", port=ADMIN_PORT).body

    # What the node does with it.

    def start(self) -> None:
        """Begin to run it."""
        self._thread = threading.Thread(target=self._run, daemon=True, name=self.name)
        self._thread.start()

    def end(self) -> None:
        """Begin to end it, as for a pod that was deleted."""
        self._ending.set()

    def kill(self) -> None:
        """End it at once, without a word to the API server."""
        self.failed = self.failed or "killed"
        self._ending.set()
        for each in list(self._running.values()):
            signal_group(each.process, signal.SIGKILL)

    def wait_ended(self, seconds: float) -> None:
        """Return when nothing of it is left, or after `seconds`."""
        if self._thread:
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            if self._begin() and self._start_all():
                self._keep()
        except (UnsupportedError, NodeError, OSError, KeyError) as error:
            self.failed = f"{type(error).__name__}: {error}"
            for each in spec.containers(self.pod):
                waiting = {"reason": "CreateContainerError", "message": self.failed}
                self._states.setdefault(each["name"], {"waiting": waiting})
            self._publish("Pending", ready=False)
            self._ending.wait()
        finally:
            self._finish()

    def _begin(self) -> bool:
        """Network, files; False when it is to end first."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        self.network = NodeNetwork()
        self.host.attach(self.network, self.address)
        search = f"{self.namespace}.{dns.DOMAIN} {dns.DOMAIN} {dns.DOMAIN.partition('.')[2]}"
        # Of two questions at once from one socket conntrack may drop one; an answer is soon there.
        options = "ndots:5 timeout:1 attempts:5 single-request-reopen"
        resolv = f"nameserver {self.host.dns_address}\nsearch {search}\noptions {options}\n"
        (self.folder / "resolv.conf").write_text(resolv)
        (self.folder / "resolv.conf").chmod(0o644)
        self._volumes = Volumes(self.pod, self.place, self.host.cluster, self.folder / "volumes")
        self._publish("Pending", ready=False)
        while not self._ending.is_set():
            try:
                self._volumes.refresh()
            except NotThereError:
                self._ending.wait(_LATER)
            else:
                return True
        return False

    def _start_all(self) -> bool:
        """Start every container in its turn; False when it is to end first."""
        for container in self.pod["spec"].get("initContainers", []):
            while not self._init(container):
                if self._ending.wait(_RESTART_SECONDS):
                    return False
            if self._ending.is_set():
                return False
        for container in self.pod["spec"]["containers"]:
            self._start(container)
        return True

    def _init(self, container: Manifest) -> bool:
        """Run an init container to its end, a sidecar to its start; tells whether it went well."""
        running = self._start(container)
        name = container["name"]
        probe = spec.probe(container, "startupProbe")
        if spec.sidecar(container):
            while probe and not self._asked(probe) and not self._ending.is_set():
                if running.process.poll() is not None:
                    self._restarts[name] = self._restarts.get(name, 0) + 1
                    return False
                self._ending.wait(_SOON)
            return True
        code = running.process.wait(60)
        del self._running[name]
        self._states[name] = {"terminated": {"exitCode": code, "reason": "Completed"}}
        return code == 0

    def _keep(self) -> None:
        """Restart what ends, ask probes, bring volumes up to date, say what has changed."""
        everything = {each["name"]: each for each in spec.containers(self.pod)}
        lasting = self.pod["spec"].get("restartPolicy", "Always") == "Always"
        looked = time.monotonic()
        while not self._ending.is_set():
            ended = {n: r for n, r in self._running.items() if r.process.poll() is not None}
            if ended and not lasting and self._complete():
                return
            for name, running in ended.items():
                again = lasting or spec.sidecar(everything[name])
                if again and time.monotonic() - running.started > _RESTART_SECONDS:
                    self._restarts[name] = self._restarts.get(name, 0) + 1
                    self._start(everything[name])
            self.ready = all(
                self._container_ready(everything[name], running)
                for name, running in list(self._running.items())
            )
            self._publish("Running", ready=self.ready)
            if time.monotonic() - looked > _LATER:
                with contextlib.suppress(NotThereError, NodeError):
                    self._volumes.refresh()
                looked = time.monotonic()
            self._ending.wait(_LATER if self.ready else _SOON)

    def _complete(self) -> bool:
        """For a pod that may end: tell whether all its containers have, and say so."""
        codes = [
            self._running[each["name"]].process.poll() for each in self.pod["spec"]["containers"]
        ]
        if None in codes:
            return False
        for each, code in zip(self.pod["spec"]["containers"], codes, strict=True):
            self._states[each["name"]] = {"terminated": {"exitCode": code, "reason": "Completed"}}
        self._stop(list(self._running))
        self._publish("Failed" if any(codes) else "Succeeded", ready=False)
        self._ending.wait()
        return True

    def _container_ready(self, container: Manifest, running: _Running) -> bool:
        if running.process.poll() is not None:
            running.ready = False
            return False
        probe = spec.probe(container, "readinessProbe")
        if probe is None or self._asked(probe):
            running.ready, running.failures = True, 0
        else:
            running.failures += 1
            running.ready = running.ready and running.failures < _FAILURES
        return running.ready

    def _asked(self, probe: spec.Probe) -> bool:
        # From the node's side, as a kubelet does: the proxy's rules are for other clients' ports.
        try:
            stream = self.host.network.connect(self.address, probe.port, _PROBE_SECONDS)
        except (OSError, NodeError):
            return False
        client = http.client.HTTPConnection(self.address, probe.port, timeout=_PROBE_SECONDS)
        client.sock = stream
        with contextlib.closing(client):
            if probe.path is None:
                return True
            try:
                client.request("GET", probe.path)
                return client.getresponse().status < 400
            except (OSError, http.client.HTTPException):
                return False

    def _start(self, container: Manifest) -> _Running:
        command = self._command(container)
        with (self.folder / f"{container['name']}.log").open("ab") as log:
            # Whoever it runs as may open /dev/stdout, as a runtime arranges it.
            os.fchmod(log.fileno(), 0o666)
            process = self.host.processes.start(self._network(), *command, log)
        running = _Running(process, time.monotonic())
        self._running[container["name"]] = running
        self._states[container["name"]] = {"running": {"startedAt": _now()}}
        return running

    def _network(self) -> NodeNetwork:
        if self.network is None:
            raise NodeError(f"{self.name} has not started")
        return self.network

    def _command(
        self, container: Manifest, given: Sequence[str] = ()
    ) -> tuple[list[str], dict[str, str]]:
        values = spec.environment(self.pod, container, self.place, self._data)
        line = list(given) or spec.command(
            container, values, self.host.images, self.host.programs.keys()
        )
        return spec.script(
            line,
            spec.mounts(container),
            spec.user(self.pod, container),
            self.folder,
            self.host.folder / "lib",
            self.host.files,
        ), values

    def _data(self, kind: str, name: str) -> Mapping[str, str]:
        while (data := self.host.cluster.data(kind, self.namespace, name)) is None:
            if self._ending.wait(_LATER):
                raise NodeError(f"{kind}/{name} is not there")
        return data

    def _execute(
        self, command: Sequence[str], container: str = "", stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        chosen = next(
            each
            for each in self.pod["spec"]["containers"]
            if not container or each["name"] == container
        )
        line, values = self._command(chosen, command)
        return self.host.processes.start(
            self._network(),
            line,
            values,
            subprocess.PIPE,
            stdin=stdin,
            errors=subprocess.PIPE,
        )

    def _publish(self, phase: str, *, ready: bool) -> None:
        said = (phase, ready, json.dumps(self._states), json.dumps(self._restarts))
        if said == self._said:
            return
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}/status"
        status = spec.status(
            self.pod,
            self.place,
            self.host.node_address,
            _now(),
            phase=phase,
            ready=ready,
            states=self._states,
            restarts=self._restarts,
        )
        answer = self.host.api.request(
            "PATCH",
            path,
            {"metadata": {"uid": self.pod["metadata"]["uid"]}, "status": status},
            content_type="application/merge-patch+json",
        )
        if answer.ok:
            self._said, self.pod = said, answer.body

    def _finish(self) -> None:
        """Drain, end the programs, and let the API server forget the pod."""
        if not self.failed and self._running:
            deadline = time.monotonic() + spec.drain(self.pod, self.host.drain_seconds)
            while time.monotonic() < deadline and not self.failed:
                time.sleep(_SOON)
        sidecars = [each["name"] for each in self.pod["spec"].get("initContainers", [])]
        self._stop([name for name in self._running if name not in sidecars])
        self._stop([name for name in reversed(sidecars) if name in self._running])
        if self.network:
            self.network.close()
        shutil.rmtree(self.folder / "volumes", ignore_errors=True)
        if self.failed != "killed":
            forget(self.host.api, self.pod)

    def _stop(self, names: Sequence[str]) -> None:
        grace = 0.0 if self.failed else _GRACE_SECONDS
        running = [self._running[name].process for name in names]
        for process in running:
            signal_group(process, signal.SIGTERM if grace else signal.SIGKILL)
        deadline = time.monotonic() + grace
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.01, deadline - time.monotonic()))
            signal_group(process, signal.SIGKILL)
            process.wait(_GRACE_SECONDS)


@dataclass
class Loading:
    """Requests that are being sent; see `ProcessPod.loading`."""

    process: subprocess.Popen[bytes]
    wanted: LoadPlan
    _report: Report | None = None

    @property
    def report(self) -> Report:
        """What became of them; raises NodeError before it has ended."""
        if self._report is None:
            raise NodeError("the load has not ended")
        return self._report

    def finish(self, *, at_once: bool = True) -> Report:
        """Wait for the last request, and return the report. at_once: begin no further one."""
        if self._report is None:
            left = self.wanted.timeout + (5.0 if at_once else self.wanted.seconds + 5.0)
            stdin = self.process.stdin
            if not at_once:
                # An open pipe means: go on. communicate would close it.
                self.process.stdin = None
            try:
                out, err = self.process.communicate(timeout=left + 10)
            finally:
                signal_group(self.process, signal.SIGKILL)
                if stdin:
                    stdin.close()
            if self.process.returncode:
                raise NodeError(f"load: {err.decode().strip()}")
            self._report = Report.read(json.loads(out))
        return self._report

    def __enter__(self) -> Loading:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()


def forget(api: Client, pod: Manifest) -> None:
    """Delete a pod at once, unless another of its name has taken its place."""
    namespace, name = spec.name_of(pod)
    body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
    api.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", body)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
