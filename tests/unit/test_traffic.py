"""Traffic: the routes of a service, their annotations, the keys on the Service, and the order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.plan.mock.monitor import Resource
from components.base import Manifest
from components.traffic import rules
from components.traffic.arguments import arguments
from components.traffic.component import Traffic, TrafficArgs
from components.traffic.objects import NAMES, routes, service_patch
from components.traffic.section import ServiceTraffic, TrafficSection
from components.traffic.values import RULES
from stack.load import _tupled
from tests.recorder import record
from tests.unit import traffic_samples
from tests.unit.crd_schemas import faults
from tests.unit.samples import made
from tests.unit.stack_files import load, spoilt, write
from tests.unit.whole_program import evaluated_file

EFFECTS = traffic_samples.EFFECTS
ELSEWHERE = {
    "traffic.flaggerVersion": "one_fault_traffic.py",
    "traffic.services.<name>.protocol": "test_traffic.py",
    "traffic.services.<name>.otherPorts.protocol": "test_traffic.py",
    "traffic.services.<name>.breaker.mode": "test_traffic.py",
}
WAVES = [{"name": "a", "state": "on", "namespaces": ["shop", "web"]}]


def service(**keys: Any) -> ServiceTraffic:
    """A service as the stack file has it, on port 8080."""
    return ServiceTraffic.model_validate(
        _tupled({"port": 8080, **keys}), by_alias=True, by_name=False
    )


SAMPLE = TrafficArgs(
    namespace="shop",
    service="cart",
    traffic=service(
        breaker={},
        timeouts={"request": "5s"},
        retries={"on": ["gateway-error"], "bodies": False},
        routes=[{"name": "beta", "headers": {"x-beta": "1"}, "to": {"cart-canary": 1}}],
        otherPorts=[{"port": 9090, "protocol": "grpc", "timeouts": {"idle": "30s"}}],
    ),
)


def route(**keys: Any) -> Manifest:
    """The one route of a service of these keys, valid against the CRD."""
    (found,) = every(**keys)
    return found


def every(**keys: Any) -> list[Manifest]:
    """The routes of a service, valid against the CRDs."""
    found = routes("shop", "cart", service(**keys))
    for each in found:
        assert faults(each) == [], each
    return found


def refs(rule: dict[str, Any]) -> dict[str, int]:
    """Where a rule leads, with the weights."""
    return {
        f"{each['namespace']}/{each['name']}:{each['port']}": each["weight"]
        for each in rule["backendRefs"]
    }


def test_a_route_names_its_service_by_group_kind_namespace_and_port() -> None:
    """Without the port Linkerd attaches it by name alone, to an EgressNetwork as well."""
    made = route(timeouts={"request": "5s"})
    assert made["metadata"]["name"] == "cart.8080"
    assert made["spec"]["parentRefs"] == [
        {"group": "", "kind": "Service", "namespace": "shop", "name": "cart", "port": 8080}
    ]


def test_everything_that_has_a_default_is_written() -> None:
    """What the API server fills in would differ with each preview."""
    made = route(routes=[{"name": "a", "path": "/a", "headers": {"x-a": "1"}, "to": {"b": 1}}])
    first, rest = made["spec"]["rules"]
    assert first["matches"] == [
        {
            "path": {"type": "PathPrefix", "value": "/a"},
            "headers": [{"type": "Exact", "name": "x-a", "value": "1"}],
        }
    ]
    for ref in (*first["backendRefs"], *rest["backendRefs"]):
        assert set(ref) == {"group", "kind", "namespace", "name", "port", "weight"}


def test_what_no_route_takes_goes_to_the_service_itself() -> None:
    """With any route on it Linkerd answers 404 to what none matches."""
    made = route(routes=[{"name": "beta", "headers": {"x-beta": "1"}, "to": {"cart-canary": 1}}])
    *_, rest = made["spec"]["rules"]
    assert rest["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert refs(rest) == {"shop/cart:8080": 1}


def test_a_last_route_for_everything_is_the_rest() -> None:
    """A second rule of the same match would never hold."""
    made = route(routes=[{"name": "all", "to": {"cart": 95, "cart-canary": 5}}])
    (only,) = made["spec"]["rules"]
    assert refs(only) == {"shop/cart:8080": 95, "shop/cart-canary:8080": 5}


def test_retries_and_timeouts_alone_make_a_route_for_everything() -> None:
    """They are annotations of a route: its webhook checks them, and nobody those of a Service."""
    made = route(
        timeouts={"request": "5s", "response": "2s", "idle": "1s"},
        retries={"on": ["5xx", 429], "times": 3, "timeout": "500ms", "bodies": True},
    )
    assert made["metadata"]["annotations"] == {
        NAMES: "rest",
        "timeout.linkerd.io/request": "5s",
        "timeout.linkerd.io/response": "2s",
        "timeout.linkerd.io/idle": "1s",
        "retry.linkerd.io/http": "5xx,429",
        "retry.linkerd.io/limit": "3",
        "retry.linkerd.io/timeout": "500ms",
    }
    assert [refs(each) for each in made["spec"]["rules"]] == [{"shop/cart:8080": 1}]


def test_without_bodies_only_reads_are_retried() -> None:
    """Linkerd retries whatever a route takes, POST too, so reads are a route of their own."""
    whole, reads = every(
        timeouts={"request": "5s"},
        retries={"on": ["5xx"], "bodies": False},
        routes=[
            {"name": "a", "path": "/a", "to": {"b": 1}},
            {"name": "r", "path": "/r", "methods": ["GET"], "to": {"b": 1}},
            {"name": "w", "path": "/w", "methods": ["POST", "HEAD"], "to": {"b": 1}},
        ],
    )
    assert "retry.linkerd.io/http" not in whole["metadata"]["annotations"]
    assert reads["metadata"]["name"] == "cart.8080.reads"
    assert reads["metadata"]["annotations"]["retry.linkerd.io/http"] == "5xx"
    for each in (whole, reads):
        assert each["metadata"]["annotations"]["timeout.linkerd.io/request"] == "5s"

    def methods(made: Manifest) -> dict[str, list[str | None]]:
        return {
            rule["matches"][0]["path"]["value"]: [each.get("method") for each in rule["matches"]]
            for rule in made["spec"]["rules"]
        }

    # None of one is in the other: of two that are as specific the older would hold.
    assert methods(whole) == {"/a": [None], "/w": ["POST"], "/": [None]}
    every_read = ["GET", "HEAD", "OPTIONS"]
    assert methods(reads) == {"/a": every_read, "/r": ["GET"], "/w": ["HEAD"], "/": every_read}


def test_a_grpc_port_has_a_grpc_route() -> None:
    """An HTTPRoute would be dropped beside one, and retries on gRPC codes be none."""
    made = route(**traffic_samples.grpc(8080))
    assert made["kind"] == "GRPCRoute"
    first, rest = made["spec"]["rules"]
    call = {"type": "Exact", "service": "shop.v1.Cart", "method": "Get"}
    assert first["matches"] == [{"method": call}]
    # No matches: every call.
    assert "matches" not in rest
    assert made["metadata"]["annotations"]["retry.linkerd.io/grpc"] == "unavailable"
    (whole,) = route(protocol="grpc", routes=[{"name": "s", "to": {"b": 1}}])["spec"]["rules"]
    assert refs(whole) == {"shop/b:8080": 1}


@pytest.mark.parametrize("protocol", ["http", "h2c"])
def test_http_has_an_http_route_whatever_its_version(protocol: str) -> None:
    """Which version it is, the Service's appProtocol says."""
    assert route(protocol=protocol, timeouts={"idle": "5s"})["kind"] == "HTTPRoute"


