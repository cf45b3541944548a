"""In production each part of the control plane survives the loss of a node, and a drain.

https://linkerd.io/2/features/ha/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.model import Context, Subject, objects
from policies.values import items, mapping, told, value

NAMESPACE = "linkerd"
COMPONENT_LABEL = "linkerd.io/control-plane-component"
MIN_REPLICAS = 3
_HOST = "kubernetes.io/hostname"
_LABELS = ("spec", "template", "metadata", "labels")
_ANTI_AFFINITY = ("spec", "template", "spec", "affinity", "podAntiAffinity")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def ha_replicas(subject: Subject, context: Context) -> Iterator[str]:
    """Three replicas of each Deployment of the control plane."""
    if context.production and _is_control_plane(subject):
        replicas = _replicas(subject)
        if replicas < MIN_REPLICAS:
            yield f"spec.replicas is {replicas}, and production needs {MIN_REPLICAS}"


def ha_anti_affinity(subject: Subject, context: Context) -> Iterator[str]:
    """No two of them on one node."""
    if not context.production or not _is_control_plane(subject):
        return
    labels = mapping(subject.props, *_LABELS)
    terms = items(subject.props, *_ANTI_AFFINITY, _REQUIRED)
    if not any(
        value(term, "topologyKey") == _HOST and _selects(value(term, "labelSelector"), labels)
        for term in terms
    ):
        yield f"two of its pods may share a node: no {_REQUIRED} over {_HOST} selects them"


def ha_disruption_budget(
    subjects: Sequence[Subject], context: Context
) -> Iterator[tuple[Subject, str]]:
    """A PodDisruptionBudget for each, so that a drain takes them one after another."""
    if not context.production:
        return
    budgets = [b for b in objects(subjects, "PodDisruptionBudget") if b.namespace == NAMESPACE]
    for subject in filter(_is_control_plane, subjects):
        labels = mapping(subject.props, *_LABELS)
        matching = [b for b in budgets if _selects(value(b.props, "spec", "selector"), labels)]
        if not matching:
            yield subject, "no PodDisruptionBudget selects its pods"
        for budget in matching:
            if not _keeps_one(budget, _replicas(subject)):
                yield budget, f"lets every pod of {subject.object_name} be evicted at once"


def _is_control_plane(subject: Subject) -> bool:
    return (
        subject.is_object
        and subject.kind == "Deployment"
        and subject.namespace == NAMESPACE
        and COMPONENT_LABEL in mapping(subject.props, *_LABELS)
    )


def _replicas(subject: Subject) -> int:
    found = value(subject.props, "spec", "replicas")
    return 1 if found is None else int(found)  # Kubernetes' default


def _keeps_one(budget: Subject, replicas: int) -> bool:
    at_least = value(budget.props, "spec", "minAvailable")
    if at_least is not None:
        return _count(at_least, replicas) >= 1
    gone = value(budget.props, "spec", "maxUnavailable")
    return gone is not None and _count(gone, replicas) < replicas


def _count(given: Any, replicas: int) -> int:
    """A number of pods; a percentage is rounded up, as the API server does."""
    text = str(given)
    if text.endswith("%"):
        return -(-int(text[:-1]) * replicas // 100)
    return int(given)


def _selects(selector: Any, labels: Mapping[str, Any]) -> bool:
    """True when a label selector matches; a budget's empty one matches every pod.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
    """
    if not isinstance(selector, Mapping):
        return False
    for key, wanted in mapping(selector, "matchLabels").items():
        if told(wanted, f"matchLabels.{key}") != labels.get(key):
            return False
    return all(_meets(term, labels) for term in items(selector, "matchExpressions"))


def _meets(term: Any, labels: Mapping[str, Any]) -> bool:
    present = (key := value(term, "key")) in labels
    match value(term, "operator"):
        case "In":
            return present and labels[key] in items(term, "values")
        case "NotIn":
            return not present or labels[key] not in items(term, "values")
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
    return False
