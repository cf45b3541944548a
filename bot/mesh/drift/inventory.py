"""What is in the namespaces of the platform: the metadata of every object, and nothing else of it.

The API server is asked for metadata alone, so no content of a Secret ever comes here:
https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bot.clients.https import Client, Unreadable
from bot.clients.kubernetes import NOT_FOUND, list_objects
from bot.mesh.drift.discovery import ListedKind, kinds, title

PARALLEL = 8  # requests at a time: as many as a kubectl would send without being slowed down

Key = tuple[str, str, str | None, str]


@dataclass(frozen=True)
class Managed:
    """An entry of `managedFields`: who set which fields, and when.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """

    manager: str
    time: str
    subresource: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Item:
    """The metadata of one object. owner: uid of its controller, None where it has none."""

    kind: ListedKind
    namespace: str | None
    name: str
    uid: str = ""
    created: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    managed: tuple[Managed, ...] = ()

    @property
    def key(self) -> Key:
        """Group, kind, namespace and name: the same in every version."""
        return self.kind.group, self.kind.kind, self.namespace, self.name

    @property
    def place(self) -> str:
        """`<namespace>/<name>`, or the name alone."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def managers(self) -> tuple[str, ...]:
        """Who set its fields, in the order of the server, without those of its status."""
        names = [each.manager for each in self.managed if each.subresource != "status"]
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Inventory:
    """What was found, and what could not be looked at, with why.

    scopes: every kind of which all was found, and whether its objects are in namespaces.
    """

    items: tuple[Item, ...]
    unlisted: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[tuple[str, str], bool] = field(default_factory=dict)


def subject(key: Key) -> str:
    """`Deployment.apps linkerd/linkerd-identity`."""
    group, kind, namespace, name = key
    return f"{title(group, kind)} {f'{namespace}/{name}' if namespace else name}"


def take(
    api: Client,
    namespaces: Collection[str],
    wanted: Callable[[ListedKind], bool] = lambda _kind: True,
    *,
    label: str | None = None,
    parallel: int = PARALLEL,
) -> Inventory:
    """Every object in these namespaces and every one that is in none; raises Unreadable.

    wanted: which kinds are asked for. label: objects with it are found in every other namespace
    too. parallel: requests at a time.
    """
    every = kinds(api)
    lists: list[tuple[ListedKind, str | None, str | None]] = []
    asked = [kind for kind in every.found if wanted(kind)]
    for kind in asked:
        if kind.namespaced:
            lists += [(kind, namespace, None) for namespace in sorted(namespaces)]
            lists += [(kind, None, label)] if label else []
        else:
            lists.append((kind, None, None))
    items: dict[str, Item] = {}
    unlisted = dict(every.absent)
    failed: set[ListedKind] = set()
    with ThreadPoolExecutor(max_workers=parallel) as pool:
        answers = pool.map(lambda each: _listed(api, *each), lists)
        for (kind, namespace, _), found in zip(lists, answers, strict=True):
            if isinstance(found, str):
                where = f" in {namespace}" if namespace else ""
                unlisted[f"{kind.title}{where}"] = found
                failed.add(kind)
            else:
                items |= {each.uid or subject(each.key): each for each in found}
    scopes = {(each.group, each.kind): each.namespaced for each in asked if each not in failed}
    return Inventory(tuple(items.values()), unlisted, scopes)


def _listed(
    api: Client, kind: ListedKind, namespace: str | None, label: str | None
) -> Sequence[Item] | str:
    """The objects of one list; why not, where it cannot be had."""
    try:
        objects = list_objects(api, kind.path(namespace), label=label or "", metadata=True)
    except Unreadable as error:
        if error.status in (0, 401):
            # Every other list would fail alike: this is no matter of one kind.
            raise
        if error.status == NOT_FOUND:
            return []  # The kind went away since the server told of it.
        known = {200: "the API server sent something else than metadata",
                 403: "forbidden to this account"}  # fmt: skip
        return known.get(error.status, f"status {error.status}")
    return [item(kind, each["metadata"]) for each in objects]


def item(kind: ListedKind, metadata: Mapping[str, Any]) -> Item:
    """An object's metadata as the API server sends it."""
    owners = (each for each in metadata.get("ownerReferences") or () if each.get("controller"))
    return Item(
        kind=kind,
        namespace=metadata.get("namespace"),
        name=str(metadata["name"]),
        uid=str(metadata.get("uid", "")),
        created=str(metadata.get("creationTimestamp") or ""),
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        owner=next((str(each["uid"]) for each in owners), None),
        managed=tuple(
            Managed(
                manager=str(each.get("manager", "")),
                time=str(each.get("time") or ""),
                subresource=str(each.get("subresource") or ""),
                fields=each.get("fieldsV1") or {},
            )
            for each in metadata.get("managedFields") or ()
        ),
    )
