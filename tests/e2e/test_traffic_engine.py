"""Traffic by the real engine: in which order routes and breakers come and go, and nothing is left.

What the API server wrote, and when, is in the revisions of its watches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.project import Copy
from tests.e2e.test_rollout import NAMESPACES, SANDBOX, Stack

pytestmark = pytest.mark.e2e

HOME = "orders"
ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{HOME}/httproutes"
SERVICES = f"{NAMESPACES}/{HOME}/services"
BREAKER = "balancer.linkerd.io/failure-accrual"
CART: dict[str, Any] = {
    "port": 8080,
    "timeouts": {"request": "5s"},
    "retries": {"on": ["gateway-error"], "timeout": "1s", "bodies": False},
    "breaker": {"failures": 5},
    "routes": [{"name": "all", "to": {"cart": 95, "cart-canary": 5}}],
}
WEB: dict[str, Any] = {"port": 8080, "timeouts": {"idle": "30s"}}


@dataclass(frozen=True)
class Written:
    """What was there after a write: of routes their names, of the Service whether it has ours."""

    routes: frozenset[str]
    breaker: bool


class Orders(Stack):
    """A namespace of others with its Services, and a stack that says how they are called."""

    def traffic(self, **services: dict[str, Any]) -> None:
        """Write the sections of a plan in which requests to these services are treated so."""
        named = {f"{HOME}/{name}": keys for name, keys in services.items()}
        waves = [{"name": "first", "state": "on", "namespaces": [HOME]}]
        self.write({"rollout": {"waves": waves}, "traffic": {"services": named}})

    def revision(self) -> str:
        answer = self.copy.api.request("GET", ROUTES)
        assert answer.ok, answer
        return str(answer.body["metadata"]["resourceVersion"])

    def since(self, revision: str) -> list[Written]:
        """What was there after each write to routes and to the Service cart, in their order."""
        routes = self._routes_at(revision)
        events = []
        for path in (ROUTES, SERVICES):
            query = f"watch=1&timeoutSeconds=2&resourceVersion={revision}"
            answer = self.copy.api.request("GET", f"{path}?{query}", seconds=30)
            body = answer.body
            lines = body.splitlines() if isinstance(body, str) else [json.dumps(body)] * bool(body)
            events += [json.loads(line) for line in lines]
        events.sort(key=lambda each: int(each["object"]["metadata"]["resourceVersion"]))
        breaker, made = None, []
        for each in events:
            metadata = each["object"]["metadata"]
            if "rules" in each["object"]["spec"]:
                change = routes.discard if each["type"] == "DELETED" else routes.add
                change(metadata["name"])
            elif metadata["name"] == "cart":
                breaker = BREAKER in (metadata.get("annotations") or {})
            made.append((frozenset(routes), breaker))
        first = not next((seen for _, seen in made if seen is not None), False)
        return [Written(seen, first if flag is None else flag) for seen, flag in made]

    def _routes_at(self, revision: str) -> set[str]:
        query = f"resourceVersion={revision}&resourceVersionMatch=Exact"
        answer = self.copy.api.request("GET", f"{ROUTES}?{query}")
        assert answer.ok, answer
        return {each["metadata"]["name"] for each in answer.body["items"]}

    def assert_settled(self) -> None:
        """No change is left: neither to make, nor one that somebody else has made."""
        done = self.copy.run("bot", "preview", *SANDBOX, "--refresh", "--expect-no-changes")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def service(name: str) -> dict[str, Any]:
    """A Service of another tool."""
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 8080}]}
    metadata = {"name": name, "annotations": {"owner": "team-orders"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def orders(mesh: tuple[Copy, str]) -> Iterator[Orders]:
    """The mesh with the namespace and its Services; afterwards as it was."""
    made = Orders(mesh[0])
    made.create_namespace(HOME)
    try:
        for name in ("cart", "cart-canary", "web"):
            answer = made.create(SERVICES, service(name))
            assert answer.ok, answer
        yield made
    finally:
        made.file.write_text(made.tracked, encoding="utf-8")
        made.up()
        made.copy.api.request("DELETE", f"{NAMESPACES}/{HOME}")


def in_order(written: list[Written]) -> None:
    """Wherever a route of reads is, one for every request is; wherever one is, the breaker is."""
    assert written
    for each in written:
        assert "cart.8080" in each.routes or "cart.8080.reads" not in each.routes, written
        assert each.breaker or "cart.8080" not in each.routes, written


def test_no_request_is_without_a_rule_while_traffic_comes_and_goes(orders: Orders) -> None:
    """A route takes the Service's default away: one of reads alone would leave writes a 404."""
    before = orders.revision()
    orders.traffic(cart=CART, web=WEB)
    orders.up()
    written = orders.since(before)
    in_order(written)
    assert written[-1] == Written(frozenset({"cart.8080", "cart.8080.reads", "web.8080"}), True)
    orders.assert_settled()

    there = orders.revision()
    orders.traffic(web=WEB)
    orders.up()
    gone = orders.since(there)
    steps = list(dict.fromkeys((each.routes - {"web.8080"}, each.breaker) for each in gone))
    # The breaker goes last, as it came first. Of what is deleted, the first write is a mark.
    assert steps == [
        (frozenset({"cart.8080", "cart.8080.reads"}), True),
        (frozenset({"cart.8080"}), True),
        (frozenset(), True),
        (frozenset(), False),
    ]
    assert all("web.8080" in each.routes for each in gone)
    orders.assert_settled()
    found = orders.copy.api.request("GET", f"{SERVICES}/cart").body["metadata"]["annotations"]
    assert found == {"owner": "team-orders"}


def test_retries_that_get_a_route_of_their_own_never_leave_a_gap(orders: Orders) -> None:
    """From every request to reads alone, and back: the route of all is there throughout."""
    whole = {**CART, "retries": {**CART["retries"], "bodies": True}}
    orders.traffic(cart=whole)
    orders.up()
    before = orders.revision()
    for keys in (CART, whole):
        orders.traffic(cart=keys)
        orders.up()
        orders.assert_settled()
    written = orders.since(before)
    assert {each.routes for each in written} == {
        frozenset({"cart.8080"}),
        frozenset({"cart.8080", "cart.8080.reads"}),
    }
    assert all(each.breaker for each in written)