def test_redirects_and_changed_headers_are_filters() -> None:
    """The two kinds of filter that Linkerd takes; for any other it drops the whole route."""
    beta, moved, below, _ = route(**traffic_samples.http(8080))["spec"]["rules"]
    assert [each["type"] for each in beta["filters"]] == [
        "RequestHeaderModifier",
        "ResponseHeaderModifier",
    ]
    assert beta["filters"][0]["requestHeaderModifier"] == {
        "set": [{"name": "x-a", "value": "1"}],
        "add": [{"name": "x-b", "value": "2"}],
        "remove": ["x-c"],
    }
    assert moved["filters"][0]["requestRedirect"] == {
        "statusCode": 301,
        "scheme": "https",
        "hostname": "a.example.com",
        "port": 8443,
        "path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"},
    }
    assert below["filters"][0]["requestRedirect"]["path"]["type"] == "ReplacePrefixMatch"
    assert not any("backendRefs" in each for each in (moved, below))


def test_a_backend_may_be_elsewhere_and_at_another_port() -> None:
    """An unsaid namespace means one thing to the status and another to the proxies."""
    made = route(routes=[{"name": "all", "to": {"web/cart:9090": 1, "b:81": 2, "c": 0}}])
    assert refs(made["spec"]["rules"][0]) == {
        "web/cart:9090": 1,
        "shop/b:81": 2,
        "shop/c:8080": 0,
    }


