"""What is read of a cluster, page by page; a server that refuses is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bot.clients.https import Answer, Client, Unreadable
from bot.mesh.rollout import reader
from bot.mesh.rollout.model import Proxy
from components.rollout.component import FIELD_MANAGER, STATE_LABEL

CREATED = "2026-12-01T00:00:00Z"
PROXY: dict[str, Any] = {
    "name": "linkerd-proxy",
    "image": "cr.l5d.io/linkerd/proxy:edge-26.4.1",
    "env": [{"name": "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY", "value": "audit"}],
}


class Api:
    """Answers lists, two objects per page; what is not there is empty."""

    base = "https://api"

    def __init__(self, lists: Mapping[str, list[Any]], status: int = 200) -> None:
        self.lists, self.status = lists, status

    def request(self, method: str, path: str, *_: object, **__: object) -> Answer:
        assert method == "GET"
        if self.status != 200:
            return Answer(self.status)
        name, _, query = path.partition("?")
        start = int(query.rpartition("continue=")[2]) if "continue=" in query else 0
        found = self.lists.get(name, [])
        more = {"continue": str(start + 2)} if len(found) > start + 2 else {}
        return Answer(200, {"items": found[start : start + 2], "metadata": more})


def read(lists: Mapping[str, list[Any]], status: int = 200) -> Any:
    """What is seen of these lists."""
    return reader.read(cast("Client", Api(lists, status)), timedelta(hours=1))


def pod(name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A pod in namespace shop."""
    own = {"name": name, "namespace": "shop", "creationTimestamp": CREATED, **metadata}
    return {"metadata": own, "spec": {"containers": [], **spec}, "status": {"phase": "Running"}}


def test_lists_are_read_to_their_end() -> None:
    """The third page of pods has the one that does not restart."""
    pods = [pod(f"p{at}", {}) for at in range(5)]
    assert len(read({"/api/v1/pods": pods}).pods) == 5


@pytest.mark.parametrize(
    ("status", "said"), [(0, "no answer"), (403, "not allowed"), (500, "status 500")]
)
def test_a_server_that_refuses_is_told(status: int, said: str) -> None:
    """An empty cluster would be safe for every wave."""
    with pytest.raises(Unreadable, match=f"https://api: namespaces: {said}"):
        read({}, status)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, None),
        ({"containers": [PROXY]}, Proxy("edge-26.4.1", "audit", native=False)),
        (
            {"initContainers": [{**PROXY, "restartPolicy": "Always"}]},
            Proxy("edge-26.4.1", "audit", native=True),
        ),
        (
            {"containers": [{**PROXY, "image": "mirror:5000/proxy@sha256:0", "env": []}]},
            Proxy("", "", native=False),
        ),
    ],
)
def test_the_proxy_tells_version_policy_and_kind(spec: dict[str, Any], expected: Any) -> None:
    """The port of a registry is no version."""
    assert reader.proxy(spec) == expected


def test_a_pod_has_the_workload_that_restarts_it() -> None:
    """A ReplicaSet is restarted by its Deployment."""

    def owned(kind: str, name: str) -> dict[str, Any]:
        return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}

    replicas = {"metadata": {"name": "a-5d", "namespace": "shop", **owned("Deployment", "a")}}
    made = read(
        {
            "/apis/apps/v1/replicasets": [replicas],
            "/api/v1/pods": [
                pod("a-5d-x", {"serviceAccountName": "web"}, **owned("ReplicaSet", "a-5d"))
            ],
        }
    )
    (found,) = made.pods
    assert (str(found.owner), found.account) == ("shop/deployment/a", "web")


def test_restarts_are_summed_and_the_last_one_is_when_a_container_ended() -> None:
    """Proxy and workload restart on their own."""
    manifest = pod("a", {"hostNetwork": True}, annotations={"linkerd.io/inject": "disabled"})
    ended = {"lastState": {"terminated": {"finishedAt": "2026-12-02T00:00:00Z"}}}
    manifest["status"]["containerStatuses"] = [{"restartCount": 2, **ended}]
    manifest["status"]["initContainerStatuses"] = [{"restartCount": 1}]
    (found,) = read({"/api/v1/pods": [manifest]}).pods
    assert found.restarts == 3
    assert found.recent == datetime(2026, 12, 2, tzinfo=UTC)
    assert (found.inject, found.host_network) == ("disabled", True)


def test_the_soak_begins_when_our_field_manager_last_wrote() -> None:
    """Others write to the namespace all the time."""
    fields = [
        {"manager": FIELD_MANAGER, "time": "2026-12-03T00:00:00Z"},
        {"manager": "kubectl", "time": "2026-12-09T00:00:00Z"},
    ]
    metadata = {"name": "shop", "labels": {STATE_LABEL: "on"}, "managedFields": fields}
    found = reader.namespace({"metadata": metadata})
    assert (found.state, found.since) == ("on", datetime(2026, 12, 3, tzinfo=UTC))
    assert reader.namespace({"metadata": {"name": "x", "managedFields": fields[1:]}}).since is None


def test_failures_of_the_injector_are_counted_from_the_window_on() -> None:
    """Other failures are other people's; old ones were judged before."""
    now = datetime.now(UTC)

    def event(message: str, minutes: int, **more: Any) -> dict[str, Any]:
        time = (now - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "metadata": {"namespace": "shop"},
            "reason": "FailedCreate",
            "message": message,
            "lastTimestamp": time,
            **more,
        }

    webhook = 'failed calling webhook "linkerd-proxy-injector.linkerd.io": timeout'
    events = [
        event(webhook, 5, count=3),
        event(webhook, 10),
        event(webhook, 90, count=50),
        event("exceeded quota", 5, count=7),
        event(webhook, 5, reason="Unhealthy"),
        event(webhook, 5, lastTimestamp=None, eventTime=None),
    ]
    assert read({"/api/v1/events": events}).failures == {"shop": 4}


def test_the_control_planes_version_is_that_of_most_of_its_proxies() -> None:
    """In the middle of an upgrade there are two."""
    pods = [
        pod(f"p{at}", {"containers": [{**PROXY, "image": f"proxy:{version}"}]}, namespace="linkerd")
        for at, version in enumerate(["new", "old", "new"])
    ]
    assert read({"/api/v1/pods": pods}).version == "new"
