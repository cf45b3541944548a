"""Which kinds an API server has, in two requests: aggregated discovery.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bot.clients.https import Client
from bot.clients.kubernetes import groups

# Aggregated APIs that hold no object of their own: they answer from metrics, or from a proxy.
VIRTUAL_GROUPS: Mapping[str, str] = {
    "tap.linkerd.io": "tap reads the traffic of pods",
    "metrics.k8s.io": "the figures of metrics-server",
    "custom.metrics.k8s.io": "the figures of an adapter",
    "external.metrics.k8s.io": "the figures of an adapter",
}


@dataclass(frozen=True, order=True)
class ListedKind:
    """One kind that can be listed, at the version that the server prefers."""

    group: str
    kind: str
    version: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def title(self) -> str:
        """As kubectl writes it: `Deployment.apps`, `Secret`."""
        return title(self.group, self.kind)

    def path(self, namespace: str | None = None) -> str:
        """Where its objects are listed; in all namespaces without one."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{base}{inside}/{self.plural}"


def title(group: str, kind: str) -> str:
    """`Deployment.apps`, `Secret`: a kind without its version."""
    return f"{kind}.{group}" if group else kind


@dataclass(frozen=True)
class ListedKinds:
    """The kinds of a server. absent: groups whose own server does not answer, with why."""

    found: tuple[ListedKind, ...]
    absent: Mapping[str, str]


def kinds(api: Client) -> ListedKinds:
    """Every kind that can be listed; raises Unreadable.

    A group whose server does not answer is no error here: what nobody could look at is told.
    """
    found: dict[tuple[str, str], ListedKind] = {}
    absent: dict[str, str] = {}
    for path in ("/api", "/apis"):
        for group in groups(api, path):
            name = str(group.get("metadata", {}).get("name", ""))
            for version in group.get("versions") or ():
                if version.get("freshness") == "Stale" and name not in VIRTUAL_GROUPS:
                    absent[f"{name}/{version.get('version')}"] = "its API service does not answer"
                for each in _listable(name, version):
                    # Versions come in the server's order: the one it prefers is the first.
                    found.setdefault((name, each.plural), each)
    kept = (each for each in found.values() if each.group not in VIRTUAL_GROUPS)
    return ListedKinds(tuple(sorted(kept)), absent)


def _listable(group: str, version: Mapping[str, Any]) -> list[ListedKind]:
    made = []
    for each in version.get("resources") or ():
        if "list" in (each.get("verbs") or ()):
            kind = each.get("responseKind") or {}
            made.append(
                ListedKind(
                    group=group,
                    kind=str(kind.get("kind", "")),
                    version=str(version["version"]),
                    plural=str(each["resource"]),
                    namespaced=each.get("scope") == "Namespaced",
                )
            )
    return made
