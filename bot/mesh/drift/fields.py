"""Fields that somebody added to a declared object: the engine looks at those we set, and no other.

Who set which field the API server keeps in `managedFields`; the values are not read. Only what
decides something is looked at: everything but metadata and status, and of labels and annotations
those that Linkerd and pod security read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.changes.model import Change
from bot.mesh.drift.declared import Declared
from bot.mesh.drift.inventory import Inventory, Item, Managed
from components.chart import WEBHOOK_KINDS
from components.traffic.values import RULES

Path = tuple[str, ...]

# The engine's provider, and Helm inside it. https://www.pulumi.com/registry/packages/kubernetes/
HELM = "pulumi-resource-kubernetes"
OURS = ("pulumi-kubernetes", HELM)
# Keys of metadata that decide something.
_DOMAINS = ("linkerd.io/", "pod-security.kubernetes.io/")
_OPENSHIFT_LABELS = (
    "cluster-policy-controller",
    "pod-security-admission-label-synchronization-controller",
)
_POD_SECURITY_WARNS = ("f:pod-security.kubernetes.io/warn", "f:pod-security.kubernetes.io/audit")
# Of `kubectl rollout restart`, of the console of OpenShift, and of Rancher's "Redeploy".
_RESTARTED = (
    "f:kubectl.kubernetes.io/restartedAt",
    "f:openshift.openshift.io/restartedAt",
    "f:cattle.io/timestamp",
)
_AUTOPILOT = "autopilot.gke.io/resource-adjustment"


@dataclass(frozen=True)
class FieldOwner:
    """Fields that others set by right: which, and why."""

    why: str
    applies: Callable[[Item, Managed, Path], bool]


ROWS: tuple[FieldOwner, ...] = (
    FieldOwner(
        "cainjector gives webhooks and API services their CA",
        lambda _item, entry, path: (
            entry.manager.endswith("cainjector") and path[-1] == "f:caBundle"
        ),
    ),
    FieldOwner(
        "`kubectl rollout restart` leaves the time, as the runbooks have it, and so do consoles",
        lambda _item, _entry, path: path[0] == "f:spec" and path[-1] in _RESTARTED,
    ),
    FieldOwner(
        "an autoscaler sets the replicas through their own subresource",
        lambda _item, entry, path: entry.subresource == "scale" and path[-1] == "f:replicas",
    ),
    FieldOwner(
        "the API server and its controllers finish what they serve",
        lambda _item, entry, _path: entry.manager.startswith(("kube-apiserver", "kube-controller")),
    ),
    FieldOwner(
        "aggregated roles get their rules from others",
        lambda _item, entry, path: (
            entry.manager == "clusterrole-aggregation-controller" and path[0] == "f:rules"
        ),
    ),
    FieldOwner(
        "AKS takes its own namespaces out of what a webhook looks at",
        lambda item, entry, path: (
            entry.manager == "admissionsenforcer"
            and item.kind.kind in WEBHOOK_KINDS
            and "f:namespaceSelector" in path
        ),
    ),
    FieldOwner(
        "OpenShift gives every account a login to its own registry",
        lambda item, entry, path: (
            entry.manager.startswith("openshift-controller-manager")
            and item.kind.kind == "ServiceAccount"
            and path[0] in ("f:imagePullSecrets", "f:secrets")
        ),
    ),
    FieldOwner(
        "OpenShift says at which level of pod security it would warn",
        lambda item, entry, path: (
            entry.manager.startswith(_OPENSHIFT_LABELS)
            and item.kind.kind == "Namespace"
            and path[-1].startswith(_POD_SECURITY_WARNS)
        ),
    ),
    FieldOwner(
        "Argo Rollouts moves the weights of a route that the stack file leaves to it",
        lambda item, entry, path: (
            RULES in item.annotations
            and path[:2] == ("f:spec", "f:rules")
            and not entry.manager.startswith("kubectl")
        ),
    ),
)


# Expressions by which a cloud takes its own namespaces out of what a webhook looks at: GKE
# Autopilot at admission, so that the writer seems to be us, and AKS afterwards.
_CLOUDS_NAMESPACES = ("kube-", "gke-", "gmp-", "asm-", "anthos-", "config-management-")
_AKS_KEYS = ("control-plane", "kubernetes.azure.com/managedby")


def excluded_by_the_cloud(change: Change) -> bool:
    """Whether all that differs is that webhooks no longer look at namespaces of the cloud's own."""
    before, after = change.before, change.after
    if not change.type.endswith(WEBHOOK_KINDS) or before is None or after is None:
        return False
    declared, there = ([*(side.get("webhooks") or ())] for side in (before, after))
    if len(declared) != len(there) or {**before, "webhooks": 0} != {**after, "webhooks": 0}:
        return False
    pairs = [*zip(declared, there, strict=True)]
    return before != after and all(_same_but_for_the_cloud(*each) for each in pairs)


