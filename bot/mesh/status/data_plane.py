"""The data plane: proxies are ready, and what configures them is where Linkerd reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from bot.clients.kubernetes import Manifest, moment, place
from bot.mesh.status import opaque_ports
from bot.mesh.status.facts import Facts
from bot.mesh.status.model import CheckResult, Subject, ok, warn
from bot.mesh.status.model import fail as failed
from bot.mesh.status.objects import annotations_of, labels, meshed_pods, proxy_ready, running, some
from components.names import LINKERD_VIZ

SUBJECT = Subject("data-plane")
RUNBOOK = "docs/runbooks/alerts/control-plane.md"
# A pod that starts is not ready for a moment.
STARTS = timedelta(minutes=5)
# linkerd2 pkg/healthcheck/healthcheck_labels.go
INJECT = "linkerd.io/inject"
CONFIG = ("config.linkerd.io", "config.alpha.linkerd.io")
EXPORTED = "mirror.linkerd.io/exported"
_ANNOTATIONS = "https://linkerd.io/2/reference/proxy-configuration/"


@SUBJECT.check("proxies")
def proxies(facts: Facts) -> CheckResult:
    """The proxy of every pod is ready, but for pods that start."""
    return judge_proxies(facts, [p for p in meshed_pods(facts) if not _viz(p)], RUNBOOK)


@SUBJECT.check("pod-labels")
def pod_labels(facts: Facts) -> CheckResult:
    """Nothing that Linkerd reads from annotations is a label of a pod."""
    return _labels(facts.objects("pods"), "pods")


@SUBJECT.check("service-labels")
def service_labels(facts: Facts) -> CheckResult:
    """Nothing that Linkerd reads from annotations is a label of a Service."""
    return _labels(facts.objects("services"), "Services")


@SUBJECT.check("service-annotations")
def service_annotations(facts: Facts) -> CheckResult:
    """A Service is exported by a label, not by an annotation."""
    odd = {place(each) for each in facts.objects("services") if EXPORTED in annotations_of(each)}
    if odd:
        return warn(f"{EXPORTED} is to be a label: {some(odd)}", "make it a label of the Service")
    return ok("none is to be a label")


@SUBJECT.check("opaque-ports")
def opaque(facts: Facts) -> CheckResult:
    """A port that is opaque for a pod is so for the Services before it, and the other way round."""
    pods = {place(each): each for each in facts.objects("pods")}
    behind: dict[str, set[str]] = defaultdict(set)
    for each in facts.objects("endpointslices"):
        service = labels(each).get("kubernetes.io/service-name")
        namespace = each["metadata"]["namespace"]
        for endpoint in each.get("endpoints") or ():
            target = endpoint.get("targetRef") or {}
            if service and target.get("kind") == "Pod":
                behind[f"{namespace}/{service}"].add(f"{namespace}/{target['name']}")
    odd = {
        fault
        for service in facts.objects("services")
        if service["spec"].get("clusterIP") != "None"
        for name in sorted(behind[place(service)] & pods.keys())
        for fault in opaque_ports.faults(service, pods[name])
    }
    if odd:
        return warn(some(odd), f"set {opaque_ports.ANNOTATION} on both: {_ANNOTATIONS}")
    return ok("Services and pods agree")


def judge_proxies(facts: Facts, pods: Iterable[Manifest], next_: str) -> CheckResult:
    """The proxies of some pods are ready; one that has had time to start, and is not, fails."""
    every = [each for each in pods if running(each)]
    odd = {place(each): each for each in every if not proxy_ready(each)}
    late = {name for name, each in odd.items() if _age(facts, each) > STARTS}
    if late:
        return failed(f"the proxy is not ready: {some(late)}", next_)
    if odd:
        return warn(f"the proxy starts: {some(odd)}", next_)
    return ok(f"{len(every)} ready" if every else "there is none")


def _age(facts: Facts, pod: Manifest) -> timedelta:
    since = (pod.get("status") or {}).get("startTime") or pod["metadata"]["creationTimestamp"]
    return facts.now - moment(since)


def _viz(pod: Manifest) -> bool:
    return bool(pod["metadata"]["namespace"] == LINKERD_VIZ)


def _labels(objects: Iterable[Manifest], what: str) -> CheckResult:
    odd = {
        f"{place(each)} ({key})"
        for each in objects
        for key in labels(each)
        if key == INJECT or key.startswith(CONFIG)
    }
    if odd:
        return warn(f"labels that are to be annotations: {some(odd)}", _ANNOTATIONS)
    return ok(f"none on {what} is to be an annotation")
