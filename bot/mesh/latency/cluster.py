"""Runs in a cluster: Jobs against a server of our own, in a namespace that lasts as long as they.

Nothing is written outside of that namespace.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.clients.https import Client, Unreadable
from bot.clients.kubernetes import Manifest, condition, get_object, list_objects, refusal
from bot.exit_codes import BadInputError, BotError, RefusedError
from bot.mesh.latency import fortio, objects
from bot.mesh.latency.model import Load, Measured, Usage, Variant
from bot.mesh.latency.objects import LABEL, LOAD, NAMESPACE, RUN_LABEL
from bot.mesh.rollout.reader import proxy
from components.placement import Toleration

_NAMESPACES = "/api/v1/namespaces"
_OWN = f"{_NAMESPACES}/{NAMESPACE}"
_PODS, _SERVICES = f"{_OWN}/pods", f"{_OWN}/services"
_JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
_CONFLICT, _NOT_FOUND = 409, 404
_PULLING = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_STUCK = ("CreateContainerConfigError", "CreateContainerError", "CrashLoopBackOff")
_SAMPLE = r"^{}(?:\{{[^}}\n]*\}})? (\S+)$"
_CPU = re.compile(_SAMPLE.format("process_cpu_seconds_total"), re.MULTILINE)
_MEMORY = re.compile(_SAMPLE.format("process_resident_memory_bytes"), re.MULTILINE)


@dataclass(frozen=True)
class BenchSetting:
    """What is to be run where. start: seconds that a pod may take until it runs."""

    stack: str
    image: str
    client: str
    server: str
    tolerations: Sequence[Toleration] = ()
    cni: bool = False
    start: float = 180.0
    pause: float = 1.0


@dataclass
class ClusterBench:
    """A namespace with two servers; `close` deletes it."""

    api: Client
    setting: BenchSetting
    load: Load
    run: str = field(default_factory=lambda: secrets.token_hex(4))

    def open(self) -> None:
        """Make the namespace and the servers, and wait for these.

        Raises RefusedError where the namespace is there already, and BotError.
        """
        manifest = objects.namespace(self.setting.stack, self.run, cni=self.setting.cni)
        answer = self.api.request("POST", _NAMESPACES, manifest, seconds=30)
        if answer.status == _CONFLICT:
            raise RefusedError(_taken(self.api))
        if not answer.ok:
            raise Unreadable(refusal(self.api, _NAMESPACES, answer), answer.status)
        self._account()
        for name in (objects.server_of("none"), objects.server_of("both")):
            self._make(_SERVICES, objects.service(name))
            setting = self.setting
            self._make(
                _PODS, objects.server(name, setting.image, setting.server, setting.tolerations)
            )
        for name in (objects.server_of("none"), objects.server_of("both")):
            pod = self._wait(lambda name=name: self._pod(name), _is_ready, f"pod {name}")  # type: ignore[misc]
            _check_proxy(pod, meshed=name == objects.server_of("both"))

    def measure(self, variant: Variant, number: int) -> Measured:
        """One run; raises BotError."""
        name = f"load-{variant}-{number}"
        setting = self.setting
        self._make(
            _JOBS,
            objects.job(
                name, variant, setting.image, setting.client, self.load, setting.tolerations
            ),
        )
        pod = self._wait(lambda: self._pod_of(name), _load_runs, f"the pod of Job {name}")
        _check_proxy(pod, meshed=variant == "both")
        own = pod["metadata"]["name"]
        watched = {
            "server": objects.server_of(variant) if variant != "none" else "",
            "client": own if variant == "both" else "",
        }
        meters = {side: Meter(self.api, pod) for side, pod in watched.items() if pod}
        for each in meters.values():
            each.read()
        state = self._ended(own, meters)
        output = self._log(own)
        if state.get("exitCode") and "{" not in output.splitlines():
            last = next((each for each in reversed(output.splitlines()) if each), "nothing")
            raise BotError(f"Job {name}: the load generator failed: {last[:300]}")
        self.api.request(
            "DELETE", f"{_JOBS}/{name}", {"propagationPolicy": "Background"}, seconds=30
        )
        seen = fortio.measured(output)
        usage = {side: each.usage() for side, each in meters.items()}
        return replace(seen, client=usage.get("client"), server=usage.get("server"))

    def close(self, seconds: float = 120.0) -> str:
        """Delete the namespace of this run, and no other; what is left of it, in words."""
        found = self.api.request("GET", _OWN, seconds=30)
        metadata = found.body["metadata"] if found.ok else {}
        # The answer to making it may have been lost to a signal.
        if found.ok and (metadata.get("labels") or {}).get(RUN_LABEL) != self.run:
            return ""
        if not found.ok:
            return "" if found.status == _NOT_FOUND else _kept(self.setting.stack, found.why)
        return remove(self.api, self.setting.stack, metadata["uid"], seconds, self.setting.pause)

    def _account(self) -> None:
        """A pod is refused before its namespace has the account `default`."""
        path = f"{_OWN}/serviceaccounts/default"
        self._wait(lambda: get_object(self.api, path), bool, "the account `default`")

    def _make(self, path: str, manifest: Manifest) -> None:
        answer = self.api.request("POST", path, manifest, seconds=30)
        if not answer.ok:
            raise Unreadable(refusal(self.api, path, answer), answer.status)

    def _pod(self, name: str) -> Manifest | None:
        return get_object(self.api, f"{_PODS}/{name}")

    def _pod_of(self, job: str) -> Manifest | None:
        found = list_objects(self.api, _PODS, label=f"app={job}")
        return found[0] if found else None

    def _wait(self, ask: Callable[[], Any], holds: Callable[[Any], bool], what: str) -> Any:
        deadline = time.monotonic() + self.setting.start
        while True:
            found = ask()
            if found and isinstance(found, dict):
                _check_stuck(found, what)
            if found and holds(found):
                return found
            if time.monotonic() > deadline:
                raise BotError(
                    f"{what}: not there after {self.setting.start:.0f} s{self._why(found)}"
                )
            time.sleep(self.setting.pause)

    def _why(self, pod: Manifest | None) -> str:
        """What the cluster says about a pod that does not start."""
        if pod:
            ready, said = condition(pod, "PodScheduled")
            return "" if ready else f": {said}"
        events = list_objects(self.api, f"{_OWN}/events")
        refused = [each for each in events if each.get("reason") == "FailedCreate"]
        return f": {refused[-1].get('message', '')}" if refused else ""

    def _ended(self, pod: str, meters: dict[str, Meter]) -> Manifest:
        """How the load ended, with the meters read as long as it ran."""
        deadline = time.monotonic() + self.load.seconds + self.setting.start
        while True:
            found = self._pod(pod)
            if found is None:
                raise BotError(f"pod {pod}: is gone before its run ended")
            if ended := _state(found).get("terminated"):
                return dict(ended)
            for each in meters.values():
                each.read()
            if time.monotonic() > deadline:
                raise BotError(f"pod {pod}: its run did not end in time")
            time.sleep(self.setting.pause)

    def _log(self, pod: str) -> str:
        path = f"{_PODS}/{pod}/log?container={LOAD}"
        answer = self.api.request("GET", path, seconds=30)
        if not answer.ok:
            raise Unreadable(refusal(self.api, path, answer), answer.status)
        # A log that is JSON as a whole is decoded by the client.
        return answer.body if isinstance(answer.body, str) else json.dumps(answer.body, indent=2)


@dataclass
class Meter:
    """CPU and memory of the proxy in a pod, by its own metrics, read through the API server."""

    api: Client
    pod: str
    seen: list[tuple[float, float, float]] = field(default_factory=list)

    def read(self) -> None:
        """Add what it says now; nothing where it does not answer."""
        path = f"{_PODS}/{self.pod}:4191/proxy/metrics"
        answer = self.api.request("GET", path, seconds=5)
        text = answer.body if answer.ok and isinstance(answer.body, str) else ""
        cpu, memory = _CPU.search(text), _MEMORY.search(text)
        if cpu and memory:
            self.seen.append((time.monotonic(), float(cpu[1]), float(memory[1])))

    def usage(self) -> Usage | None:
        """Over the time that was watched; None with fewer than two answers."""
        if len(self.seen) < 2:
            return None
        (start, first, _), (end, last, _) = self.seen[0], self.seen[-1]
        return Usage((last - first) / (end - start), max(memory for _, _, memory in self.seen))


def nodes(api: Client, client: str | None, server: str | None) -> tuple[str, str]:
    """The nodes of clients and server: those that were named, else the first two that take pods.

    Raises BadInputError for one that is not there or not ready, RefusedError where none takes pods.
    """
    every = {each["metadata"]["name"]: each for each in list_objects(api, "/api/v1/nodes")}
    ready = sorted(name for name, each in every.items() if _takes_pods(each))
    for option, name in (("--client-node", client), ("--server-node", server)):
        if name is not None and name not in every:
            known = ", ".join(sorted(every)[:10]) or "none"
            raise BadInputError(f"{option} {name}: the cluster has no such node; known: {known}")
        if name is not None and not condition(every[name])[0]:
            raise BadInputError(f"{option} {name}: this node is not ready")
    if not ready and not (client and server):
        raise RefusedError(
            "no node is ready and without taints: name two with --client-node and --server-node, "
            "and tolerate their taints with placement.tolerations"
        )
    first = client or ready[0]
    return first, server or next((each for each in ready if each != first), first)


def left_over(api: Client) -> Manifest | None:
    """The namespace of another run; None where there is none. Raises RefusedError for another's."""
    found = get_object(api, _OWN)
    if found is not None and LABEL not in (found["metadata"].get("labels") or {}):
        raise RefusedError(_not_ours())
    return found


