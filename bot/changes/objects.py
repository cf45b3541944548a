"""What rules and answers ask of a changed object: what it is, and both sides of a part of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from bot.changes.model import Change, FieldChange, Op
from bot.changes.paths import ABSENT, Part, differences, parts, value_at
from components.names import (
    CERT_MANAGER,
    EXTERNAL_SECRETS,
    LINKERD,
    LINKERD_BUOYANT,
    LINKERD_TRACING,
    LINKERD_VIZ,
)
from schema.values import Duration

PLATFORM = frozenset({LINKERD, LINKERD_VIZ, LINKERD_BUOYANT, LINKERD_TRACING})
PLATFORM |= {CERT_MANAGER, EXTERNAL_SECRETS}
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
WEBHOOKS = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})
CHART_OBJECT = "kubernetes:helm.sh/v4:Chart$"
RELEASE = "kubernetes:helm.sh/v3:Release"
PROVIDER = "pulumi:providers:"
# The types of a URN, from the first component on; the project before them has the same name.
_COMPONENT = re.compile(r"::linkerd-platform:[a-z]")


def goes(change: Change) -> bool:
    """True when what is there now will not be there any more, if only for a moment."""
    return change.op in (Op.DELETE, Op.REPLACE)


def both(change: Change, *path: Part) -> tuple[Any, Any]:
    """What lies at a path before and after; None where nothing does."""
    found = (value_at(side or {}, path) for side in (change.before, change.after))
    before, after = (None if value == ABSENT else value for value in found)
    return before, after


def changed(change: Change, *path: Part) -> tuple[Any, Any] | None:
    """Both sides of what lies at a path, when they differ in something that is there already."""
    before, after = both(change, *path)
    return (before, after) if change.op in (Op.UPDATE, Op.REPLACE) and before != after else None


def items(value: Any) -> list[Any]:
    """The items of a list, and none of anything else."""
    return list(value) if isinstance(value, list | tuple) else []


def mapping(value: Any) -> Mapping[str, Any]:
    """The value when it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def of_chart(change: Change) -> bool:
    """True for an object that a chart brings: its other parts come and go with it."""
    return CHART_OBJECT in change.urn


def is_platform(change: Change) -> bool:
    """True in a namespace of the platform, or of a component of ours beside others' operators."""
    return change.namespace in PLATFORM or bool(_COMPONENT.search(change.urn))


def is_crd_release(change: Change) -> bool:
    """True for a Helm release that holds nothing but CRDs."""
    return change.type == RELEASE and str(change.inputs.get("name") or change.name).endswith(
        "-crds"
    )


def is_policy(change: Change) -> bool:
    """True for an object of Linkerd's policy API."""
    return change.api_version.startswith("policy.linkerd.io/")


def mesh_settings(change: Change) -> tuple[FieldChange, ...]:
    """Which values of the control plane's chart differ, from ConfigMap `linkerd-config`.

    The injector reads there what it gives to a pod's proxy.
    """
    if (change.kind, change.place) != ("ConfigMap", f"{LINKERD}/linkerd-config"):
        return ()
    if change.op not in (Op.UPDATE, Op.REPLACE):
        return ()
    before, after = both(change, "data", "values")
    return _settings(
        before if isinstance(before, str) else "", after if isinstance(after, str) else ""
    )


@lru_cache(maxsize=8)
def _settings(before: str, after: str) -> tuple[FieldChange, ...]:
    # Here: few changes have such a text, and every comment would wait for the reader.
    from bot.text import yaml_values

    try:
        return differences(*(yaml_values.load(text) for text in (before, after)))
    except yaml_values.NoValuesError:
        return differences(before, after)


def settings_below(change: Change, *prefixes: str) -> list[FieldChange]:
    """Those of them at or below one of these paths."""
    return [
        field
        for field in mesh_settings(change)
        if any(field.path == p or field.path.startswith((f"{p}.", f"{p}[")) for p in prefixes)
    ]


@lru_cache(maxsize=1 << 12)  # objects of a kind change at the same paths
def last_key(path: str) -> str:
    """The last key of a path, indexes left out."""
    names = [part for part in parts(path) if isinstance(part, str)]
    return names[-1] if names else ""


def shift(field: FieldChange) -> str:
    """`proxy.logLevel warn to debug`, for a reason in words."""
    return f"{field.path} {told(field.before)} to {told(field.after)}"


def told(value: Any) -> str:
    """A value in a few words."""
    if value in (None, ABSENT, ""):
        return "nothing"
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def seconds(value: Any) -> int | None:
    """A length of time in seconds, from a number or a duration; None when it is neither."""
    if isinstance(value, bool) or value in (None, ABSENT, ""):
        return None
    if isinstance(value, int | float) or str(value).isdigit():
        return int(value)
    try:
        return Duration.parse(str(value)).seconds
    except ValueError:
        return None


def strings(value: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)
