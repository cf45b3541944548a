"""`bot traffic status`: what Linkerd accepts and then ignores is a fault, service by service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from bot.cli.dispatch import main
from bot.clients.target import Target
from bot.exit_codes import BAD_INPUT, DONE, FAILED, REFUSED
from bot.mesh.traffic import command, reader, text
from bot.mesh.traffic.judge import judge
from bot.mesh.traffic.model import Figures, TrafficObjects, TrafficState
from bot.stacks import PROJECT_DIR
from components.alerts.groups.model import Alert
from components.alerts.groups.traffic import traffic as traffic_alerts
from schema.values import Duration
from tests.unit.alert_samples import setting
from tests.unit.crd_schemas import faults
from tests.unit.fake_prometheus import fake_prometheus
from tests.unit.metric_lists import exported, grouped, selectors
from tests.unit.rollout_samples import config as waves
from tests.unit.status_objects import named, route, service

Object = dict[str, Any]
PORT: Object = {"port": 80, "timeouts": {"request": "5s"}}
BREAKER: Object = {"port": 80, "breaker": {}}
ARGO: Object = {
    "port": 80,
    "delivery": "argo",
    "routes": [{"name": "all", "to": {"cart": 100, "cart-canary": 0}}],
}
FLAGGER: Object = {"port": 80, "delivery": "flagger"}
CART = ("shop", "cart")


def config(traffic: Object) -> Any:
    """A stack file in which shop/cart is treated so."""
    more: Any = {("traffic", "services"): {"shop/cart": traffic}}
    if traffic.get("delivery") == "flagger":
        more["traffic", "flaggerVersion"] = "1.41.0"
    return waves({"state": "on", "namespaces": ["shop"]}, more=more)


def objects(**changes: Any) -> TrafficObjects:
    """A cluster in which all of that holds."""
    made = {"services": [service(*CART)], "routes": [{"kind": "HTTPRoute", **route(*CART, 80)}]}
    return TrafficObjects(**{**made, **changes})


def state(traffic: Object, figures: Figures | None = None, **changes: Any) -> TrafficState:
    """What is said of it."""
    return judge(config(traffic), objects(**changes), figures, "nobody asked")


def changed(made: Object, *path: Any, value: Any) -> Object:
    """An object with another value at a path."""
    place: Any = made
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return made


def speaking(protocol: str) -> Object:
    """The Service with an `appProtocol`."""
    return changed(service(*CART), "spec", "ports", 0, "appProtocol", value=protocol)


def refused(reason: str, message: str = "", kind: str = "Accepted") -> Object:
    """The route with a condition that is false."""
    made = {"kind": "HTTPRoute", **route(*CART, 80)}
    at = 0 if kind == "Accepted" else 1
    one = {"type": kind, "status": "False", "reason": reason, "message": message}
    return changed(made, "status", "parents", 0, "conditions", at, value=one)


def rollout(
    name: str = "cart.80",
    *,
    plugin: Object | None = None,
    steps: tuple[Object, ...] = (),
    **status: Any,
) -> Object:
    """A Rollout that moves the weights of a route, by the configuration of Argo's plugin."""
    own = plugin or {"namespace": "shop", "httpRoutes": [{"name": name}]}
    canary_: Object = {
        "stableService": "cart",
        "canaryService": "cart-canary",
        "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": own}},
        "steps": list(steps),
    }
    spec = {"selector": {}, "template": {}, "strategy": {"canary": canary_}}
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    return {**kind, **named("cart", "shop"), "spec": spec, "status": status}


def labelled(name: str, *backends: str, team: str = "cart", kind: str = "HTTPRoute") -> Object:
    """A route with a label, which leads to these Services."""
    made = {**route("shop", name, 80), "kind": kind}
    refs = [{"name": each} for each in backends]
    rules = {**made["spec"], "rules": [{"backendRefs": refs}]}
    return {**made, "metadata": {**made["metadata"], "labels": {"team": team}}, "spec": rules}


def canary(group: str = "", **status: Any) -> Object:
    """A Canary of Flagger."""
    refs = [{"group": group, "kind": "Service", "name": "cart", "port": 80}]
    spec = {"targetRef": {"name": "cart"}, "service": {"port": 80, "gatewayRefs": refs}}
    return {**named("cart", "shop"), "spec": spec, "status": status}


def profile(spec: Object) -> Object:
    """A ServiceProfile of the service."""
    return {**named("cart.shop.svc.cluster.local", "shop"), "spec": spec}


def test_what_holds_has_no_fault() -> None:
    """The baseline of the table below."""
    found = state(PORT)
    assert found.faults == []
    assert [each.standing for each in found.services[0].routes] == ["accepted"]


