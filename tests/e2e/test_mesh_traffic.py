"""What Linkerd's own policy controller tells proxies of what the section `traffic` makes.

Each setting is asked for as a proxy asks; and what Linkerd takes and drops without a word is shown
by objects written by hand, which is why the stack file refuses them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict

from tests.e2e.mesh_objects import Manifest, planned
from tests.e2e.mesh_processes import Controllers
from tests.e2e.policy_grpc import Inbound
from tests.e2e.test_mesh_controllers import namespace, pod, rollout
from tests.e2e.test_mesh_policies import identity, service, stack
from tests.unit import traffic_samples

pytestmark = pytest.mark.e2e
_SECONDS = 60.0
GATEWAY = "gateway.networking.k8s.io/v1"
_METHODS = {1: "POST", 2: "PUT", 3: "DELETE", 4: "PATCH", 5: "OPTIONS", 7: "HEAD"}
Told = dict[str, Any]


def kube_service(inside: str, name: str, *ports: int, **annotations: str) -> Manifest:
    """A Service of an application, which another tool deploys."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": inside, "annotations": annotations},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": f"p{port}", "port": port} for port in ports],
        },
    }


def put(linkerd: Controllers, inside: str, **services: dict[str, Any]) -> str:
    """Apply Services and what the program makes of their traffic; the name of a meshed client."""
    traffic = {f"{inside}/{name}": keys for name, keys in services.items()}
    section = {"traffic": {"services": traffic}}
    ports = {name: [keys["port"]] for name, keys in services.items()}
    linkerd.objects.apply(
        namespace(inside),
        *(kube_service(inside, name, *listed) for name, listed in ports.items()),
        *(kube_service(inside, name, 8080) for name in ("cart-canary", "b")),
    )
    linkerd.objects.apply(*planned(rollout(inside, state="on") | section))
    return str(linkerd.objects.create(pod(inside))["metadata"]["name"])


def cluster_ip(linkerd: Controllers, inside: str, name: str) -> str:
    found = linkerd.cluster.get(f"/api/v1/namespaces/{inside}/services/{name}")
    assert found
    return str(found["spec"]["clusterIP"])


def told(
    linkerd: Controllers,
    where: tuple[str, str, str, int],
    wanted: Callable[[Told], bool],
    form: str = "OutboundPolicy",
) -> Told:
    """What a client's proxy is told of a Service, once it is `wanted`: rules by route.

    where: the client's namespace and name, the Service, its port. Of what goes by HTTP/1 and
    HTTP/2 alike, the former.
    """
    inside, client, name, port = where
    address = cluster_ip(linkerd, inside, name)
    deadline = time.monotonic() + _SECONDS
    while True:
        answer = linkerd.policy.message(inside, client, address, port, form)
        made = MessageToDict(answer, preserving_proto_field_name=True)["protocol"]
        part = made.get("grpc") or made.get("http1") or made.get("detect", {}).get("http1", {})
        found = {
            "accrual": part.get("accrual", {}),
            **{
                each["metadata"].get("resource", {}).get("name", "default"): each["rules"]
                for each in part.get("routes", ())
            },
        }
        if wanted(found):
            return found
        assert time.monotonic() < deadline, f"{where} still has {found}"
        time.sleep(0.2)


def weights(rule: Told) -> dict[str, int]:
    """The backends of a rule by name and port."""
    spread = rule["backends"]
    several = spread.get("random", {}).get("backends", [])
    pairs = [(each["backend"], each["weight"]) for each in several if "weight" in each]
    pairs += [(each, 1) for each in spread.get("first", {}).get("backends", [])]
    named = [(each["backend"]["metadata"]["resource"], weight) for each, weight in pairs]
    return {f"{each['name']}:{each['port']}": weight for each, weight in named}


def method(match: Told) -> str | None:
    """The method of a match; GET is 0, which is left out of a message."""
    held = match.get("method")
    return None if held is None else _METHODS.get(held.get("registered", 0), "GET")


