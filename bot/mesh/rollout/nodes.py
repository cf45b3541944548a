"""Nodes on which the pods of a wave could not be meshed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.mesh.rollout.model import Refusal, Surroundings, Template
from components.rollout.component import INJECT
from stack.config import StackConfig

_OLDEST_SIDECAR = (1, 29)
_ARCHITECTURES = ("amd64", "arm64")


def unfit(each: Template) -> Iterator[Refusal]:
    """Nodes on which no proxy runs: those of another system or processor, and virtual ones."""
    chosen = {key: {value} for key, value in (each.spec.get("nodeSelector") or {}).items()}
    affinity = (each.spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in terms.get("nodeSelectorTerms") or ():
        for row in term.get("matchExpressions") or ():
            if row.get("operator") == "In":
                chosen.setdefault(row["key"], set()).update(row.get("values") or ())
    system = chosen.get("kubernetes.io/os", {"linux"})
    processor = chosen.get("kubernetes.io/arch", {"amd64"})
    named = (each.spec.get("os") or {}).get("name", "linux")
    why = ""
    if "linux" not in system or named != "linux":
        why = "it runs on Windows nodes, where there is no proxy"
    elif not processor & set(_ARCHITECTURES):
        why = f"it runs on {', '.join(sorted(processor))} nodes, for which there is no proxy"
    elif "virtual-kubelet" in chosen.get("type", ()) or "fargate" in chosen.get(
        "eks.amazonaws.com/compute-type", ()
    ):
        why = "it runs on virtual nodes, which allow no NET_ADMIN"
    if why:
        fix = f"set {INJECT}: disabled on its pod template, and name it in optOut"
        yield Refusal(each.namespace, each.workload, "its node selector", why, fix)


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
