"""What the section `traffic` does to real requests: Linkerd's own proxies, in process pods.

Each test shows the fault without the setting first. What the policy controller tells proxies of
every key is in test_mesh_traffic.py; here is what they do of it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox.node import node as nodes
from sandbox.node import objects
from sandbox.node.load import HttpReply, Report
from sandbox.node.node import ProcessNode
from sandbox.node.pod import ProcessPod
from tests.e2e import grpc_shop
from tests.e2e.shop_settings import SETTLE_SECONDS, SHOP, in_force, settled, traffic_of

pytestmark = pytest.mark.e2e
_GRPC = str(Path(grpc_shop.__file__))
_KIB = 1024


def url(service: str, path: str = "/") -> str:
    return f"http://{service}.{SHOP}:{objects.PORT}{path}"


@pytest.fixture
def client(traffic: ProcessNode) -> ProcessPod:
    """The client within the mesh."""
    return traffic.pod(SHOP, objects.CLIENT)


@pytest.fixture(scope="module")
def servers(traffic: ProcessNode) -> Iterator[ProcessNode]:
    """Servers that may be broken: two pods of one, and one pod with a canary."""
    made = [
        *objects.server(SHOP, "pair", replicas=2),
        *objects.server(SHOP, "single"),
        *objects.server(SHOP, "single-canary"),
    ]
    traffic.apply(*made)
    traffic.wait(SHOP)
    yield traffic
    traffic.delete(*made)


@pytest.fixture
def single(servers: ProcessNode) -> Iterator[ProcessPod]:
    """The one pod of a server, whole again afterwards."""
    pod = servers.pod(SHOP, "single")
    yield pod
    pod.knobs()


def test_a_breaker_takes_a_failing_pod_out_and_back_in(
    servers: ProcessNode, client: ProcessPod
) -> None:
    """One of two pods fails: half of the requests without it, `failures` of them with it."""
    broken, good = servers.pods_of(SHOP, "pair")
    failures, at = 5, url("pair")

    def asked() -> set[str]:
        return set(client.load(at, rps=50, seconds=0.6).by)

    broken.knobs(fail_every=1, fail_status=500)
    assert client.load(at, rps=50, seconds=2).failed > 3 * failures
    breaker = {"failures": failures, "penalty": "4s", "maxPenalty": "5s", "jitter": 0}
    with in_force(servers, traffic_of(pair={"breaker": breaker})):
        assert nodes.until(lambda: asked() == {good.name}, SETTLE_SECONDS)
        broken.knobs()
        assert nodes.until(lambda: asked() == {good.name, broken.name}, SETTLE_SECONDS)
        broken.knobs(fail_every=1, fail_status=500)
        report = client.load(at, rps=50, seconds=3)
        # Of those that were under way when the last of them failed there may be a few.
        assert failures <= report.failed <= failures + 2, report.text()
        assert broken.counts()["total"] == report.failed
        broken.knobs()
        assert nodes.until(lambda: asked() == {good.name, broken.name}, SETTLE_SECONDS)


def test_every_second_request_fails_and_no_client_sees_it(
    servers: ProcessNode, client: ProcessPod, single: ProcessPod
) -> None:
    """Retries, of requests with a body too, as long as it is below 64 KiB.

    One request at a time: of several, the second try of one may be the one that fails again.
    """
    at, one = url("single"), {"connections": 1}
    single.knobs(fail_every=2)
    assert client.load(at, rps=50, seconds=1).statuses == {200: 25, 503: 25}
    retries = {"on": ["5xx"], "times": 3, "bodies": True}
    with in_force(servers, traffic_of(single={"retries": retries})):
        assert settled(client, at)
        small = client.load(at, rps=50, seconds=2, method="POST", body="x" * (60 * _KIB), **one)
        assert (small.sent, small.failed) == (100, 0), small.text()
        large = client.load(at, rps=50, seconds=1, method="POST", body="x" * (70 * _KIB), **one)
        assert large.failed > 15, large.text()


def test_no_request_with_a_body_is_sent_twice_where_that_is_said(
    servers: ProcessNode, client: ProcessPod, single: ProcessPod
) -> None:
    """An order is placed once, however its first answer ended; a GET is tried again."""
    at = url("single")

    def placed() -> tuple[list[int], Counter[int]]:
        single.knobs(fail_every=2)
        replies = [_post(client, at, f"order-{number}") for number in range(8)]
        return [each.status for each in replies], Counter(single.counts()["ids"].values())

    with in_force(servers, traffic_of(single={"retries": {"on": ["5xx"], "bodies": True}})):
        single.knobs(fail_every=2)
        assert settled(client, at, method="POST", body="four")
        statuses, times = placed()
        assert statuses == [200] * 8
        assert times[2] > 0
    with in_force(servers, traffic_of(single={"retries": {"on": ["5xx"], "bodies": False}})):
        assert settled(client, at)
        assert nodes.until(lambda: placed()[1] == {1: 8}, SETTLE_SECONDS)
        statuses, times = placed()
        assert (Counter(statuses), times) == ({200: 4, 503: 4}, {1: 8})
        single.knobs(fail_every=2)
        assert client.load(at, rps=50, seconds=2, connections=1).failed == 0


def _post(client: ProcessPod, at: str, key: str) -> HttpReply:
    return client.request(at, "POST", headers={"x-request-key": key}, body="four")


def test_a_slow_answer_is_504_at_the_time_out(
    servers: ProcessNode, client: ProcessPod, single: ProcessPod
) -> None:
    """The client gets an answer when it was promised one, not when the server comes to it."""
    at = url("single")
    single.knobs(slow=1.5)
    patient = client.load(at, rps=1, seconds=0)
    assert (patient.statuses, patient.ms(50) > 1500) == ({200: 1}, True)
    with in_force(servers, traffic_of(single={"timeouts": {"request": "400ms"}})):
        assert nodes.until(lambda: client.request(at).status == 504, SETTLE_SECONDS)
        report = client.load(at, rps=4, seconds=2)
        assert report.statuses == {504: report.sent}
        assert 400 <= report.ms(50) < 900, report.text()
        single.knobs()
        assert client.request(at).status == 200


def test_weights_are_kept_within_three_sigma(servers: ProcessNode, client: ProcessPod) -> None:
    """A canary gets what the stack file says: 5 of 100, within 3 sigma over 2,000 requests."""
    at, share, wanted = url("single"), 0.05, 2000
    canary = servers.pod(SHOP, "single-canary").name
    assert canary not in client.load(at, rps=100, seconds=1).by
    routes = [{"name": "all", "to": {"single": 95, "single-canary": 5}}]
    with in_force(servers, traffic_of(single={"routes": routes})):
        assert nodes.until(lambda: canary in client.load(at, rps=100, seconds=1).by, SETTLE_SECONDS)
        report = client.load(at, rps=200, seconds=wanted / 200)
        assert (report.sent, report.failed) == (wanted, 0), report.text()
        sigma = (wanted * share * (1 - share)) ** 0.5
        assert abs(report.by[canary] - wanted * share) <= 3 * sigma, report.by


_ROUTES: Sequence[dict[str, Any]] = (
    {"name": "dark", "headers": {"x-beta": "1"}, "to": {"single-canary": 1}},
    {"name": "users", "headerPatterns": {"x-user": "a.*"}, "to": {"single-canary": 1}},
    {"name": "below", "path": "/beta", "to": {"single-canary": 1}},
    {"name": "one", "path": "/one", "pathType": "exact", "to": {"single-canary": 1}},
    {"name": "some", "path": "/v[0-9]+", "pathType": "regex", "to": {"single-canary": 1}},
    {"name": "asked", "path": "/q", "query": {"page": "1"}, "to": {"single-canary": 1}},
    {"name": "put", "path": "/m", "methods": ["PUT"], "to": {"single-canary": 1}},
    {
        "name": "told",
        "path": "/told",
        "requestHeaders": {"set": {"x-a": "1"}, "add": {"x-b": "2"}, "remove": ["x-c"]},
        "responseHeaders": {"set": {"x-served-by": "someone"}},
        "to": {"single-canary": 1},
    },
    {"name": "moved", "path": "/old", "redirect": {"host": "a.example.com", "path": "/new"}},
)
# Method, path, headers; whether the canary answers.
_SENT: Sequence[tuple[str, str, dict[str, str], bool]] = (
    ("GET", "/", {}, False),
    ("GET", "/", {"x-beta": "1"}, True),
    ("POST", "/any/where", {"x-beta": "1"}, True),
    ("GET", "/", {"x-beta": "2"}, False),
    ("GET", "/", {"x-user": "anna"}, True),
    ("GET", "/", {"x-user": "bert"}, False),
    ("GET", "/beta", {}, True),
    ("GET", "/beta/two", {}, True),
    ("GET", "/betamax", {}, False),
    ("GET", "/one", {}, True),
    ("GET", "/one/two", {}, False),
    ("GET", "/v12", {}, True),
    ("GET", "/vv", {}, False),
    ("GET", "/q?page=1&size=2", {}, True),
    ("GET", "/q?page=2", {}, False),
    ("PUT", "/m", {}, True),
    ("GET", "/m", {}, False),
)


def test_requests_go_where_their_route_says_and_the_rest_stays(
    servers: ProcessNode, client: ProcessPod
) -> None:
    """A dark launch: who asks for it by header gets the canary, and nobody else does."""

    def answered() -> list[bool]:
        replies = [
            client.request(url("single", path), method, headers=headers)
            for method, path, headers, _ in _SENT
        ]
        return [each.json()["service"] == "single-canary" for each in replies]

    assert not any(answered())
    with in_force(servers, traffic_of(single={"routes": list(_ROUTES)})):
        moved = url("single", "/old")
        assert nodes.until(lambda: client.request(moved).status == 302, SETTLE_SECONDS)
        assert client.request(moved).headers["location"].startswith("http://a.example.com")
        assert answered() == [each[-1] for each in _SENT]
        told = client.request(url("single", "/told"), headers={"x-a": "0", "x-c": "3"})
        seen = told.json()["headers"]
        assert (seen["x-a"], seen["x-b"], "x-c" in seen) == ("1", "2", False)
        assert told.headers["x-served-by"] == "someone"


def _grpc_server(name: str) -> list[dict[str, Any]]:
    made = objects.server(SHOP, name)
    _, deployment, service = made
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["command"] = [sys.executable, _GRPC]
    container["readinessProbe"] = {"tcpSocket": {"port": objects.PORT}}
    service["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    return made


def test_calls_of_grpc_go_by_method_and_are_tried_again(
    traffic: ProcessNode, client: ProcessPod
) -> None:
    """One method of a service to another version, the others stay; UNAVAILABLE is retried."""
    made = [*_grpc_server("calls"), *_grpc_server("calls-next")]
    traffic.apply(*made)
    traffic.wait(SHOP, "calls", "calls-next")
    keys = iter(range(10_000))

    def ask(method: str, *more: str) -> Counter[str]:
        sent = [f"{method}-{next(keys)}" for _ in range(5)]
        target = f"calls.{SHOP}:{objects.PORT}"
        path = f"/shop.v1.Cart/{method}"
        done = client.execute([sys.executable, _GRPC, "call", target, path, *more, *sent])
        assert done.returncode == 0, done.stderr
        return Counter(json.loads(done.stdout))

    try:
        assert (ask("Get"), ask("Put")) == ({"calls": 5}, {"calls": 5})
        assert ask("Put", "--fail") == {"UNAVAILABLE": 5}
        keys_ = {
            "protocol": "grpc",
            "retries": {"on": ["unavailable"], "bodies": True},
            "routes": [
                {
                    "name": "get",
                    "grpcService": "shop.v1.Cart",
                    "grpcMethods": ["Get"],
                    "to": {"calls-next": 1},
                }
            ],
        }
        with in_force(traffic, traffic_of(calls=keys_)):
            assert nodes.until(lambda: ask("Get") == {"calls-next": 5}, SETTLE_SECONDS)
            assert (ask("Put"), ask("Put", "--fail")) == ({"calls": 5}, {"calls": 5})
    finally:
        traffic.delete(*made)


def test_a_route_comes_and_goes_under_load_and_no_request_fails(
    servers: ProcessNode, client: ProcessPod
) -> None:
    """Five deployments and five removals of a route with weights, at 100 requests a second."""
    routes = [{"name": "all", "to": {"single": 1, "single-canary": 1}}]
    canary = servers.pod(SHOP, "single-canary").name

    def share() -> Report:
        return client.load(url("single"), rps=50, seconds=0.6)

    with client.loading(url("single"), rps=100) as load:
        for _ in range(5):
            with in_force(servers, traffic_of(single={"routes": routes})):
                assert nodes.until(lambda: canary in share().by, SETTLE_SECONDS)
            assert nodes.until(lambda: canary not in share().by, SETTLE_SECONDS)
    assert load.report.failed == 0, load.report.text()
    assert load.report.by[canary] > 0