def adjusted_by_autopilot(change: Change) -> bool:
    """Whether all that differs is what GKE Autopilot gives to containers at admission, and notes.

    https://cloud.google.com/kubernetes-engine/docs/concepts/autopilot-resource-requests
    """
    before, after = change.before, change.after
    if before is None or after is None or before == after:
        return False
    if _AUTOPILOT not in (change.metadata.get("annotations") or {}):
        return False
    return _without_resources(before) == _without_resources(after)


def _without_resources(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    template = (manifest.get("spec") or {}).get("template") or {}
    pod = template.get("spec") or {}
    made = {
        key: [{**each, "resources": 0} for each in pod.get(key) or ()]
        for key in ("containers", "initContainers")
    }
    spec = {**(manifest.get("spec") or {}), "template": {**template, "spec": {**pod, **made}}}
    metadata = manifest.get("metadata") or {}
    notes = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if not key.startswith("autopilot.gke.io/")
    }
    return {**manifest, "metadata": {**metadata, "annotations": notes}, "spec": spec}


def left_to_a_rollout(change: Change) -> bool:
    """Whether all that differs is the rules of a route whose weights the stack file leaves to Argo.

    They are one atomic list: with the first weight that it moves, all of them are its own.
    """
    before, after = change.before, change.after
    if before is None or after is None or RULES not in (change.metadata.get("annotations") or {}):
        return False
    sides = [{**side, "spec": {**(side.get("spec") or {}), "rules": 0}} for side in (before, after)]
    return sides[0] == sides[1]


# Of what the engine sees, what others have changed by right.
BY_RIGHT: tuple[Callable[[Change], bool], ...] = (
    excluded_by_the_cloud,
    adjusted_by_autopilot,
    left_to_a_rollout,
)


def _same_but_for_the_cloud(declared: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    ours, theirs = (each.get("namespaceSelector") or {} for each in (declared, there))
    wanted, found = (list(each.get("matchExpressions") or ()) for each in (ours, theirs))
    others = [each for each in found if each not in wanted]
    rest = {"namespaceSelector": 0}
    return (
        {**declared, **rest} == {**there, **rest}
        and (ours.get("matchLabels") or {}) == (theirs.get("matchLabels") or {})
        and all(each in found for each in wanted)
        and all(map(_is_the_clouds, others))
    )


def _is_the_clouds(expression: Mapping[str, Any]) -> bool:
    key, values = expression.get("key"), expression.get("values") or ()
    if key in _AKS_KEYS:
        return expression.get("operator") in ("NotIn", "DoesNotExist")
    named = key == "kubernetes.io/metadata.name" and expression.get("operator") == "NotIn"
    return named and all(str(each).startswith(_CLOUDS_NAMESPACES) for each in values)


@dataclass(frozen=True)
class AddedFields:
    """Fields of a declared object that somebody else has set, with who and when."""

    item: Item
    manager: str
    time: str
    paths: tuple[str, ...]


def added(declared: Declared, inventory: Inventory) -> tuple[AddedFields, ...]:
    """The fields of declared objects that are neither ours nor a controller's."""
    found = []
    for item in inventory.items:
        if item.key not in declared:
            continue
        ours = {path for each in item.managed if _is_ours(each) for path in leaves(each.fields)}
        for entry in item.managed:
            if entry.subresource == "status" or _is_ours(entry):
                continue
            paths = [
                path
                for path in leaves(entry.fields)
                if path not in ours
                and _decides(path)
                and not any(row.applies(item, entry, path) for row in ROWS)
            ]
            if paths:
                shown = tuple(sorted(map(_shown, paths)))
                found.append(AddedFields(item, entry.manager, entry.time, shown))
    return tuple(found)


def _is_ours(entry: Managed) -> bool:
    return entry.manager.startswith(OURS)


def _decides(path: Path) -> bool:
    if path[0] != "f:metadata":
        return path[0] != "f:status"
    return path[1:2] in (("f:labels",), ("f:annotations",)) and any(
        domain in path[-1] for domain in _DOMAINS
    )


def leaves(fields: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    """The fields of an entry that have no fields below them.

    The key of a list's entry is none: who adds `k:{"name":"a"}` sets `f:name` too.
    https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
    """
    for name, below in fields.items():
        if name == ".":
            continue
        if below:
            yield from leaves(below, (*above, name))
        elif not (above and above[-1].startswith("k:{") and f'"{name[2:]}":' in above[-1]):
            yield (*above, name)


def _shown(path: Path) -> str:
    """`spec.template.spec.containers[name=web].args`."""
    text = ""
    for part in path:
        kind, _, rest = part.partition(":")
        if kind == "f":
            text += f".{rest}" if rest.replace("-", "").isalnum() else f'["{rest}"]'
        else:
            text += f"[{rest.strip('{}').replace(chr(34), '').replace(':', '=')}]"
    return text.lstrip(".")