def accepted(linkerd: Controllers, inside: str, kind: str, name: str) -> str:
    """The reason in a route's status, once there is one."""
    deadline = time.monotonic() + _SECONDS
    path = f"/apis/{GATEWAY}/namespaces/{inside}/{kind}/{name}"
    while time.monotonic() < deadline:
        found = linkerd.cluster.get(path)
        assert found, path
        for parent in found.get("status", {}).get("parents", ()):
            for each in parent["conditions"]:
                if each["type"] == "Accepted":
                    return str(each["reason"])
        time.sleep(0.2)
    raise AssertionError(f"{path} has no status")


def test_every_key_of_http_is_what_the_proxies_are_told(linkerd: Controllers) -> None:
    keys = traffic_samples.http(8080)
    client = put(linkerd, "every-http", cart=keys)
    found = told(linkerd, ("every-http", client, "cart", 8080), lambda each: "cart.8080" in each)
    assert accepted(linkerd, "every-http", "httproutes", "cart.8080") == "Accepted"
    beta, moved, below, everything = found["cart.8080"]
    assert [method(each) for each in beta["matches"]] == ["GET", "POST"]
    first = beta["matches"][0]
    assert first["path"] == {"prefix": "/beta"}
    assert first["headers"] == [
        {"name": "x-beta", "exact": "1"}, {"name": "x-user", "regex": "a.*"},
    ]  # fmt: skip
    assert first["query"] == [{"name": "page", "exact": "1"}, {"name": "size", "regex": "[0-9]+"}]
    assert weights(beta) == {"cart-canary:8080": 100}
    change = {
        "set": {"headers": [{"name": "x-a", "value": "1"}]},
        "add": {"headers": [{"name": "x-b", "value": "2"}]},
        "remove": ["x-c"],
    }
    assert beta["filters"] == [{"request": change}, {"response": change}]
    (redirect,) = moved["filters"]
    assert redirect["redirect"] == {
        "scheme": {"registered": 1}, "host": "a.example.com", "path": {"full": "/new"},
        "port": 8443, "status": 301,
    }  # fmt: skip
    assert below["filters"][0]["redirect"]["path"] == {"prefix": "/pages"}
    assert weights(everything) == {"cart:8080": 95, "cart-canary:8080": 5}
    for rule in (beta, moved, below, everything):
        assert rule["timeouts"] == {
            "request": {"seconds": "20"}, "response": {"seconds": "10"}, "idle": {"seconds": "5"},
        }  # fmt: skip
        assert rule["retry"]["times"] == 2
        assert rule["retry"]["timeout"] == {"seconds": "1"}
        assert rule["retry"]["on"] == {"ranges": [{"start": 502, "end": 504}]}
        # Of a request's body, as much is kept for the next try.
        assert rule["retry"]["bytes"] == 65536


def test_every_key_of_grpc_is_what_the_proxies_are_told(linkerd: Controllers) -> None:
    client = put(linkerd, "every-grpc", calls=traffic_samples.grpc(9090))
    where = ("every-grpc", client, "calls", 9090)
    found = told(linkerd, where, lambda each: "calls.9090" in each, form="GrpcPolicy")
    get, rest = found["calls.9090"]
    assert get["matches"] == [{"rpc": {"service": "shop.v1.Cart", "method": "Get"}}]
    # An empty match is every call.
    assert rest.get("matches", [{}]) in ([{}], [{"rpc": {}}])
    assert weights(rest) == {"calls:9090": 1}
    assert get["retry"]["on"] == {"unavailable": True}


@pytest.mark.parametrize("bodies", [True, False])
def test_requests_with_a_body_are_retried_only_where_that_is_said(
    linkerd: Controllers, bodies: bool
) -> None:
    inside = f"bodies-{bodies}".lower()
    retries = {"on": ["5xx"], "bodies": bodies}
    client = put(linkerd, inside, cart={"port": 8080, "retries": retries})
    names = {"cart.8080"} if bodies else {"cart.8080", "cart.8080.reads"}
    where = (inside, client, "cart", 8080)
    found = told(linkerd, where, lambda each: names <= set(each))
    retried = {
        method(match)
        for name in names
        for rule in found[name]
        if "retry" in rule
        for match in rule["matches"]
    }
    assert retried == ({None} if bodies else {"GET", "HEAD", "OPTIONS"})
    assert [weights(each) for each in found["cart.8080"]] == [{"cart:8080": 1}]


