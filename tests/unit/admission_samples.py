"""An API server that is asked for the pods of a wave, and what is found for its namespace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from bot.clients.https import Answer, Client
from bot.mesh.rollout import admission
from tests.unit.rollout_samples import VERSION, config, namespace, seen

Judge = Callable[[Any], Answer]
WAVE = {"namespaces": ["shop"]}


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    """A Deployment of the wave's namespace."""
    inner = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "a"}], **spec}}
    return {"metadata": {"namespace": "shop", "name": name}, "spec": {"template": inner}}


def injected(body: Any) -> Answer:
    """The API server with an injector that takes every pod that asks."""
    spec = dict(body["spec"])
    if body["metadata"]["annotations"]["linkerd.io/inject"] == "enabled":
        proxy = {"name": "linkerd-proxy", "image": f"proxy:{VERSION}"}
        spec["containers"] = [*spec["containers"], proxy]
    return Answer(201, {**body, "spec": spec})


def refuses(message: str, status: int = 403, *, plain: bool = True) -> Judge:
    """An API server that refuses pods with a proxy; plain: it makes those without one."""

    def body(given: Any) -> Answer:
        names = [each["name"] for each in given["spec"]["containers"]]
        meshed = given["metadata"]["annotations"]["linkerd.io/inject"] == "enabled"
        if meshed or "linkerd-proxy" in names or not plain:
            return Answer(status, {"kind": "Status", "message": message})
        return injected(given)

    return body


class Api:
    """An API server with some lists, which judges the pods that it is asked for."""

    base = "https://api"

    def __init__(self, ask: Judge = injected, **lists: list[dict[str, Any]]) -> None:
        self.ask, self.lists = ask, lists
        self.asked: list[dict[str, Any]] = []

    def request(self, method: str, path: str, body: Any = None, **_: Any) -> Answer:
        if method == "POST":
            assert path == "/api/v1/namespaces/shop/pods?dryRun=All", "stores something"
            self.asked.append(body)
            return self.ask(body)
        assert method == "GET"
        kind = path.partition("?")[0].rpartition("/")[2]
        return Answer(200, {"items": self.lists.get(kind, [])})


def look(
    api: Api,
    *,
    labels: Mapping[str, str] | None = None,
    injector: bool = True,
    state: str = "on",
    more: Any = None,
    pods: tuple[Any, ...] = (),
) -> admission.Admission:
    """What is found for the namespace `shop`."""
    there = replace(namespace("shop"), labels=labels or {})
    cluster = seen(there, namespace("callers"), namespace("linkerd"), namespace("kube-system"))
    cluster = replace(cluster, version=VERSION if injector else "", pods=tuple(pods))
    return admission.look(cast("Client", api), config(WAVE, more=more), cluster, {"shop"}, state)


UNASKED = {
    "no right": Answer(403, {"message": 'pods is forbidden: User "x" cannot create resource "p"'}),
    "no dry run": Answer(400, {"message": 'admission webhook "w" does not support dry run'}),
    "not served": Answer(404, {"message": "not found"}),
    "no answer": Answer(0, reason="timed out"),
    "odd": Answer(200, ["?"]),
}
