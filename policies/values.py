"""Reading the inputs of a resource, with no guess about what is not told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.model import SECRET as SECRET
from policies.model import UNKNOWN as UNKNOWN
from policies.model import CheckedResource, NotToldError, marked

_TEMPLATES = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "PodTemplate": ("template", "spec"),
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"),
        ("spec", "template", "spec"),
    ),
}
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def value(props: Any, *path: str | int) -> Any:
    """The value at a path; None where there is none.

    Raises NotToldError when the value or what holds it is not told.
    """
    found = told(props, "the whole")
    for depth, key in enumerate(path):
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, list | tuple) and isinstance(key, int) and key < len(found):
            found = found[key]
        else:
            return None
        told(found, ".".join(map(str, path[: depth + 1])))
    return found


def told(found: Any, path: str) -> Any:
    """The value itself; raises NotToldError for a mark that stands for one."""
    if marked(found):
        raise NotToldError(path)
    return found


def items(props: Any, *path: str | int) -> list[Any]:
    """The list at a path; empty where there is none. Raises NotToldError for an entry too."""
    found = value(props, *path)
    listed = list(found) if isinstance(found, Sequence) and not isinstance(found, str) else []
    where = ".".join(map(str, path))
    return [told(each, f"{where}[{number}]") for number, each in enumerate(listed)]


def mapping(props: Any, *path: str | int) -> Mapping[str, Any]:
    """The mapping at a path; empty where there is none."""
    found = value(props, *path)
    return found if isinstance(found, Mapping) else {}


def strings(found: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text below a value, with its path."""
    if isinstance(found, str):
        yield path, found
    elif isinstance(found, Mapping):
        for key, each in found.items():
            yield from strings(each, f"{path}.{key}" if path else str(key))
    elif isinstance(found, Sequence) and not isinstance(found, bytes):
        for number, each in enumerate(found):
            yield from strings(each, f"{path}[{number}]")


def containers(subject: CheckedResource) -> Iterator[tuple[str, Any]]:
    """Every container that an object of Kubernetes' own kinds runs, with its path."""
    for kind, spec in _TEMPLATES.items():
        if subject.of_kind(kind):
            for part in _CONTAINERS:
                for number, container in enumerate(items(subject.props, *spec, part)):
                    yield f"{'.'.join(spec)}.{part}[{number}]", container
            return


def named(found: Any, key: str, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value below another that a key of this name holds, with its path."""
    if isinstance(found, Mapping):
        for each, below in found.items():
            where = f"{path}.{each}" if path else str(each)
            if each == key:
                yield where, below
            yield from named(below, key, where)
    elif isinstance(found, list | tuple):
        for number, below in enumerate(found):
            yield from named(below, key, f"{path}[{number}]")
