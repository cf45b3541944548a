"""Reading the inputs of a resource, with no guess about what is not told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.model import NotToldError, Subject

# Must be the marks that the bot writes: bot/placeholders.py.
SECRET = "[secret]"  # noqa: S105
UNKNOWN = "[known after apply]"
_TEMPLATES = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
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
    if isinstance(found, str) and found in (SECRET, UNKNOWN):
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


def containers(subject: Subject) -> Iterator[tuple[str, Any]]:
    """Every container that an object runs, with its path."""
    spec = _TEMPLATES.get(subject.kind) if subject.is_object else None
    for part in _CONTAINERS if spec else ():
        for number, container in enumerate(items(subject.props, *(spec or ()), part)):
            yield f"{'.'.join(spec or ())}.{part}[{number}]", container
