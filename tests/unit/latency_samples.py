"""Reports of fortio, and a cluster in which the Jobs of a measurement run at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.clients.https import Answer
from bot.mesh.latency.model import LatencyReport, Load, Measured, Run, Usage, Variant
from bot.mesh.latency.objects import NAMESPACE

OWN = f"/api/v1/namespaces/{NAMESPACE}"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
SAID = '{"ts":1.2,"level":"info","msg":"Log level is now 4 Error (was 2 Info)"}'


def log(p50: float = 0.0005, codes: dict[str, int] | None = None, reached: float = 500.0) -> str:
    """What `fortio load -json=-` writes to both streams, in the form of fortio 1.66."""
    document = {
        "RunType": "HTTP",
        "ActualQPS": reached,
        "DurationHistogram": {
            "Count": 15000,
            "Data": [{"Start": 0.0001, "End": 0.0002, "Percent": 100, "Count": 15000}],
            "Percentiles": [
                {"Percentile": 50, "Value": p50},
                {"Percentile": 95, "Value": p50 * 2},
                {"Percentile": 99, "Value": p50 * 4},
            ],
        },
        "RetCodes": codes or {"200": 15000},
    }
    return f"{SAID}\nCode 200 : 15000 (100.0 %)\n{json.dumps(document, indent=2)}\nAll done\n"


def measured(p50: float, reached: float = 500.0, errors: int = 0) -> Measured:
    """One run, with a proxy of 60 us of CPU a request and 24 MiB at either side."""
    used = Usage(0.03, 24 * 2**20)
    return Measured({50: p50, 95: p50 * 2, 99: p50 * 4}, 15000, errors, reached, used, used)


def report(
    none: tuple[float, ...] = (0.6, 0.7, 0.65),
    server: tuple[float, ...] = (0.8, 0.9, 0.6),
    both: tuple[float, ...] = (1.1, 1.2, 1.25),
    **changes: Any,
) -> LatencyReport:
    """A report of three rounds with these medians in milliseconds."""
    given: dict[Variant, tuple[float, ...]] = {"none": none, "server": server, "both": both}
    runs = [
        Run(number, variant, measured(value))
        for variant, values in given.items()
        for number, value in enumerate(values, 1)
    ]
    places = {"client on": "a", "server on": "b"}
    made = {"load": Load(rounds=len(none)), "runs": runs, "places": places, **changes}
    return LatencyReport("staging", "east", **made)


@dataclass
class FakeCluster:
    """An API server whose pods run and end as soon as they are made.

    odd: answers to single requests, by method and path, instead of its own. injects: whether the
    injector heeds the annotation. logs: of each Job by its name. deleted_at: how many looks at a
    namespace that is being deleted it takes until it is gone.
    """

    odd: dict[tuple[str, str], Callable[[], Answer]] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=lambda: [node("a"), node("b")])
    injects: bool = True
    logs: Callable[[str], str] = lambda _: log()
    status: dict[str, Any] = field(default_factory=dict)
    namespace: dict[str, Any] | None = None
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    heard: list[tuple[str, str, Any]] = field(default_factory=list)
    deleting: bool = False
    cpu: float = 10.0
    looks: int = 0
    base: str = "https://api"

    def request(self, method: str, path: str, body: Any = None, **_: Any) -> Answer:
        """As `bot.clients.https.Client` has it."""
        self.heard.append((method, path, body))
        plain = path.partition("?")[0]
        if (method, plain) in self.odd:
            return self.odd[method, plain]()
        if method == "POST":
            return self._made(plain, body)
        if method == "DELETE":
            return self._deleted(plain, body)
        return self._got(plain, path)

    def _made(self, path: str, body: Any) -> Answer:
        if path == "/api/v1/namespaces":
            if self.namespace is not None:
                return Answer(409, {"message": "already exists"})
            self.namespace = body
            body["metadata"]["uid"] = "uid-1"
        elif path == f"{OWN}/pods":
            self._run(body["metadata"], body["spec"], body["metadata"]["name"])
        elif path == JOBS:
            template = body["spec"]["template"]
            self._run(template["metadata"], template["spec"], f"{body['metadata']['name']}-x")
        return Answer(201, body)

    def _run(self, metadata: dict[str, Any], spec: dict[str, Any], name: str) -> None:
        meshed = metadata["annotations"]["linkerd.io/inject"] == "enabled" and self.injects
        first = [{"name": "linkerd-proxy", "restartPolicy": "Always"}] if meshed else []
        spec = {**spec, "initContainers": [*first, *spec.get("initContainers", [])]}
        ended = {"terminated": {"exitCode": 0}}
        status = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": each["name"], "image": each["image"], "state": ended}
                for each in spec["containers"]
            ],
            **self.status,
        }
        labels = metadata.get("labels") or {}
        self.pods[name] = {
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": spec,
            "status": status,
        }

    def _deleted(self, path: str, body: Any) -> Answer:
        if path == OWN:
            if self.namespace is None:
                return Answer(404)
            if body["preconditions"]["uid"] != self.namespace["metadata"]["uid"]:
                return Answer(409)
            self.deleting = True
        return Answer(200, {})

    def _got(self, path: str, whole: str) -> Answer:
        if path == "/api/v1/nodes":
            return Answer(200, {"items": self.nodes})
        if path == OWN:
            if self.deleting:
                self.looks -= 1
            if self.namespace is None or (self.deleting and self.looks < 0):
                self.namespace = None
                return Answer(404)
            return Answer(200, self.namespace)
        if path == f"{OWN}/serviceaccounts/default":
            return Answer(200, {"metadata": {"name": "default"}})
        if path == f"{OWN}/events":
            return Answer(200, {"items": []})
        if path == f"{OWN}/pods":
            job = whole.partition("app%3D")[2]
            found = [
                each for each in self.pods.values() if each["metadata"]["labels"]["app"] == job
            ]
            return Answer(200, {"items": found})
        name = path.removeprefix(f"{OWN}/pods/")
        if name.endswith("/log"):
            return Answer(200, self.logs(name.removesuffix("-x/log")))
        if name.endswith(":4191/proxy/metrics"):
            self.cpu += 0.01
            return Answer(
                200,
                f"# HELP process_cpu_seconds_total x\nprocess_cpu_seconds_total {self.cpu}\n"
                "process_resident_memory_bytes 25165824\n",
            )
        if name not in self.pods:
            return Answer(404)
        asked = sum(heard[1] == path for heard in self.heard)
        return Answer(200, _running(self.pods[name]) if asked == 1 else self.pods[name])


def _running(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod as it is while its load runs."""
    every = pod["status"]["containerStatuses"]
    running = [{**each, "state": {"running": {}}} for each in every]
    return {**pod, "status": {**pod["status"], "containerStatuses": running}}


def node(name: str, *, ready: bool = True, **spec: Any) -> dict[str, Any]:
    """A node."""
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": [condition]}}
