"""Restarts workloads of a namespace one after another, each awaited; stops at the first failure.

What no restart on command replaces, such as a workload with OnDelete, is told and passed by.

A restart is what `kubectl rollout restart` does: a new time in an annotation of the pod template,
so the workload's own strategy and its disruption budgets hold.
https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/kubectl_rollout_restart/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.clients.https import Answer, Client
from bot.clients.kubernetes import NOT_FOUND
from bot.exit_codes import BotError
from bot.mesh.rollout.model import Restart
from bot.mesh.trust.model import PodOwner
from bot.mesh.trust.restart import KINDS, by_hand

ANNOTATION = "kubectl.kubernetes.io/restartedAt"
_PATCH = "application/strategic-merge-patch+json"
_PAUSE_SECONDS = 2.0
_SECONDS = 30.0


class RestartError(BotError):
    """A workload did not come up again; says which, and which were not begun."""


def order(restarts: Iterable[Restart]) -> tuple[list[PodOwner], list[PodOwner]]:
    """The workloads of these pods, in order, and those that are for a human.

    Deployments, then StatefulSets, then DaemonSets, as in the plan of a rotation. A Job ends by
    itself, a bare pod is made again by whoever made it.
    """
    owners = {each.pod.owner for each in restarts}
    mine = [each for kind in KINDS for each in sorted(owners) if each.kind == kind]
    return mine, sorted(each for each in owners if each.kind not in KINDS)


def run(
    api: Client,
    workloads: Sequence[PodOwner],
    say: Callable[[str], object],
    *,
    seconds: float,
    pause: float = _PAUSE_SECONDS,
) -> None:
    """Restart them one after another; raises RestartError, and then no further one is begun.

    seconds: for each workload. A workload that is not settled before is not begun either: it
    would hide what the restart does.
    """
    for at, each in enumerate(workloads):
        try:
            path = f"/apis/apps/v1/namespaces/{each.namespace}/{each.kind.lower()}s/{each.name}"
            there = _there(api, path)
            if why := by_hand(each.kind, there):
                say(f"{each}: for you to restart: {why}")
                continue
            _begin(api, each, path, there or {})
            say(f"{each}: restarting")
            _wait(api, each, path, seconds, pause)
            say(f"{each}: is up")
        except RestartError as error:
            rest = ", ".join(map(str, workloads[at + 1 :]))
            raise RestartError(f"{error}\nnot begun: {rest or 'none'}") from None


def _begin(api: Client, each: PodOwner, path: str, there: dict[str, Any]) -> None:
    if why := unsettled(each.kind, there):
        raise RestartError(f"{each}: is not settled before its restart: {why}")
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: stamp}}}}}
    answer = api.request("PATCH", path, body, content_type=_PATCH, seconds=_SECONDS)
    if not answer.ok:
        raise RestartError(f"{each}: the API server refuses the restart: {_said(answer)}")


def _get(api: Client, path: str) -> dict[str, Any]:
    found = _there(api, path)
    if found is None:
        raise RestartError(f"{path}: is gone")
    return found


def _there(api: Client, path: str) -> dict[str, Any] | None:
    answer = api.request("GET", path, seconds=_SECONDS)
    if answer.status == NOT_FOUND:
        return None
    if not answer.ok:
        raise RestartError(f"{path}: {_said(answer)}")
    return dict(answer.body)


def _said(answer: Answer) -> str:
    if isinstance(answer.body, dict) and answer.body.get("message"):
        return str(answer.body["message"])
    return answer.why


def _wait(api: Client, each: PodOwner, path: str, seconds: float, pause: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        why = unsettled(each.kind, _get(api, path))
        if not why:
            return
        if time.monotonic() + pause > deadline:
            raise RestartError(f"{each}: not up after {seconds:.0f} s: {why}")
        time.sleep(pause)


def unsettled(kind: str, manifest: dict[str, Any]) -> str:
    """Why a workload is not rolled out; empty where it is.

    The conditions of `kubectl rollout status`: kubectl pkg/polymorphichelpers/rollout_status.go.
    """
    spec, status = manifest["spec"], manifest.get("status") or {}
    if status.get("observedGeneration", 0) < manifest["metadata"].get("generation", 0):
        return "its controller has not seen the change yet"
    if kind == "DaemonSet":
        wanted, strategy = status.get("desiredNumberScheduled", 0), spec.get("updateStrategy") or {}
        updated = status.get("updatedNumberScheduled", 0)
        ready = status.get("numberAvailable", 0)
    else:
        wanted = 1 if spec.get("replicas") is None else spec["replicas"]
        strategy = (spec.get("updateStrategy") or {}) if kind == "StatefulSet" else {}
        updated = status.get("updatedReplicas", 0)
        ready = status.get("readyReplicas" if kind == "StatefulSet" else "availableReplicas", 0)
        if kind == "StatefulSet" and status.get("updateRevision") == status.get("currentRevision"):
            # With nothing left to update the controller may leave the count out.
            updated = max(updated, status.get("currentReplicas", 0))
    for each in status.get("conditions") or ():
        if each.get("reason") == "ProgressDeadlineExceeded":
            return str(each.get("message") or "its progress deadline is over")
    if updated < wanted:
        return f"{updated} of {wanted} pods are new"
    if kind == "Deployment" and status.get("replicas", 0) > updated:
        return f"{status['replicas'] - updated} old pods are still there"
    if ready < wanted:
        return f"{ready} of {wanted} pods are ready"
    return ""
