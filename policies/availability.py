"""In production each part of the control plane survives the loss of a node, and a drain.

https://linkerd.io/2/features/ha/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.model import CheckedResource, Context, NotToldError, holds, sorted_out
from policies.values import items, mapping, told, value

NAMESPACE = "linkerd"
COMPONENT_LABEL = "linkerd.io/control-plane-component"
# For a patch, which has no labels of the pods.
_NAMES = ("linkerd-destination", "linkerd-identity", "linkerd-proxy-injector")
MIN_REPLICAS = 3
_HOST = "kubernetes.io/hostname"
_LABELS = ("spec", "template", "metadata", "labels")
_ANTI_AFFINITY = ("spec", "template", "spec", "affinity", "podAntiAffinity")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def ha_replicas(subject: CheckedResource, context: Context) -> Iterator[str]:
    """Three replicas of each Deployment of the control plane."""
    if not context.production or not _is_control_plane(subject):
        return
    found = value(subject.props, "spec", "replicas")
    if found is None and subject.is_patch:
        return  # it leaves the number as it is
    replicas = _number(1 if found is None else found)  # Kubernetes' default
    if replicas is None:
        yield f"spec.replicas is {found!r}, which is not a number"
    elif replicas < MIN_REPLICAS:
        yield f"spec.replicas is {replicas}, but production needs {MIN_REPLICAS}"


def ha_anti_affinity(subject: CheckedResource, context: Context) -> Iterator[str]:
    """No two of them on one node."""
    if not context.production or not _is_control_plane(subject):
        return
    if subject.is_patch and value(subject.props, "spec", "template", "spec", "affinity") is None:
        return
    labels = mapping(subject.props, *_LABELS)
    terms = items(subject.props, *_ANTI_AFFINITY, _REQUIRED)
    if not any(
        value(term, "topologyKey") == _HOST and _selects(value(term, "labelSelector"), labels)
        for term in terms
    ):
        yield f"two of its pods may share a node: no {_REQUIRED} over {_HOST} selects them"


def ha_disruption_budget(
    subjects: Sequence[CheckedResource], context: Context
) -> Iterator[tuple[CheckedResource, str]]:
    """A PodDisruptionBudget for each, so that a drain takes them one after another."""
    if not context.production:
        return
    budgets, unknown = sorted_out(
        subjects,
        lambda each: holds(
            lambda: each.of_kind("PodDisruptionBudget"), lambda: each.within(NAMESPACE)
        ),
    )
    yield from unknown
    parts, unknown = sorted_out(subjects, _is_control_plane)
    yield from unknown
    for subject in parts:
        if subject.is_patch:
            continue
        try:
            yield from _budgeted(subject, budgets)
        except NotToldError as error:
            yield subject, str(error)


def _budgeted(
    subject: CheckedResource, budgets: Sequence[CheckedResource]
) -> Iterator[tuple[CheckedResource, str]]:
    labels = mapping(subject.props, *_LABELS)
    matching = [b for b in budgets if _selects(value(b.props, "spec", "selector"), labels)]
    if not matching:
        yield subject, "no PodDisruptionBudget selects its pods"
    found = value(subject.props, "spec", "replicas")
    for budget in matching:
        if not _keeps_one(budget, _number(1 if found is None else found) or 0):
            yield budget, f"lets every pod of {subject.object_name} be evicted at once"


def _is_control_plane(subject: CheckedResource) -> bool:
    return holds(
        lambda: subject.of_kind("Deployment"),
        lambda: (
            (subject.is_patch and subject.named(*_NAMES))
            or COMPONENT_LABEL in mapping(subject.props, *_LABELS)
        ),
        lambda: subject.within(NAMESPACE),
    )


def _number(found: Any) -> int | None:
    """A whole number; the engine writes one as 3.0. None for anything else."""
    if isinstance(found, bool) or not isinstance(found, int | float) or found != found // 1:
        return None
    return int(found)


def _keeps_one(budget: CheckedResource, replicas: int) -> bool:
    at_least = value(budget.props, "spec", "minAvailable")
    if at_least is not None:
        return (_count(at_least, replicas) or 0) >= 1
    gone = _count(value(budget.props, "spec", "maxUnavailable"), replicas)
    return gone is not None and gone < replicas


def _count(given: Any, replicas: int) -> int | None:
    """A number of pods; a percentage is rounded up, as the API server does. None for neither."""
    if isinstance(given, str) and (share := re.fullmatch(r"([0-9]{1,3})%", given)):
        return -(-int(share[1]) * replicas // 100)
    return _number(given)


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
