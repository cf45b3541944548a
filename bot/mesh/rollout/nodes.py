"""Nodes on which the pods of a wave could not be meshed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bot.mesh.rollout.model import Refusal, RolloutState, Surroundings, Template
from components.rollout.component import INJECT
from stack.config import StackConfig

_OLDEST_SIDECAR = (1, 29)
_ARCHITECTURES = ("amd64", "arm64")


def unfit(each: Template, seen: RolloutState, around: Surroundings) -> Iterator[Refusal]:
    """Where no proxy runs: another system or processor, virtual nodes, a runtime of its own.

    What a template asks for says it, or where its pods run: a Fargate profile, a runtime class or a
    toleration bring them to a node that no selector names.
    """
    who, told = "its node selector", no_proxy(_chosen(each))
    named = (each.spec.get("os") or {}).get("name", "linux")
    if named != "linux":
        told = _WINDOWS
    runtime = str(each.spec.get("runtimeClassName") or "")
    # linkerd2#10372, and #15611: the CNI plugin does not help.
    if not told and re.search(r"gvisor|runsc", runtime):
        who, told = f"runtime class {runtime}", "gVisor has no iptables for linkerd-init"
    if not told:
        owner = each.workload.partition("/")[0], each.workload.partition("/")[2]
        labels = {n["metadata"]["name"]: n["metadata"].get("labels") or {} for n in around.nodes}
        for pod in seen.pods:
            here = (pod.owner.kind.lower(), pod.owner.name) == owner
            if here and pod.namespace == each.namespace and pod.node in labels:
                found = {key: {value} for key, value in labels[pod.node].items()}
                if told := no_proxy(found):
                    who = f"node {pod.node}"
                    break
    if told:
        fix = f"set {INJECT}: disabled on its pod template, and name it in optOut"
        yield Refusal(each.namespace, each.workload, who, told, fix)


_WINDOWS = "it runs on Windows nodes, where there is no proxy"


def _chosen(each: Template) -> dict[str, set[str]]:
    """The labels of the nodes that a template may run on."""
    chosen = {key: {value} for key, value in (each.spec.get("nodeSelector") or {}).items()}
    affinity = (each.spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in terms.get("nodeSelectorTerms") or ():
        for row in term.get("matchExpressions") or ():
            if row.get("operator") == "In":
                chosen.setdefault(row["key"], set()).update(row.get("values") or ())
    return chosen


def no_proxy(labels: Mapping[str, set[str]]) -> str:
    """Why no proxy runs on nodes with these labels; empty where one does."""
    processor = labels.get("kubernetes.io/arch", {"amd64"})
    if "linux" not in labels.get("kubernetes.io/os", {"linux"}):
        return _WINDOWS
    if not processor & set(_ARCHITECTURES):
        return f"it runs on {', '.join(sorted(processor))} nodes, for which there is no proxy"
    virtual = "virtual-kubelet" in labels.get("type", ())
    if virtual or "fargate" in labels.get("eks.amazonaws.com/compute-type", ()):
        return "it runs on virtual nodes, which allow no NET_ADMIN"
    return ""


def too_old(config: StackConfig, around: Surroundings) -> str:
    """The first node whose kubelet is too old for native sidecars; empty where there is none."""
    if not config.linkerd.native_sidecar:
        return ""
    for each in around.nodes:
        version = (each.get("status") or {}).get("nodeInfo", {}).get("kubeletVersion", "")
        match = re.match(r"v(\d+)\.(\d+)", version)
        if match and (int(match[1]), int(match[2])) < _OLDEST_SIDECAR:
            return f"node {each['metadata']['name']} ({version})"
    return ""
