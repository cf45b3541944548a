"""An API server and a state of a few objects, for tests of what nobody declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bot.clients.https import Answer, Client
from bot.mesh.drift.declared import Declared
from bot.mesh.drift.discovery import ListedKind
from bot.mesh.drift.inventory import Inventory, Item, Managed

CREATED = "2026-11-01T10:00:00Z"
KINDS = (
    ListedKind("", "ConfigMap", "v1", "configmaps", True),
    ListedKind("", "Secret", "v1", "secrets", True),
    ListedKind("", "Namespace", "v1", "namespaces", False),
    ListedKind("apps", "Deployment", "v1", "deployments", True),
)


@dataclass
class Shared:
    """What every copy of the client shares."""

    groups: Sequence[Mapping[str, Any]]
    lists: Mapping[str, Any]
    asked: list[tuple[str, str]] = field(default_factory=list)
    always: Answer | None = None

    def answer(self, path: str, accept: str) -> Answer:
        self.asked.append((path, accept))
        if self.always is not None:
            return self.always
        url = urlsplit(path)
        if url.path in ("/api", "/apis"):
            core = url.path == "/api"
            items = [g for g in self.groups if (g["metadata"].get("name", "") == "") == core]
            return Answer(200, {"kind": "APIGroupDiscoveryList", "items": items})
        found = self.lists.get(url.path, [])
        if callable(found):
            found = found(parse_qs(url.query))
        if isinstance(found, Answer):
            return found
        return Answer(200, {"kind": "PartialObjectMetadataList", "metadata": {}, "items": found})


@dataclass(frozen=True)
class Fake(Client):
    """A client whose every copy answers alike."""

    shared: Shared = field(default_factory=lambda: Shared([], {}))

    def request(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        assert method == "GET", f"{method} {path}: drift must change nothing"
        return self.shared.answer(path, self.headers["Accept"])


def api(groups: Sequence[Mapping[str, Any]], lists: Mapping[str, Any]) -> Fake:
    """An API server with these groups, and by path these lists; one may be an `Answer` instead."""
    return Fake("https://k", Path(), shared=Shared(groups, lists))


def refusing(answer: Answer) -> Fake:
    """An API server with one answer to everything."""
    return Fake("https://k", Path(), shared=Shared([], {}, always=answer))


def group(name: str, *kinds: ListedKind, freshness: str = "Current") -> dict[str, Any]:
    """One group of aggregated discovery, with one version."""
    version = kinds[0].version if kinds else "v1"
    resources = [
        {
            "resource": each.plural,
            "responseKind": {"group": name, "version": version, "kind": each.kind},
            "scope": "Namespaced" if each.namespaced else "Cluster",
            "verbs": ["get", "list"],
        }
        for each in kinds
    ]
    versions = [{"version": version, "freshness": freshness, "resources": resources}]
    return {"metadata": {"name": name} if name else {}, "versions": versions}


def metadata(name: str, namespace: str | None = None, **more: Any) -> dict[str, Any]:
    """One object of a metadata list."""
    place = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name, "uid": f"uid-{name}", **place, **more}}


def kind_of(title: str) -> ListedKind:
    """A kind from `Deployment.apps`; cluster-wide ones are told by their names."""
    kind, _, group_ = title.partition(".")
    wide = kind.startswith(("Cluster", "CustomResource", "Mutating", "Validating"))
    namespaced = not wide and kind not in ("Namespace", "Bundle", "APIService")
    return ListedKind(group_, kind, "v1", f"{kind.lower()}s", namespaced)


def item(title: str, place: str, *managers: str, data: bool = False, **more: Any) -> Item:
    """An object from `Deployment.apps` and `linkerd/web`; managers set its fields."""
    namespace, _, name = place.rpartition("/")
    fields = {"f:data": {}} if data else {"f:spec": {}}
    return Item(
        kind=kind_of(title),
        namespace=namespace or None,
        name=name,
        uid=more.pop("uid", f"uid-{title}-{place}"),
        created=CREATED,
        managed=tuple(Managed(each, CREATED, "", fields) for each in managers),
        **more,
    )


def declared(*keys: tuple[str, str], **more: Any) -> Declared:
    """A state with these objects, each from title and place; `linkerd` is among them."""
    objects = {item(title, place).key: f"urn::{place}" for title, place in keys}
    objects["", "Namespace", None, "linkerd"] = "urn::linkerd"
    return Declared(objects=objects, **more)


def inventory(*items: Item, **more: Any) -> Inventory:
    """What was found."""
    scopes = {(each.kind.group, each.kind.kind): each.kind.namespaced for each in items}
    return Inventory(items, scopes=more.pop("scopes", scopes), **more)
