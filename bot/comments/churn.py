"""Changes that every new chart version brings, and that say nothing by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bot.changes import paths
from bot.changes.model import Change, FieldChange, Op

# Keys of labels and annotations. None of them selects, permits or configures anything.
_KEYS = frozenset(
    {
        "helm.sh/chart",
        "app.kubernetes.io/version",
        "app.kubernetes.io/managed-by",
        "linkerd.io/created-by",
        "linkerd.io/helm-release-version",
    }
)
_CHECKSUM = "checksum/"
_PLACES = frozenset({"labels", "annotations"})
_TEMPLATES = (
    ("metadata",),
    ("spec", "template", "metadata"),
    ("spec", "jobTemplate", "spec", "template", "metadata"),
)


def keys_of(field: FieldChange) -> tuple[str, ...]:
    """The keys that lead to a field; an index is one too."""
    return tuple(map(str, paths.parts(field.path)))


def churn_key(field: FieldChange) -> str | None:
    """What a field is counted as when it is churn, such as `helm.sh/chart`; None when it is not.

    In a pod template it restarts the pods, whatever it is: that is said with the key.
    """
    path = keys_of(field)
    if field.replaces or len(path) < 3 or path[-2] not in _PLACES or path[:-2] not in _TEMPLATES:
        return None
    if path[-1] not in _KEYS and not path[-1].startswith(_CHECKSUM):
        return None
    return path[-1] if path[:-2] == _TEMPLATES[0] else f"{path[-1]} of the pod template"


def split(change: Change) -> tuple[list[FieldChange], Counter[str]]:
    """The fields worth reading, and how many of each kind are churn."""
    told: list[FieldChange] = []
    churn: Counter[str] = Counter()
    for field in change.fields:
        key = churn_key(field)
        if key is None:
            told.append(field)
        else:
            churn[key] += 1
    return told, churn


def only_churn(change: Change) -> bool:
    """True for an update in which there is nothing else, and no pod restarts by it."""
    if change.op is not Op.UPDATE or change.protected or not change.fields:
        return False
    keys = [churn_key(field) for field in change.fields]
    return all(key is not None and not key.endswith("pod template") for key in keys)


def line(churn: Counter[str]) -> str:
    """`3 x helm.sh/chart, 1 x checksum/config of the pod template`."""
    return ", ".join(f"{count} x {key}" for key, count in sorted(churn.items()))


def total(changes: Iterable[Change]) -> Counter[str]:
    """All of it."""
    counts: Counter[str] = Counter()
    for change in changes:
        counts.update(split(change)[1])
    return counts