def annotations(**keys: Any) -> dict[str, str]:
    """What is written on the Service of these keys."""
    patch = service_patch("shop", "cart", service(**keys))
    assert patch is not None
    assert set(patch["metadata"]) == {"name", "namespace", "annotations"}
    return dict(patch["metadata"]["annotations"])


def test_a_breaker_is_written_on_the_service_in_full() -> None:
    """For one value that it cannot read, or key that it does not know, Linkerd has no breaker."""
    ours = {"pulumi.com/patchFieldManager": "linkerd-platform", "pulumi.com/patchForce": "true"}
    prefix = "balancer.linkerd.io/failure-accrual"
    consecutive = {
        prefix: "consecutive",
        f"{prefix}-consecutive-max-failures": "7",
        f"{prefix}-consecutive-min-penalty": "1s",
        f"{prefix}-consecutive-max-penalty": "1m",
        f"{prefix}-consecutive-jitter-ratio": "0.5",
    }
    assert annotations(breaker={}) == consecutive | ours
    rate = "balancer.alpha.linkerd.io/failure-accrual-success-rate"
    assert annotations(breaker={"mode": "unified", "successRate": 95}) == {
        **consecutive,
        prefix: "unified",
        f"{rate}-threshold": "0.95",
        f"{rate}-window": "10s",
        f"{rate}-min-requests": "5",
        **ours,
    }


def test_load_bias_is_written_on_the_service() -> None:
    """It works without a breaker too."""
    alpha = "balancer.alpha.linkerd.io"
    found = annotations(loadBias={"penalty": "2s"})
    assert {key: value for key, value in found.items() if key.startswith(alpha)} == {
        f"{alpha}/penalize-failures": "true",
        f"{alpha}/load-biaser-penalty": "2s",
        f"{alpha}/load-biaser-max-retry-after": "5m",
    }
    assert service_patch("shop", "cart", service(timeouts={"idle": "5s"})) is None


def test_no_request_is_refused_while_routes_come_and_go() -> None:
    """The route for everything comes first and goes last; a destroy leaves the Service."""
    recording = made(Traffic)
    patch = recording.named("x-service")
    whole = recording.named("x-cart.8080")
    reads = recording.named("x-cart.8080.reads")
    other = recording.named("x-cart.9090")
    assert patch.type == "kubernetes:core/v1:ServicePatch"
    for later, earlier in [(whole, patch), (reads, whole), (other, patch)]:
        assert recording.comes_after(later, earlier)
    assert not recording.comes_after(whole, reads)
    assert recording.outputs[recording.named("x").urn] == {
        "routes": ["HTTPRoute cart.8080", "HTTPRoute cart.8080.reads", "GRPCRoute cart.9090"]
    }


@pytest.mark.parametrize(
    "keys",
    [
        {"timeouts": {"request": "5s"}},
        {"retries": {"on": ["5xx"], "bodies": False}},
        {
            "retries": {"on": ["5xx"], "bodies": False},
            "routes": [
                {"name": "r", "methods": ["GET"], "to": {"b": 1}},
                {"name": "w", "methods": ["POST"], "to": {"b": 1}},
                {"name": "all", "to": {"c": 1}},
            ],
        },
        {"routes": [{"name": "m", "path": "/old", "redirect": {"path": "/new"}}]},
        {**traffic_samples.http(8080), "otherPorts": [traffic_samples.grpc(8082)]},
        {"delivery": "argo", "routes": [{"name": "all", "to": {"cart": 100, "cart-canary": 0}}]},
    ],
)
def test_a_route_without_a_rule_for_every_request_comes_after_one_that_has_it(
    keys: dict[str, Any],
) -> None:
    """Else a deployment or a destroy that stops between the two leaves requests with 404."""
    recording = record(lambda: Traffic("x", SAMPLE.model_copy(update={"traffic": service(**keys)})))
    routes_ = [each for each in recording.resources if each.type.endswith("Route")]

    def whole(each: Resource) -> bool:
        matches = [m for rule in each.inputs["spec"]["rules"] for m in rule.get("matches", [{}])]
        return any(m in ({}, {"path": {"type": "PathPrefix", "value": "/"}}) for m in matches)

    def port(each: Resource) -> int:
        (parent,) = each.inputs["spec"]["parentRefs"]
        return int(parent["port"])

    assert routes_
    for each in routes_:
        before = [o for o in routes_ if whole(o) and port(o) == port(each)]
        assert whole(each) or any(recording.comes_after(each, other) for other in before)


