"""Restarts: in order, each awaited, and none after one that does not come up."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bot.clients.https import Answer, Client
from bot.mesh.rollout import restart
from bot.mesh.rollout.model import Restart
from bot.mesh.rollout.restart import RestartError, unsettled
from bot.mesh.trust.model import PodOwner
from tests.unit.rollout_samples import pod


def deployment(**status: Any) -> dict[str, Any]:
    """A Deployment of two that is rolled out, but for what is given."""
    good = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {**good, **status}}


class Api:
    """A cluster in which each workload answers in turn what the test gives for it."""

    base = "https://api"

    def __init__(self, states: dict[str, list[dict[str, Any]]], refuse: str = "") -> None:
        self.states, self.refuse = states, refuse
        self.log: list[str] = []

    def request(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        name = path.rpartition("/")[2]
        self.log.append(f"{method} {name}")
        if method == "PATCH":
            assert more["content_type"] == "application/strategic-merge-patch+json"
            (stamp,) = body["spec"]["template"]["metadata"]["annotations"].items()
            assert stamp[0] == restart.ANNOTATION
            if name == self.refuse:
                return Answer(403, {"message": "not allowed"})
            return Answer(200, {})
        states = self.states[name]
        return Answer(200, states.pop(0) if len(states) > 1 else states[0])


def run(api: Api, *names: str, seconds: float = 5) -> list[str]:
    """Restart Deployments of these names; what was said."""
    said: list[str] = []
    workloads = [PodOwner("shop", "Deployment", name) for name in names]
    restart.run(cast("Client", api), workloads, said.append, seconds=seconds, pause=0.001)
    return said


def test_deployments_come_first_and_what_no_rollout_is_for_is_for_a_human() -> None:
    """A Job that is killed at 90 per cent begins again."""
    kinds = ["Job", "DaemonSet", "StatefulSet", "Deployment", "Pod", "Deployment"]
    found = [
        Restart(pod("shop", f"w{at}", kind=kind), "enters the mesh")
        for at, kind in enumerate(kinds)
    ]
    mine, others = restart.order([*found, found[3]])
    assert [each.name for each in mine] == ["w3", "w5", "w2", "w1"]
    assert [each.kind for each in others] == ["Job", "Pod"]


def test_the_next_begins_when_the_one_before_is_up() -> None:
    """Two at once could take both halves of a service away."""
    api = Api(
        {"a": [deployment(), deployment(updatedReplicas=1), deployment()], "b": [deployment()]}
    )
    assert run(api, "a", "b") == [
        "shop/deployment/a: restarting",
        "shop/deployment/a: is up",
        "shop/deployment/b: restarting",
        "shop/deployment/b: is up",
    ]
    assert api.log.index("PATCH b") > max(at for at, line in enumerate(api.log) if line == "GET a")


def test_one_that_does_not_come_up_is_the_last_and_the_rest_is_named() -> None:
    """Going on would break the next workload in the same way."""
    api = Api({"a": [deployment(), deployment(availableReplicas=1)], "b": [deployment()]})
    with pytest.raises(RestartError) as caught:
        run(api, "a", "b", "c", seconds=0.01)
    assert str(caught.value) == (
        "shop/deployment/a: not up after 0 s: 1 of 2 pods are ready\n"
        "not begun: shop/deployment/b, shop/deployment/c"
    )
    assert "PATCH b" not in api.log


def test_one_that_is_not_settled_before_is_not_restarted() -> None:
    """The restart would be blamed for what was broken before."""
    api = Api({"a": [deployment(availableReplicas=0)]})
    with pytest.raises(RestartError, match="not settled before its restart: 0 of 2"):
        run(api, "a")
    assert api.log == ["GET a"]


def test_a_refusal_is_told_with_the_servers_words() -> None:
    """A guard of the cluster may hold restarts off."""
    with pytest.raises(RestartError, match=r"refuses the restart: not allowed\nnot begun: none"):
        run(Api({"a": [deployment()]}, refuse="a"), "a")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({}, ""),
        ({"observedGeneration": 1}, "its controller has not seen the change yet"),
        ({"updatedReplicas": 1}, "1 of 2 pods are new"),
        ({"replicas": 3}, "1 old pods are still there"),
        ({"availableReplicas": 1}, "1 of 2 pods are ready"),
        (
            {"conditions": [{"reason": "ProgressDeadlineExceeded", "message": "too long"}]},
            "too long",
        ),
    ],
)
def test_a_deployment_is_up_as_kubectl_says(status: dict[str, Any], why: str) -> None:
    """kubectl pkg/polymorphichelpers/rollout_status.go."""
    assert unsettled("Deployment", deployment(**status)) == why


@pytest.mark.parametrize(
    ("kind", "spec", "status", "why"),
    [
        ("StatefulSet", {"replicas": 2}, {"updatedReplicas": 2, "readyReplicas": 2}, ""),
        ("StatefulSet", {}, {"updatedReplicas": 1, "readyReplicas": 0}, "0 of 1 pods are ready"),
        ("StatefulSet", {"replicas": 0}, {}, ""),
        (
            "StatefulSet",
            {"replicas": 2},
            {"updateRevision": "b", "currentRevision": "a", "currentReplicas": 2},
            "0 of 2 pods are new",
        ),
        (
            "DaemonSet",
            {},
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 2},
            "2 of 3 pods are new",
        ),
        (
            "DaemonSet",
            {},
            {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1},
            "",
        ),
    ],
)
def test_the_other_kinds_have_figures_of_their_own(
    kind: str, spec: dict[str, Any], status: dict[str, Any], why: str
) -> None:
    """A StatefulSet has no `availableReplicas` in older versions."""
    manifest = {"metadata": {}, "spec": spec, "status": status}
    assert unsettled(kind, manifest) == why


HELD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"updateStrategy": {"type": "OnDelete"}}, "OnDelete: delete its pods one by one"),
    ({"updateStrategy": {"rollingUpdate": {"partition": 2}}}, "partition 2 keeps its first pods"),
    ({"paused": True}, "is paused: resume it first"),
    ({"replicas": 0}, "has no replicas"),
)


@pytest.mark.parametrize(("spec", "why"), HELD)
def test_public_reports_one_that_cannot_be_restarted_does_not_hold_up_the_next(
    spec: dict[str, Any], why: str
) -> None:
    """VictoriaMetrics operator#389: one OnDelete workload ended the whole restart."""
    stuck = deployment()
    stuck["spec"] = {**stuck["spec"], **spec}
    api = Api({"a": [stuck], "b": [deployment()]})
    said: list[str] = []
    kind = "StatefulSet" if "updateStrategy" in spec else "Deployment"
    workloads = [PodOwner("shop", kind, "a"), PodOwner("shop", "Deployment", "b")]
    restart.run(cast("Client", api), workloads, said.append, seconds=5, pause=0.001)
    assert said[0].startswith(f"shop/{kind.lower()}/a: for you to restart: ")
    assert why in said[0]
    assert said[1:] == ["shop/deployment/b: restarting", "shop/deployment/b: is up"]
    assert "PATCH a" not in api.log