OWNERS = [{"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "cart"}]
FLAGGERS = changed(service(*CART), "metadata", "ownerReferences", value=OWNERS)
OPAQUE = {"config.linkerd.io/opaque-ports": "79-81"}
FOREIGN = {**route(*CART, 80), "kind": "GRPCRoute", "metadata": {"name": "x", "namespace": "shop"}}
OWN = labelled("cart", "cart", "cart-canary")
ANOTHERS = labelled("web", "web", team="web")
TEAM: Object = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["cart"]}]}
SELECTS: Object = {"namespace": "shop", "httpRouteSelector": TEAM}
SELECTS_GRPC: Object = {"namespace": "shop", "grpcRouteSelector": {"matchLabels": {"team": "cart"}}}
SELECTS_OTHERS = rollout(
    plugin={"namespace": "shop", "httpRouteSelector": {"matchLabels": {"team": "web"}}}
)
HEADER_STEP: Object = {"setHeaderRoute": {"name": "beta"}}
CONSUMER = {**FOREIGN, "metadata": {"name": "x", "namespace": "web"}}


@pytest.mark.parametrize(
    ("traffic", "changes", "told"),
    [
        (PORT, {"services": []}, "there is no such Service"),
        (
            PORT,
            {"services": [changed(service(*CART), "spec", "clusterIP", value="None")]},
            "is headless: Linkerd refuses routes",
        ),
        (
            PORT,
            {"services": [changed(service(*CART), "spec", "type", value="ExternalName")]},
            "is of type ExternalName",
        ),
        ({**PORT, "port": 81}, {}, "has no port 81; its ports: 80"),
        (
            PORT,
            {"services": [changed(service(*CART), "metadata", "annotations", value=OPAQUE)]},
            "port 80 is opaque by the annotation",
        ),
        (
            PORT,
            {
                "services": [
                    changed(service(*CART), "spec", "ports", 0, "appProtocol", value="https")
                ]
            },
            "appProtocol https of port 80 makes it opaque",
        ),
        (
            {**PORT, "protocol": "grpc"},
            {
                "services": [
                    changed(service(*CART), "spec", "ports", 0, "appProtocol", value="http")
                ]
            },
            "is HTTP/1 alone, and the stack file says grpc: write kubernetes.io/h2c",
        ),
        (PORT, {"routes": []}, "HTTPRoute cart.80: is not there"),
        (
            PORT,
            {"routes": [refused("RouteReasonConflicted", "a GRPCRoute")]},
            "HTTPRoute cart.80: is refused: RouteReasonConflicted: a GRPCRoute",
        ),
        (PORT, {"routes": [refused("BackendNotFound", kind="ResolvedRefs")]}, "BackendNotFound"),
        (
            PORT,
            {"routes": [changed(objects().routes[0], "status", value={})]},  # type: ignore[arg-type]
            "has no status of Linkerd's",
        ),
        (PORT, {"routes": [*objects().routes, FOREIGN]}, "GRPCRoute x: is another's"),
        (PORT, {"routes": [*objects().routes, CONSUMER]}, "holds for clients in web instead"),
        (PORT, {"profiles": [profile({"routes": [{}]})]}, "ServiceProfile cart.shop.svc.cluster"),
        (PORT, {"profiles": [profile({"dstOverrides": [{}]})]}, "stands above it"),
        (BREAKER, {}, "5 annotations of its breaker are not there or differ"),
        (ARGO, {}, "delivery argo: no Rollout in shop moves the route cart.80"),
        (ARGO, {"rollouts": [rollout("cart")]}, "delivery argo: no Rollout"),
        (ARGO, {"rollouts": [rollout(plugin={"grpcRoute": "cart.80"})]}, "no Rollout in shop"),
        (
            ARGO,
            {"rollouts": [rollout(plugin={"namespace": "web", "httpRoute": "cart.80"})]},
            "delivery argo: no Rollout in shop",
        ),
        (
            ARGO,
            {"rollouts": [rollout(plugin={"httpRoute": "cart.80"})]},
            "Rollout cart has no `namespace` in its argoproj-labs/gatewayAPI",
        ),
        (ARGO, {"routes": [OWN], "rollouts": [SELECTS_OTHERS]}, "no Rollout in shop"),
        (
            ARGO,
            {"routes": [OWN], "rollouts": [rollout(plugin=SELECTS, steps=(HEADER_STEP,))]},
            "leaves setHeaderRoute out for such: write httpRoute: cart.80",
        ),
        (
            ARGO,
            {"routes": [OWN, labelled("web", "web")], "rollouts": [rollout(plugin=SELECTS)]},
            "selects web.80 as well, without cart and cart-canary among its backends",
        ),
        (FLAGGER, {}, "delivery flagger: no Canary in shop is for cart"),
        (
            FLAGGER,
            {"canaries": [canary("core")], "flagger": "ghcr.io/fluxcd/flagger:1.44.0"},
            "Flagger 1.44 waits for ever",
        ),
        (
            {**FLAGGER, "breaker": {}},
            {"canaries": [canary()], "services": [FLAGGERS]},
            "is made by Canary cart, which takes the annotations of its breaker off again",
        ),
        (FLAGGER, {"canaries": [canary("core")]}, "of a version that could not be read waits"),
    ],
)
def test_what_linkerd_ignores_is_a_fault(traffic: Object, changes: Any, told: str) -> None:
    """None of it has an event, and each of them looks like a setting that does not work."""
    found = state(traffic, **changes)
    assert any(told in each for each in found.faults), found.faults