def test_routes_come_after_linkerd_whose_webhook_checks_them(tmp_path: Path) -> None:
    """And go before it: without its controller nobody would tell the proxies."""
    sections = spoilt({("rollout", "waves"): WAVES, ("traffic",): traffic_samples.PLAN})
    made_ = evaluated_file(write(tmp_path, sections), preview=False)
    control_plane = made_.named("linkerd-linkerd-control-plane")
    children = [
        each
        for each in made_.resources
        if each.type.endswith(("HTTPRoute", "GRPCRoute", ":ServicePatch"))
    ]
    # cart with its three ports, calls, web with its two, and the patch of cart.
    assert len(children) == 7
    for each in children:
        assert made_.comes_after(each, control_plane), each.name


CANARY = [{"name": "all", "to": {"cart": 100, "cart-canary": 0}}]


def test_argos_weights_are_left_alone_and_a_change_here_makes_the_route_anew() -> None:
    """The rules are one atomic list: with the first weight that it moves, all are Argo's."""
    digests = set()
    for weight in (0, 5):
        to = {"cart": 100 - weight, "cart-canary": weight}
        args = SAMPLE.model_copy(
            update={"traffic": service(delivery="argo", routes=[{"name": "all", "to": to}])}
        )
        recording = record(lambda args=args: Traffic("x", args))  # type: ignore[misc]
        found = recording.named("x-cart.8080")
        assert recording.left[found.urn] == (
            ["spec.rules"],
            [f'metadata.annotations["{RULES}"]'],
        )
        digests.add(found.inputs["metadata"]["annotations"][RULES])
    assert len(digests) == 2


def test_flaggers_route_is_flaggers() -> None:
    """It overwrites what is there, rules and filters with it."""
    args = SAMPLE.model_copy(update={"traffic": service(delivery="flagger", breaker={})})
    recording = record(lambda: Traffic("x", args))
    assert {each.type for each in recording.resources if each.name != "x"} == {
        "kubernetes:core/v1:ServicePatch"
    }


def test_a_stack_without_traffic_makes_nothing_of_it(tmp_path: Path) -> None:
    """What is there already stays as it is."""
    assert list(arguments(load(tmp_path, spoilt({})))) == []


@pytest.mark.parametrize("part", ["rules", "objects"])
def test_services_cost_the_same_however_many_there_are(part: str, tmp_path: Path) -> None:
    """Linear, and far below 3 ms each: twice as many take twice as long."""
    config = load(tmp_path, spoilt({("rollout", "waves"): WAVES}))
    one = service(
        breaker={},
        timeouts={"request": "5s"},
        retries={"on": ["gateway-error"], "bodies": False},
        routes=[{"name": "all", "to": {"cart": 95, "cart-canary": 5}}],
    )
    times = []
    for count in (500, 2000):
        services = {f"shop/cart-{at}": one for at in range(count)}
        made = config.model_copy(update={"traffic": TrafficSection(services=services)})
        started = time.process_time()
        if part == "rules":
            assert list(rules.check(made)) == []
        else:
            objects = [each for args in arguments(made) for each in manifests(args)]
            assert len(objects) == 3 * count
        times.append((time.process_time() - started) / count)
    assert times[1] < 0.003, times
    assert times[1] < 3 * times[0], times


def manifests(args: TrafficArgs) -> Iterator[Manifest]:
    """Everything that is made of a service."""
    yield service_patch(args.namespace, args.service, args.traffic) or {}
    for port in args.traffic.ports:
        yield from routes(args.namespace, args.service, port)