@pytest.mark.parametrize("mode", ["consecutive", "unified"])
def test_the_breaker_is_what_the_proxies_are_told(linkerd: Controllers, mode: str) -> None:
    inside = f"breaker-{mode}"
    breaker = traffic_samples.BREAKER if mode == "unified" else {"failures": 4}
    client = put(linkerd, inside, cart={"port": 8080, "breaker": breaker})
    found = told(linkerd, (inside, client, "cart", 8080), lambda each: bool(each["accrual"]))
    held = found["accrual"][mode]
    if mode == "consecutive":
        assert held["failures"] == 4
        assert held["backoff"] == {"min": {"seconds": "1"}, "max": {"seconds": "60"}, "jitter": 0.5}
    else:
        assert (held["failures"], held["rate"], held["least"]) == (5, 0.9, 10)
        assert held["backoff"]["max"] == {"seconds": "120"}
        assert round(held["backoff"]["jitter"], 3) == 0.2


def test_load_bias_is_what_the_proxies_are_told(linkerd: Controllers) -> None:
    client = put(linkerd, "bias", cart={"port": 8080, "loadBias": traffic_samples.BIAS})

    def wanted(found: Told) -> bool:
        return '"penalty"' in str(found).replace("'", '"')

    found = told(linkerd, ("bias", client, "cart", 8080), wanted)
    (rule,) = found["default"]
    (backend,) = rule["backends"]["first"]["backends"]
    assert backend["backend"]["balancer"]["penalty"] == {
        "penalty": {"seconds": "4"}, "max_retry_after": {"seconds": "60"},
    }  # fmt: skip


def test_the_rate_limit_is_what_the_servers_proxy_is_told(linkerd: Controllers) -> None:
    limit = {
        "total": 100,
        "perClient": 10,
        "overrides": [{"serviceAccounts": ["callers/bar"], "rate": 50}],
    }
    foo = service("foo", protocol="HTTP/1", rateLimit=limit)
    linkerd.objects.apply(
        namespace("limited"), *planned(stack("limited", foo, defaultInboundPolicy="deny"))
    )
    name = linkerd.objects.create(pod("limited", app="foo"))["metadata"]["name"]

    def wanted(answer: Inbound) -> bool:
        return bool(answer.limits)

    answer = linkerd.policy.watch("limited", name, 8080, wanted)
    assert answer.limits == {"total": 100, "identity": 10, identity("bar", "callers"): 50}


# What the API server takes on a Service or in a route and proxies are never told, and how it is
# written that they are: annotations, or fields of a rule.
_ACCRUAL = "balancer.linkerd.io/failure-accrual"
_PARENT = {"group": "", "kind": "Service", "port": 8080}
_IGNORED: dict[str, tuple[Told, Told]] = {
    "a blank in a list drops retries": (
        {"retry.linkerd.io/http": "5xx, 429", "retry.linkerd.io/limit": "3"},
        {"retry.linkerd.io/http": "5xx,429", "retry.linkerd.io/limit": "3"},
    ),
    "a fraction drops time-outs": (
        {"timeout.linkerd.io/request": "1.5s"}, {"timeout.linkerd.io/request": "1500ms"},
    ),
    "a penalty above the longest drops the breaker": (
        {_ACCRUAL: "consecutive", f"{_ACCRUAL}-consecutive-min-penalty": "2m"},
        {_ACCRUAL: "consecutive", f"{_ACCRUAL}-consecutive-min-penalty": "1m"},
    ),
    "two units in the field of a route": (
        {"timeouts": {"request": "1m30s"}}, {"timeouts": {"request": "90s"}},
    ),
}  # fmt: skip


def settings(found: Told) -> list[Any]:
    """What proxies are told beyond where requests go."""
    rules = [rule for name, made in found.items() if name != "accrual" for rule in made]
    held = [rule.get(key) for rule in rules for key in ("retry", "timeouts")]
    return [each for each in (found["accrual"], *held) if each]