@pytest.mark.parametrize(
    ("traffic", "changes", "told"),
    [
        ({**PORT, "retries": {"on": ["5xx"], "bodies": True}}, {}, None),
        (
            {"port": 80, "retries": {"on": ["5xx"], "bodies": True}},
            {},
            "port 80 has no budget: retries without timeouts.request",
        ),
        (PORT, {"profiles": [profile({})]}, None),
        (FLAGGER, {"canaries": [canary()], "services": [FLAGGERS]}, "Canary cart: no phase yet"),
        (
            ARGO,
            {"rollouts": [rollout(phase="Paused", message="CanaryPauseStep")]},
            "Rollout cart: Paused (CanaryPauseStep)",
        ),
        (
            ARGO,
            {"routes": [OWN, ANOTHERS], "rollouts": [rollout(plugin=SELECTS, phase="Healthy")]},
            "Rollout cart: Healthy",
        ),
        (
            {**ARGO, "protocol": "grpc"},
            {
                "routes": [labelled("cart", "cart", "cart-canary", kind="GRPCRoute")],
                "rollouts": [rollout(plugin=SELECTS_GRPC, phase="Healthy")],
            },
            "Rollout cart: Healthy",
        ),
        (
            FLAGGER,
            {"canaries": [canary(phase="Progressing", canaryWeight=20)]},
            "Canary cart: Progressing, canary at 20 %",
        ),
        (
            FLAGGER,
            {
                "canaries": [canary("core", phase="Succeeded")],
                "flagger": "ghcr.io/fluxcd/flagger:1.41.0",
            },
            "Canary cart: Succeeded",
        ),
    ],
)
def test_what_holds_is_a_note_at_most(traffic: Object, changes: Any, told: str | None) -> None:
    """An exit code 4 for what is in order would be ignored from then on."""
    found = state(traffic, **changes)
    notes = found.services[0].notes
    assert [each for each in found.faults if "ServiceProfile" in each or "delivery" in each] == []
    assert not [each for each in found.faults if "Flagger" in each or "Canary" in each]
    assert (told in " ".join(notes)) if told else notes == ()


def test_figures_are_of_the_service_that_was_called() -> None:
    """Retries that do not help are load; a breaker that is open for all is an outage."""
    seen = Figures(
        "1h",
        retried={CART: 200.0},
        recovered={CART: 150.0},
        exhausted={CART: 50.0},
        overflowed={CART: 3.0},
        timed_out={CART: 7.0},
        shut={CART: 2.0},
        out={CART: (1.0, 4.0)},
        limited={("shop", "cart-80"): 12.0},
    )
    found = state(PORT, seen)
    told = "\n".join(text.lines(found))
    assert found.faults == ["shop/cart: breaker: 2 clients have no ready pod, and answer with 504"]
    for words in (
        "retries in 1h: 200, of which 150 were good (75%)",
        "50 requests still failed after the last retry in 1h",
        "3 retries were not made because no pod was ready in 1h",
        "7 requests were ended by a time-out in 1h",
        "breaker: 1 of 4 pods are out",
        "limit of Server shop/cart-80: 12 requests were over it in 1h",
        "1 service: 1 with faults, 0 as the stack file says",
    ):
        assert words in told, told


def test_services_that_nobody_wrote_down_are_told() -> None:
    """Their calls have neither time-out nor breaker, and nobody decided that."""
    more = [service("shop", "web"), service("other", "x"), service("shop", "db")]
    more[-1]["spec"]["clusterIP"] = "None"
    found = state(PORT, services=[service(*CART), *more])
    assert found.silent == ["shop/web"]
    assert "not in traffic, so without time-outs, retries and breaker: shop/web" in "\n".join(
        text.lines(found)
    )


