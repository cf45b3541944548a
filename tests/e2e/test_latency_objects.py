"""The objects of `bot latency` before a real API server, which knows every field of them."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bot.clients.https import Answer
from bot.mesh.latency import objects
from bot.mesh.latency.model import VARIANTS, Load
from components.placement import Toleration
from tests.e2e.project import Copy
from tests.e2e.test_rollout import NAMESPACES

pytestmark = pytest.mark.e2e

_SECONDS = 60.0
IMAGE, NODE = "registry.example.com/fortio:1.2.3", "node-1"
TOLERATIONS = (Toleration(key="load", operator="Exists", effect="NoSchedule"),)
OWN = f"{NAMESPACES}/{objects.NAMESPACE}"
PATHS = {
    "Pod": f"{OWN}/pods",
    "Service": f"{OWN}/services",
    "Job": f"/apis/batch/v1/namespaces/{objects.NAMESPACE}/jobs",
}


@pytest.fixture(scope="module", params=[True, False], ids=["cni", "init container"])
def api(mesh: tuple[Copy, str], request: pytest.FixtureRequest) -> Iterator[Copy]:
    """The cluster with the namespace of a run; an object in it is tried, and none is kept."""
    made = mesh[0]
    manifest = objects.namespace("sandbox", "run", cni=request.param)
    answer = made.api.request("POST", f"{NAMESPACES}?fieldValidation=Strict", manifest, seconds=60)
    assert answer.ok, answer
    try:
        _until(made, f"{OWN}/serviceaccounts/default", 200)
        yield made
    finally:
        made.api.request("DELETE", OWN, seconds=60)
        _until(made, OWN, 404)


def _until(made: Copy, path: str, status: int) -> None:
    deadline = time.monotonic() + _SECONDS
    while made.api.request("GET", path).status != status:
        assert time.monotonic() < deadline, path
        time.sleep(0.3)


def tried(api: Copy, manifest: dict[str, Any]) -> Answer:
    """What the server says to an object, of which it keeps nothing."""
    path = f"{PATHS[manifest['kind']]}?dryRun=All&fieldValidation=Strict"
    return api.api.request("POST", path, manifest, seconds=30)


def every_object() -> list[dict[str, Any]]:
    """All that a run makes in its namespace."""
    servers = ("server-plain", "server-meshed")
    jobs = [
        objects.job(f"load-{variant}-{load.warm_up}", variant, IMAGE, NODE, load, TOLERATIONS)
        for variant in VARIANTS
        for load in (Load(), Load(warm_up=0))
    ]
    # The server looks at the pods of a Job when it makes them, which it does not here.
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            **each["spec"]["template"],
            "metadata": {**each["spec"]["template"]["metadata"], "name": each["metadata"]["name"]},
        }
        for each in jobs
    ]
    return [
        *(objects.service(name) for name in servers),
        *(objects.server(name, IMAGE, NODE, TOLERATIONS) for name in servers),
        *pods,
        *jobs,
    ]


def test_the_api_server_takes_every_object_without_a_warning(api: Copy) -> None:
    """A Job of which a field is pruned measures something else; `restricted` refuses its pods."""
    for manifest in every_object():
        answer = tried(api, manifest)
        assert answer.ok, (manifest["metadata"]["name"], answer)
        assert answer.warnings == (), (manifest["metadata"]["name"], answer.warnings)


def test_a_field_that_it_does_not_know_is_told(api: Copy) -> None:
    """The check above must bite."""
    wrong = copy.deepcopy(every_object()[-1])
    wrong["spec"]["backofLimit"] = wrong["spec"].pop("backoffLimit")
    answer = tried(api, wrong)
    assert not answer.ok
    assert "backofLimit" in answer.body["message"]