def remove(api: Client, stack: str, uid: str, seconds: float, pause: float = 1.0) -> str:
    """Delete the namespace with this uid, and no other; what is left, empty where nothing is."""
    body = {"preconditions": {"uid": uid}, "propagationPolicy": "Foreground"}
    answer = api.request("DELETE", _OWN, body, seconds=30)
    if answer.status in (_NOT_FOUND, _CONFLICT):
        return ""
    if not answer.ok:
        return _kept(stack, answer.why)
    deadline = time.monotonic() + seconds
    while True:
        found = api.request("GET", _OWN, seconds=10)
        if found.status == _NOT_FOUND or (found.ok and found.body["metadata"].get("uid") != uid):
            return ""
        if time.monotonic() > deadline:
            return _kept(stack, "the cluster is still deleting it")
        time.sleep(pause)


def _kept(stack: str, why: str) -> str:
    again = f"python -m bot latency --stack {stack} --clean"
    return f"namespace {NAMESPACE} ({why}): look again with `{again}`"


def _taken(api: Client) -> str:
    found = get_object(api, _OWN)
    owner = ((found or {}).get("metadata") or {}).get("labels", {}).get(LABEL)
    if owner is None:
        return _not_ours()
    return (
        f"namespace {NAMESPACE} is there: another run is under way, or left it: wait for its end, "
        f"or delete it with `python -m bot latency --stack {owner} --clean`"
    )


