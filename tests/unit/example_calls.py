"""Who an example lets in where: its objects, read as the policy controller reads them.

Of the routes at a port the one with the longest match holds, an exact path before a prefix, and of
two alike the one that names a method:
https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """A request as an application makes it. account: `<namespace>/<name>`, `""` without one."""

    account: str
    app: str
    port: int
    method: str
    path: str


def lets_in(objects: Sequence[Manifest], request: Request) -> bool:
    """Whether the objects of a namespace allow a request to the pods labelled `app`."""
    (server,) = (
        each["metadata"]["name"]
        for each in of_kind(objects, "Server")
        if each["spec"]["port"] == request.port
        and each["spec"]["podSelector"].get("matchLabels") == {"app": request.app}
    )
    targets = {("Server", server)}
    if route := _route(objects, server, request):
        targets.add(("HTTPRoute", route))
    for policy in of_kind(objects, "AuthorizationPolicy"):
        target = policy["spec"]["targetRef"]
        if (target["kind"], target["name"]) in targets:
            required = policy["spec"]["requiredAuthenticationRefs"]
            if all(_is(objects, request.account, each) for each in required):
                return True
    return False


def of_kind(objects: Iterable[Manifest], kind: str) -> list[Manifest]:
    """The objects of a kind."""
    return [each for each in objects if each["kind"] == kind]


def _route(objects: Sequence[Manifest], server: str, request: Request) -> str | None:
    found: list[tuple[bool, int, bool, str]] = []
    for route in of_kind(objects, "HTTPRoute"):
        if route["spec"]["parentRefs"][0]["name"] != server:
            continue
        for match in route["spec"]["rules"][0]["matches"]:
            exact, value = match["path"]["type"] == "Exact", match["path"]["value"]
            below = request.path.startswith(value.rstrip("/") + "/") or value == request.path
            fits = request.path == value if exact else below
            if fits and match.get("method", request.method) == request.method:
                name = route["metadata"]["name"]
                found.append((exact, len(value), "method" in match, name))
    return max(found)[-1] if found else None


def _is(objects: Sequence[Manifest], account: str, required: Mapping[str, str]) -> bool:
    """Whether a client fulfils a required authentication."""
    namespace, _, name = account.partition("/")
    if required["kind"] == "ServiceAccount":
        return bool(account) and (required["namespace"], required["name"]) == (namespace, name)
    (held,) = (
        each["spec"]
        for each in of_kind(objects, required["kind"])
        if each["metadata"]["name"] == required["name"]
    )
    if required["kind"] == "NetworkAuthentication":
        return any(each["cidr"] == "0.0.0.0/0" for each in held["networks"])
    clients = {(each.get("namespace", each["name"]), each["name"]) for each in held["identityRefs"]}
    return (namespace, name) in clients or (namespace, namespace) in clients