def test_the_queries_read_what_proxies_export() -> None:
    """A name that is wrong answers with nothing, which looks like no retries at all."""
    asked: list[str] = []

    def answer(query: str) -> Any:
        asked.append(query)
        metric = {"parent_namespace": "shop", "parent_name": "cart", "backend_namespace": "shop",
                  "backend_name": "cart", "namespace": "shop", "srv_name": "cart-80"}  # fmt: skip
        result = [{"metric": metric, "value": [0, "2"]}]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}

    with fake_prometheus(answer) as address:
        found = reader.figures(reader.PrometheusApi(address), Duration(3600))
    assert found.retried == {CART: 4.0}  # HTTP and gRPC
    assert found.timed_out == {CART: 4.0}  # HTTP and gRPC
    assert found.out == {CART: (2.0, 4.0)}
    assert found.limited == {("shop", "cart-80"): 2.0}
    for query in asked:
        known: set[str] = {"namespace", "pod"}
        for each in selectors(query):
            assert set(each.labels) <= exported()[each.metric], query
            known |= exported()[each.metric]
        assert grouped(query) <= known, query


def test_a_time_out_is_what_the_alert_counts() -> None:
    """By status, the 504 of a server and of a breaker that is open would be time-outs of ours."""
    asked: list[str] = []

    def answer(query: str) -> Any:
        asked.append(query)
        return {"status": "success", "data": {"resultType": "vector", "result": []}}

    with fake_prometheus(answer) as address:
        reader.figures(reader.PrometheusApi(address), Duration(3600))
    (rule,) = [
        each
        for each in traffic_alerts(setting()).rules
        if isinstance(each, Alert) and each.name == "LinkerdRequestsTimedOut"
    ]
    statuses = re.compile(r"outbound_\w+_route_request_statuses_total\{[^}]*\}")
    counted = {found for query in asked for found in statuses.findall(query)}
    assert counted == set(statuses.findall(rule.expr))
    assert counted == {
        f'outbound_{kind}_route_request_statuses_total{{error=~".+_TIMEOUT"}}'
        for kind in ("http", "grpc")
    }


def test_the_rollouts_of_the_table_are_what_argos_own_crd_allows() -> None:
    """A selector that the API server prunes would select nothing."""
    template = {"metadata": {"labels": {"app": "cart"}}, "spec": {"containers": []}}
    for plugin in (SELECTS, SELECTS_GRPC):
        made = rollout(plugin=plugin, steps=({"setWeight": 5},))
        made["spec"] |= {"selector": {"matchLabels": {"app": "cart"}}, "template": template}
        assert faults(made) == []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run the command over objects; exit code and output."""

    def body(made: TrafficObjects, *words: str, owner: bool = False) -> tuple[int, str]:
        stack = config(PORT)
        stack = stack.model_copy(update={"cluster": None}) if owner else stack

        @contextmanager
        def client(_: Target) -> Iterator[None]:
            yield None

        monkeypatch.setattr(
            command.trust_fleet,
            "target_of",
            lambda name: Target(name, PROJECT_DIR, stack, None, {}),
        )
        monkeypatch.setattr(command, "cluster", client)
        monkeypatch.setattr(reader, "read", lambda _: made)
        code = main(["traffic", "status", "--stack", "staging", *words])
        out, err = capsys.readouterr()
        return code, out + err

    return body


def test_the_command_says_what_it_did_not_look_at(run: Callable[..., Any]) -> None:
    """Without a Prometheus the objects alone are judged."""
    code, out = run(objects())
    assert code == DONE
    assert "breakers, retries, time-outs and limits not looked at: no Prometheus is named" in out
    code, out = run(replace(objects(), routes=()), "--json")
    assert code == REFUSED
    document = json.loads(out)
    assert document["services"][0]["routes"][0]["state"] == "missing"
    assert document["limited"] is None


@pytest.mark.parametrize(
    ("words", "owner", "code", "told"),
    [
        (("--window", "x"), False, BAD_INPUT, "--window"),
        (("--prometheus", "x"), False, BAD_INPUT, "--prometheus"),
        (("--service", "shop/card"), False, BAD_INPUT, "did you mean 'shop/cart'?"),
        (("--prometheus", "http://127.0.0.1:9"), False, FAILED, "Prometheus http://127.0.0.1:9"),
        ((), True, BAD_INPUT, "has no cluster"),
    ],
)
def test_bad_arguments_are_refused(
    run: Callable[..., Any], words: tuple[str, ...], owner: bool, code: int, told: str
) -> None:
    """In one line that names the option."""
    ended, out = run(objects(), *words, owner=owner)
    assert ended == code
    assert told in out
