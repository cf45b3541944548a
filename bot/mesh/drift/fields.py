"""Fields that somebody added to a declared object: the engine looks at those we set, and no other.

Who set which field the API server keeps in `managedFields`; the values are not read. Only what
decides something is looked at: everything but metadata and status, and of labels and annotations
those that Linkerd and pod security read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.mesh.drift.declared import Declared
from bot.mesh.drift.inventory import Inventory, Item, Managed

Path = tuple[str, ...]

# The engine's provider, and Helm inside it. https://www.pulumi.com/registry/packages/kubernetes/
HELM = "pulumi-resource-kubernetes"
OURS = ("pulumi-kubernetes", HELM)
# Keys of metadata that decide something.
_DOMAINS = ("linkerd.io/", "pod-security.kubernetes.io/")
_RESTARTED = "f:kubectl.kubernetes.io/restartedAt"


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
        "`kubectl rollout restart` leaves the time, as the runbooks have it",
        lambda _item, _entry, path: path[0] == "f:spec" and path[-1] == _RESTARTED,
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
)


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