def _not_ours() -> str:
    return (
        f"namespace {NAMESPACE} is there without the label {LABEL}, so it is somebody else's: "
        "nothing is run in it, and it is not deleted"
    )


def _takes_pods(node: Manifest) -> bool:
    spec = node.get("spec") or {}
    taints = [each for each in spec.get("taints") or () if each.get("effect") != "PreferNoSchedule"]
    return condition(node)[0] and not spec.get("unschedulable") and not taints


def _check_proxy(pod: Manifest, *, meshed: bool) -> None:
    """A pod that has a proxy, or none, against its annotation would make the figures a lie."""
    has = proxy(pod["spec"]) is not None
    if has != meshed:
        name = pod["metadata"]["name"]
        told = "got no proxy: the injector did not see it" if meshed else "got a proxy all the same"
        raise BotError(f"pod {name}: {told}: look at `bot status`, checks control-plane/webhooks")


def _check_stuck(pod: Manifest, what: str) -> None:
    status = pod.get("status") or {}
    every = [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]
    for each in every:
        waiting = (each.get("state") or {}).get("waiting") or {}
        reason, said = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _PULLING:
            raise BotError(
                f"{what}: image {each.get('image', '')} cannot be pulled ({reason}): set `images` "
                "in the stack file to a mirror that has it, or give --image"
            )
        if reason in _STUCK:
            raise BotError(f"{what}: container {each.get('name')}: {reason}: {said[:300]}")
    if status.get("phase") == "Failed" and not _state(pod):
        said = status.get("message") or status.get("reason") or "no reason given"
        raise BotError(f"{what}: failed: {said}")


def _is_ready(pod: Manifest) -> bool:
    return condition(pod)[0]


def _load_runs(pod: Manifest) -> bool:
    state = _state(pod)
    return "running" in state or "terminated" in state


def _state(pod: Manifest) -> Manifest:
    """The state of the container with the load, empty before it began."""
    for each in (pod.get("status") or {}).get("containerStatuses") or ():
        if each["name"] == LOAD:
            return dict(each.get("state") or {})
    return {}
