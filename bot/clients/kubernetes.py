"""The one reader of an API server: lists, single objects, and small questions to them.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from bot.clients.https import Answer, Client, Unreadable

Manifest = dict[str, Any]
SECONDS = 30.0
PAGE = 500
NOT_FOUND = 404
_GONE = 410
_ATTEMPTS = 3
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# Aggregated discovery: which kinds there are, in two requests.
_DISCOVERY = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    for version in ("v2", "v2beta1")
)
_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/?]+))/[^/?]+(?:/namespaces/(?P<namespace>[^/?]+)(?=/))?"
    r"/(?P<plural>[^/?]+)(?:/(?P<name>[^/?]+))?"
)


def list_objects(
    api: Client, path: str, *, label: str = "", metadata: bool = False
) -> list[Manifest]:
    """Every object of a list, page by page; none where its kind is not installed.

    label: a selector. metadata: of each the metadata alone is sent, so no content of a Secret.
    Raises Unreadable, with the status of the answer.
    """
    asking = replace(api, headers={**api.headers, "Accept": _METADATA}) if metadata else api
    for _ in range(_ATTEMPTS):
        answer, found = _pages(asking, path, label, metadata=metadata)
        if answer.ok:
            return found
        if answer.status == NOT_FOUND and _may_be_absent(path):
            return []
        # A list that took too long cannot be continued: it begins again.
        if answer.status != _GONE:
            break
    raise Unreadable(refusal(api, path, answer), answer.status)


def _pages(api: Client, path: str, label: str, *, metadata: bool) -> tuple[Answer, list[Manifest]]:
    found: list[Manifest] = []
    more = ""
    while True:
        query: dict[str, str | int] = {"limit": PAGE}
        query |= {"labelSelector": label} if label else {}
        query |= {"continue": more} if more else {}
        answer = api.request("GET", f"{path}?{urlencode(query)}", seconds=SECONDS)
        if not answer.ok:
            return answer, []
        body = answer.body if isinstance(answer.body, dict) else {}
        if "items" not in body or (
            metadata and body.get("kind", "") != "PartialObjectMetadataList"
        ):
            raise Unreadable(f"{api.base}{path}: answered something else than a list", 200)
        found += body["items"] or ()
        more = str((body.get("metadata") or {}).get("continue") or "")
        if not more:
            return answer, found


def get_object(api: Client, path: str, seconds: float = SECONDS) -> Manifest | None:
    """One object; None where there is none. Raises Unreadable, with the status of the answer."""
    answer = api.request("GET", path, seconds=seconds)
    if answer.status == NOT_FOUND:
        return None
    if not answer.ok or not isinstance(answer.body, dict):
        raise Unreadable(refusal(api, path, answer), answer.status)
    return dict(answer.body)


def dry_run(api: Client, plural: str, namespace: str, manifest: Manifest) -> Answer:
    """What the API server says to making an object of the core group; nothing is stored.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
    """
    path = f"/api/v1/namespaces/{namespace}/{plural}?dryRun=All"
    return api.request("POST", path, manifest, seconds=SECONDS)


def groups(api: Client, path: str) -> Iterator[Manifest]:
    """The API groups below `/api` or `/apis`, with their kinds; raises Unreadable."""
    asking = replace(api, headers={**api.headers, "Accept": _DISCOVERY})
    answer = asking.request("GET", path, seconds=SECONDS)
    if not answer.ok:
        raise Unreadable(refusal(api, path, answer), answer.status)
    if not isinstance(answer.body, dict) or answer.body.get("kind") != "APIGroupDiscoveryList":
        raise Unreadable(
            f"{api.base}{path}: no aggregated discovery: Kubernetes 1.27 or newer is needed"
        )
    yield from answer.body.get("items") or ()


def refusal(api: Client, path: str, answer: Answer) -> str:
    """Why a request failed, with kind and namespace, and what comes next, in one line."""
    what, right = _what(path)
    known = {
        0: f"{answer.why}: check the context with `kubectl cluster-info`",
        401: "not logged in (401): the credentials of the kubeconfig are not taken: log in again",
        403: f"not allowed (403): this account needs the right to {right}",
    }
    said = answer.body.get("message", "") if isinstance(answer.body, dict) else ""
    why = known.get(answer.status, f"{answer.why} {said}".rstrip())
    return f"{api.base}: {what}: {why}"


def _what(path: str) -> tuple[str, str]:
    """What a path is about, and the right that is needed to read it."""
    parts = _PATH.fullmatch(path.partition("?")[0])
    if parts is None:
        return path, f"`get` {path}"
    group, namespace, plural, name = parts.group("group", "namespace", "plural", "name")
    kind = f"{plural}.{group}" if group else plural
    where = f" in namespace {namespace}" if namespace else ""
    if name:
        return f"{kind} {name}{where}", f"`get` {kind}{where}"
    return f"{kind}{where}", f"`list` {kind}{where}"


def _may_be_absent(path: str) -> bool:
    """False for the kinds that every cluster has: what does not know them is no API server."""
    parts = _PATH.match(path)
    return bool(parts and "." in (parts["group"] or ""))


def owners(api: Client) -> dict[tuple[str, str, str], Manifest]:
    """What stands between pods and workloads, by namespace, kind and name; raises Unreadable."""
    return {
        (each["metadata"]["namespace"], kind, each["metadata"]["name"]): {**each, "kind": kind}
        for kind, path in (
            ("ReplicaSet", "/apis/apps/v1/replicasets"),
            ("Job", "/apis/batch/v1/jobs"),
        )
        for each in list_objects(api, path)
    }


def moment(text: str) -> datetime:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def alive(pod: Manifest) -> bool:
    """False for a pod that has ended and will not start again."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def place(manifest: Manifest) -> str:
    """`namespace/name` of an object."""
    metadata = manifest["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def condition(manifest: Manifest, kind: str = "Ready") -> tuple[bool, str]:
    """Whether a condition of an object is true, and its message or reason."""
    for each in (manifest.get("status") or {}).get("conditions") or ():
        if each["type"] == kind:
            said = each.get("message") or each.get("reason") or each["status"]
            return each["status"] == "True", str(said)
    return False, f"no condition {kind}"


def secret_data(secret: Manifest | None, key: str) -> bytes:
    """A decoded value of a Secret; empty when there is no such Secret or key."""
    return base64.b64decode(((secret or {}).get("data") or {}).get(key, ""))