@pytest.mark.parametrize("name", _IGNORED)
def test_what_linkerd_takes_and_ignores(linkerd: Controllers, name: str) -> None:
    """The reason for the refusals: nobody says a word, and the setting is not there."""
    inside = f"ignored-{list(_IGNORED).index(name)}"
    linkerd.objects.apply(namespace(inside), *planned(rollout(inside, state="on")))
    for service_, keys in zip(("cart", "mended"), _IGNORED[name], strict=True):
        of_route = "timeouts" in keys
        made = kube_service(inside, service_, 8080, **({} if of_route else keys))
        linkerd.objects.apply(made)
        if of_route:
            backend = {"name": service_, "port": 8080, "namespace": inside}
            parent = {**_PARENT, "name": service_}
            spec = {"parentRefs": [parent], "rules": [{**keys, "backendRefs": [backend]}]}
            metadata = {"name": service_, "namespace": inside}
            linkerd.objects.apply(
                {"apiVersion": GATEWAY, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
            )
    client = linkerd.objects.create(pod(inside))["metadata"]["name"]
    wanted = "cart" if "field" in name else "default"
    found = told(linkerd, (inside, client, "cart", 8080), lambda each: wanted in each)
    assert told(linkerd, (inside, client, "mended", 8080), lambda each: bool(settings(each)))
    assert settings(found) == []


def test_a_mirror_costs_the_whole_route(linkerd: Controllers) -> None:
    """The webhook takes it, and what the route did besides is gone with it."""
    inside = "mirrored"
    client = put(linkerd, inside, cart={"port": 8080, "timeouts": {"request": "5s"}})
    where = (inside, client, "cart", 8080)
    told(linkerd, where, lambda each: "cart.8080" in each)
    backend = {"name": "b", "port": 8080, "namespace": inside}
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": backend}}
    spec = {
        "parentRefs": [{**_PARENT, "name": "cart"}],
        "rules": [{"filters": [mirror], "backendRefs": [backend]}],
    }
    metadata = {"name": "mirror", "namespace": inside}
    linkerd.objects.apply(
        {"apiVersion": GATEWAY, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
    )
    assert accepted(linkerd, inside, "httproutes", "mirror")
    assert "mirror" not in told(linkerd, where, lambda each: "cart.8080" in each)


EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", ["booksapp/3-traffic.yaml", "emojivoto/3-traffic.yaml"])
def test_the_examples_are_accepted(linkerd: Controllers, name: str) -> None:
    """By the webhook, and by the controller once their Services are there."""
    held = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    sections = {key.partition(":")[2]: value for key, value in held.items()}
    inside = name.partition("/")[0]
    services = sections["traffic"]["services"]
    linkerd.objects.apply(
        namespace(inside),
        *(kube_service(inside, key.partition("/")[2], e["port"]) for key, e in services.items()),
    )
    made = planned(sections)
    linkerd.objects.apply(*made)
    kinds = {"HTTPRoute": "httproutes", "GRPCRoute": "grpcroutes"}
    routes = [
        each
        for each in made
        if each["kind"] in kinds and each["spec"]["parentRefs"][0]["kind"] == "Service"
    ]
    assert len(routes) >= len(services) - 1
    for each in routes:
        where = kinds[each["kind"]], each["metadata"]["name"]
        assert accepted(linkerd, inside, *where) == "Accepted", where


def test_routes_come_and_go_without_a_moment_of_404(linkerd: Controllers) -> None:
    """At each step of a deployment and of a destroy, some rule takes every request."""
    inside = "steps"
    keys = {"port": 8080, "retries": {"on": ["5xx"], "bodies": False}}
    client = put(linkerd, inside, cart=keys)
    where = (inside, client, "cart", 8080)

    def whole(found: Told) -> bool:
        rules = [rule for name, made in found.items() if name != "accrual" for rule in made]
        return any(
            match.get("path", {}).get("prefix") == "/" and "method" not in match
            for rule in rules
            for match in rule.get("matches", [])
        )

    both = {"cart.8080", "cart.8080.reads"}
    assert whole(told(linkerd, where, lambda each: both <= set(each)))
    route = {"apiVersion": GATEWAY, "kind": "HTTPRoute"}
    for name, left in [("cart.8080.reads", "cart.8080"), ("cart.8080", "default")]:
        linkerd.objects.delete({**route, "metadata": {"name": name, "namespace": inside}})
        gone = name

        def without(each: Told, gone: str = gone) -> bool:
            return gone not in each

        found = told(linkerd, where, without)
        assert left in found
        assert whole(found)
