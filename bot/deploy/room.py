"""Whether the cluster's nodes let the control plane run: asked at the preview, as a warning.

With `linkerd.ha` each replica needs a node of its own; those without one wait for ever, and `up`
for them. It stops nothing: an autoscaler may bring the nodes.
https://kubernetes.io/docs/concepts/scheduling-eviction/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.changes.model import Change, ChangeSet, Op
from bot.clients.connect import cluster
from bot.clients.kubernetes import Manifest, list_objects
from bot.clients.target import Target
from bot.exit_codes import BotError
from bot.mesh.rollout import nodes
from components.names import LINKERD
from components.placement import PlacementSection, tolerations

_KEEPS_OUT = ("NoSchedule", "NoExecute")
_MOST = 3


def judged(target: Target, changes: ChangeSet) -> ChangeSet:
    """The changes with a warning where pods of the control plane would find too few nodes."""
    config = target.config
    if config.cluster is None or not any(map(_runs, changes.changes)):
        return changes
    try:
        with cluster(target) as api:
            there = list_objects(api, "/api/v1/nodes")
    except BotError:
        return changes  # what else is asked of the cluster says so
    found = {each["metadata"]["name"]: why_not(each, config.placement) for each in there}
    wanted = config.linkerd.replicas if config.linkerd.ha else 1
    fitting = sum(not why for why in found.values())
    if fitting >= wanted:
        return changes
    unfit = [f"{name}: {why}" for name, why in sorted(found.items()) if why]
    told = f"{fitting} of {len(there)} nodes can run the control plane"
    if config.linkerd.ha:
        told += f", and linkerd.ha puts each of {wanted} replicas on a node of its own"
    if unfit:
        more = f" and {len(unfit) - _MOST} more" if len(unfit) > _MOST else ""
        told += f" ({'; '.join(unfit[:_MOST])}{more})"
    told += ": pods wait for nodes; set linkerd.ha: false, or placement to what the nodes are"
    return changes.model_copy(update={"warnings": (*changes.warnings, told)})


def _runs(change: Change) -> bool:
    made = change.op in (Op.CREATE, Op.REPLACE, Op.UPDATE)
    return made and change.kind == "Deployment" and change.namespace == LINKERD


def why_not(node: Manifest, placement: PlacementSection) -> str:
    """Why no pod of the platform gets onto a node; empty where it may."""
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    spec = node.get("spec") or {}
    if spec.get("unschedulable"):
        return "is cordoned"
    if why := nodes.no_proxy({key: {value} for key, value in labels.items()}):
        return why
    for key, value in placement.node_selector.items():
        if labels.get(key) != value:
            return f"lacks the label {key}={value}"
    allowed = tolerations(placement)
    for taint in spec.get("taints") or ():
        if taint.get("effect") in _KEEPS_OUT and not any(
            _tolerates(each, taint) for each in allowed
        ):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"taint {taint['key']}{value}:{taint['effect']}"
    return ""


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, taint["effect"]):
        return False
    if toleration.get("key") not in (None, taint["key"]):
        return False
    same = (toleration.get("value") or "") == (taint.get("value") or "")
    return toleration.get("operator") == "Exists" or same
