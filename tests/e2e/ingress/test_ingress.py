"""Requests through the real ingress gateway: what it asks of them, how much, and what it says.

One gateway serves all tests: each leaves it as it was. A proof shows the fault first, where the
setting is left out, wherever that can be seen.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from components.ingress import routes as made
from components.ingress.routes import IngressRouteArgs
from components.names import INGRESS, LINKERD_INGRESS
from sandbox.node import node as nodes
from sandbox.node import objects
from tests.certificates import Authority
from tests.e2e import ingress_gateway
from tests.e2e.ingress_gateway import (
    HOST,
    HTTP_PORT,
    PARTNERS,
    SHOP,
    Gateway,
    Reply,
    sending,
)
from tests.e2e.ingress_routes import ROUTES, route_args

pytestmark = pytest.mark.e2e

_PREFLIGHT = {
    "Origin": "https://app.example.com",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization",
}


@contextmanager
def knobs(gateway: Gateway, name: str, **settings: Any) -> Iterator[None]:
    """A server of the shop with a fault."""
    server = gateway.server(name)
    server.knobs(**settings)
    try:
        yield
    finally:
        server.knobs()


def test_envoy_gateway_takes_every_object(gateway: Gateway) -> None:
    """The API server's schema lets much through that Envoy Gateway then makes 500 of."""
    assert gateway.status("GatewayClass", "linkerd-platform")["Accepted"] == "True"
    whole = gateway.status("Gateway", INGRESS)
    assert (whole["Accepted"], whole["Programmed"]) == ("True", "True"), whole
    policies = {"SecurityPolicy": made.security_policy, "BackendTrafficPolicy": _traffic_policy}
    for route in ROUTES:
        args = route_args(gateway, route)
        said = gateway.status("HTTPRoute", route["name"])
        assert (said["Accepted"], said["ResolvedRefs"]) == ("True", "True"), (route, said)
        for kind, make in policies.items():
            if make(args):
                assert gateway.status(kind, route["name"])["Accepted"] == "True", (kind, route)
    for listener in ("shop", "partners", "http"):
        assert gateway.status("ClientTrafficPolicy", listener)["Accepted"] == "True"


def _traffic_policy(args: IngressRouteArgs) -> Any:
    return made.backend_traffic_policy(args.route)


def test_a_partner_shows_a_certificate_of_its_ca_or_is_refused(gateway: Gateway) -> None:
    """And the application learns who it was; a listener without a CA asks nobody."""
    other = Authority.root("other").issue("mallory", ca=False)
    ours = gateway.partners.issue("partner-1", ca=False)

    def asked(pem: tuple[bytes, bytes] | None, **more: Any) -> Reply:
        return gateway.outside(pem).request("/orders", host=PARTNERS, **more)

    assert gateway.outside().request("/").status == 200
    assert asked(None).status == 0
    assert asked(other).status == 0
    forged = {"x-forwarded-client-cert": 'Subject="CN=root"'}
    right = asked(ours, headers=forged)
    assert right.status == 200, right
    shown = right.json()["headers"]["x-forwarded-client-cert"]
    assert "CN=partner-1" in shown
    assert "root" not in shown


def test_only_a_whole_token_opens_a_route(gateway: Gateway) -> None:
    """Issuer and audience are left unchecked by Envoy where nobody names them: ours are named."""
    idp, client = gateway.idp, gateway.outside()
    unknown = type(idp)(idp.public)
    tokens = {
        "none": ("", 401),
        "expired": (idp.token(seconds=-120), 401),
        "wrong issuer": (idp.token(iss="https://other.example.com/"), 401),
        "wrong audience": (idp.token(aud="bank"), 403),
        "no audience": (idp.token(aud=None), 403),
        "of another key": (unknown.token(), 401),
        "without the scope": (idp.token(scope="cart.read"), 403),
        "without scopes": (idp.token(scope=None), 403),
        "right": (idp.token(), 200),
    }
    gateway.until(lambda: client.request("/api", token=idp.token()).status == 200, "keys are there")
    seen = {name: client.request("/api", token=token).status for name, (token, _) in tokens.items()}
    assert seen == {name: status for name, (_, status) in tokens.items()}
    # A token in an address would end in logs, and opens nothing.
    assert client.request(f"/api?access_token={idp.token()}").status == 401
    # What is below a path, or looks like another one, is asked for a token as well.
    for path in ("/api/x", "/api//x", "/x/../api", "/./api"):
        assert client.request(path).status in (401, 404), path
    # An escaped slash is sent back without the escape, and is then asked as well.
    assert client.request("/api%2fx").headers["location"].endswith("/api/x")


def test_a_preflight_is_answered_by_the_gateway(gateway: Gateway) -> None:
    """It has no token: asked for one, no web page could ever call; the application sees nothing."""
    cart, client = gateway.server("cart"), gateway.outside()
    cart.knobs()
    answer = client.request("/api", "OPTIONS", headers=_PREFLIGHT)
    assert answer.status in (200, 204), answer
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert cart.counts()["total"] == 0
    other = _PREFLIGHT | {"Origin": "https://evil.example.com"}
    assert (
        "access-control-allow-origin"
        not in client.request("/api", "OPTIONS", headers=other).headers
    )
    # Without CORS a preflight is a request like any other, which the application answers.
    front = gateway.server("front")
    front.knobs()
    client.request("/", "OPTIONS", headers=_PREFLIGHT)
    client.request("/")
    assert front.counts()["total"] == 1


def test_a_local_limit_is_of_each_pod(gateway: Gateway) -> None:
    """Five an hour of each of two pods; a route without a limit takes more."""
    client, (first, second) = gateway.outside(), gateway.pods
    assert [client.request("/", pod=first).status for _ in range(8)] == [200] * 8
    seen = [client.request("/some", pod=first).status for _ in range(8)]
    assert seen == [200] * 5 + [429] * 3
    assert client.request("/some", pod=second).status == 200
    # Several hold together, of whatever units.
    tenant = {"x-tenant": "a"}
    seen = [client.request("/many", pod=first, headers=tenant).status for _ in range(2)]
    assert seen == [200, 429]
    assert [client.request("/many", pod=second).status for _ in range(5)] == [200] * 3 + [429] * 2


def test_a_global_limit_is_counted_over_all_pods_and_passes_without_redis(gateway: Gateway) -> None:
    """Six an hour for each subject; `onFailure: open` lets requests pass while nobody counts."""
    if reason := ingress_gateway.missing(ingress_gateway.LIMITS):
        pytest.skip(reason)
    client, idp = gateway.outside(), gateway.idp
    warm = idp.token(sub=f"warm-{time.time_ns()}")
    gateway.until(lambda: client.request("/shared", token=warm).status == 429, "a limit that holds")
    token = idp.token(sub=f"anna-{time.time_ns()}")
    # The two pods take turns.
    seen = [client.request("/shared", token=token).status for _ in range(8)]
    assert seen == [200] * 6 + [429] * 2
    assert client.request("/shared", token=idp.token(sub=f"b-{time.time_ns()}")).status == 200
    gateway.scale_redis(0)
    try:
        gateway.until(
            lambda: client.request("/shared", token=token).status == 200, "nobody counts: it passes"
        )
        assert [client.request("/shared", token=token).status for _ in range(8)] == [200] * 8
        assert client.request("/shared").status == 401
    finally:
        gateway.scale_redis(1)
    later = idp.token(sub=f"c-{time.time_ns()}")
    gateway.until(lambda: client.request("/shared", token=later).status == 429, "it counts again")


def test_a_circuit_opens_after_failures_and_closes_by_itself(gateway: Gateway) -> None:
    """With Envoy Gateway's defaults it would never open: to it a Service is one endpoint."""
    client, server, pod = gateway.outside(), gateway.server("next"), gateway.pods[0]

    def status(path: str) -> int:
        return client.request(path, pod=pod).status

    with knobs(gateway, "next", fail_every=1, fail_status=500):
        assert [status("/frail") for _ in range(20)] == [500] * 20
        gateway.until(lambda: status("/fragile") == 503, "the circuit opens", 20)
        before = server.counts()["total"]
        assert [status("/fragile") for _ in range(10)] == [503] * 10
        assert server.counts()["total"] == before
    gateway.until(lambda: status("/fragile") == 200, "the circuit closes", 60)
    assert [status("/fragile") for _ in range(10)] == [200] * 10


def test_a_mirror_gets_its_share_and_its_answers_are_nobodys(gateway: Gateway) -> None:
    """It fails and is slow the whole time, and no client is told."""
    client, front, copied = gateway.outside(), gateway.server("front"), gateway.server("next")
    front.knobs()
    with knobs(gateway, "next", fail_every=1, fail_status=500, slow=0.05):
        replies = [client.request("/copied") for _ in range(200)]
        assert {each.status for each in replies} == {200}
        assert {each.json()["service"] for each in replies} == {"front"}
        assert front.counts()["total"] == 200
        nodes.until(lambda: copied.counts()["total"] >= 25, 10)
        assert 25 <= copied.counts()["total"] <= 80


def test_a_request_ends_with_its_time_and_none_is_too_large(gateway: Gateway) -> None:
    """504 after 3 seconds, 413 above a kibibyte; the application sees no such body."""
    client, token = gateway.outside(), gateway.idp.token()
    with knobs(gateway, "cart", slow=9):
        began = time.monotonic()
        assert client.request("/api", token=token).status == 504
        assert time.monotonic() - began < 8
    front = gateway.server("front")
    front.knobs()
    assert client.request("/small", "POST", body=b"x" * 4096).status == 413
    assert front.counts()["total"] == 0
    assert client.request("/small", "POST", body=b"x" * 100).json()["bytes"] == 100


def test_clients_are_sent_where_they_should_be(gateway: Gateway) -> None:
    """From port 80 to TLS, whatever the path; from an old path to the new one."""
    answer = gateway.outside().request("/old")
    assert answer.status == 302
    assert answer.headers["location"] == f"https://{HOST}/new"
    stream = gateway.node.network.connect(gateway.pods[0].address, HTTP_PORT, 5)
    with closing(http.client.HTTPConnection(HOST, timeout=5)) as plain:
        plain.sock = stream
        plain.request("GET", "/api", headers={"Host": HOST})
        found = plain.getresponse()
        assert (found.status, found.headers["location"]) == (301, f"https://{HOST}/api")


def test_there_is_no_way_round_the_gateway(gateway: Gateway) -> None:
    """Neither from outside nor from within the mesh: the services let the gateway in alone."""
    cart = gateway.server("cart")
    client = gateway.node.pod(SHOP, objects.CLIENT)
    # What has no policy answers whoever finds it.
    assert direct(gateway, client.address) == 200
    assert direct(gateway, cart.address) == 403
    assert client.request("http://cart.shop:8080/").status == 403
    assert gateway.outside().request("/api", token=gateway.idp.token()).status == 200
    # Nor may a client speak for the gateway, or choose where its request goes.
    for name in ("l5d-client-id", "l5d-dst-override"):
        forged = {name: "cart.shop.svc.cluster.local:8080"}
        reply = gateway.outside().request("/", headers=forged).json()
        assert reply["service"] == "front"
        assert reply["headers"].get(name, "") != forged[name]


def direct(gateway: Gateway, address: str) -> int:
    """The status of a request straight to a pod, from outside of the mesh."""
    with closing(http.client.HTTPConnection(address, 8080, timeout=5)) as client:
        client.sock = gateway.node.network.connect(address, 8080, 5)
        client.request("GET", "/")
        return client.getresponse().status


def test_a_listeners_certificate_is_rotated_under_load(gateway: Gateway) -> None:
    """As the runbook does it. Without its Secret a listener would serve nobody for a while."""
    client = gateway.outside()
    before = client.certificate()
    with sending(lambda: client.request("/")) as load:
        renew(gateway, "shop-tls")
        gateway.until(
            lambda: all(client.certificate() != before for _ in range(4)), "another certificate"
        )
        gateway.until(lambda: load.total > 20, "requests after it")
    assert load.bad == []


def renew(gateway: Gateway, name: str) -> None:
    """What `cmctl renew` does: cmd/cmctl pkg/renew of cert-manager."""
    path = f"/apis/cert-manager.io/v1/namespaces/{LINKERD_INGRESS}/certificates/{name}"
    found = gateway.copy.api.request("GET", path)
    assert found.ok, found
    issuing = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered"}
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    issuing |= {"message": "a test", "lastTransitionTime": at}
    patch = {"status": {"conditions": [*found.body["status"]["conditions"], issuing]}}
    kind = "application/merge-patch+json"
    answer = gateway.copy.api.request("PATCH", f"{path}/status", patch, content_type=kind)
    assert answer.ok, answer


def test_keys_of_tokens_are_rotated_under_load(gateway: Gateway) -> None:
    """A new key is published before it signs: longer than the gateway keeps the keys, 5 minutes.

    Here it keeps them for 2 seconds. A key that signs at once has its tokens refused.
    """
    client, idp = gateway.outside(), gateway.idp
    policy = made.security_policy(route_args(gateway, ROUTES[1]))
    assert policy
    (provider,) = policy["spec"]["jwt"]["providers"]
    old, new = idp.keys[-1].name, f"key-{time.time_ns()}"
    _known(gateway, old)
    idp.publish(new)
    assert client.request("/api", token=idp.token(key=new)).status == 401
    provider["remoteJWKS"]["cacheDuration"] = "2s"
    gateway.objects.apply(policy)
    try:
        with sending(lambda: client.request("/api", token=idp.token(key=old))) as load:
            _known(gateway, new)
        assert load.bad == []
        with sending(lambda: client.request("/api", token=idp.token(key=new))) as load:
            idp.keys = [each for each in idp.keys if each.name == new]
            asked = idp.asked
            gateway.until(lambda: idp.asked >= asked + 4, "keys are fetched again")
        assert load.bad == []
    finally:
        provider["remoteJWKS"]["cacheDuration"] = "300s"
        gateway.objects.apply(policy)


def _known(gateway: Gateway, key: str) -> None:
    """Return when every pod takes tokens of this key."""
    client = gateway.outside()

    def each() -> Iterator[bool]:
        for pod in gateway.pods:
            yield client.request("/api", token=gateway.idp.token(key=key), pod=pod).status == 200

    gateway.until(lambda: all(each()), f"the key {key} is known")


def test_a_route_is_closed_from_its_first_moment_to_its_last(gateway: Gateway) -> None:
    """Changed by the program under load: nobody without a token is answered, no other fails.

    The other way round, the route before its policy, everybody is let in for a while.
    """
    client, idp = gateway.outside(), gateway.idp
    bare = {"name": "bare", "host": HOST, "path": "/bare", "service": f"{SHOP}/cart", "port": 8080}
    args = route_args(gateway, bare)
    policy = made.security_policy(args)
    assert policy
    route = made.http_route(args)
    try:
        gateway.objects.apply(route)
        gateway.until(lambda: client.request("/bare").status == 200, "it is open to everybody")
        gateway.objects.apply(policy)
        gateway.until(lambda: client.request("/bare").status == 401, "it is closed")
    finally:
        gateway.objects.delete(route, policy)

    def unasked() -> Reply:
        return client.request("/fresh")

    def known() -> Reply:
        return client.request("/api", token=idp.token())

    def opened() -> Reply:
        return client.request("/fresh", token=idp.token(scope="fresh"))

    keys: dict[str, Any] = {"path": "/fresh", "service": f"{SHOP}/cart", "port": 8080}
    with sending(unasked, 0.02) as prober, sending(known) as load:
        gateway.route("fresh", **keys)
        gateway.up()
        gateway.until(lambda: opened().status == 200, "the route is there")
        gateway.route("fresh", **keys, require={"scopes": ["more"]})
        gateway.up()
        gateway.until(lambda: opened().status == 403, "the route asks for more")
        gateway.route("fresh")
        gateway.up()
        gateway.until(lambda: opened().status == 404, "the route is gone")
    assert prober.statuses[200] == 0, prober.statuses
    assert {401, 404} <= set(prober.statuses), prober.statuses
    assert load.bad == []
    assert min(prober.total, load.total) > 50


def test_the_log_has_every_refusal_with_the_subject_and_never_a_token(gateway: Gateway) -> None:
    """What an answer of 2xx costs nobody: `errors` is all that is written."""
    client, idp = gateway.outside(), gateway.idp
    at = time.time_ns()
    good, poor = idp.token(sub=f"good-{at}"), idp.token(sub=f"poor-{at}", scope="none")
    sent: dict[str, Callable[[], Reply]] = {
        f"/api/{at}-good": lambda: client.request(f"/api/{at}-good", token=good),
        f"/api/{at}-poor": lambda: client.request(f"/api/{at}-poor?token={poor}", token=poor),
        f"/api/{at}-none": lambda: client.request(f"/api/{at}-none"),
        f"/{at}-nowhere": lambda: client.request(f"/{at}-nowhere"),
    }
    seen = {path: send().status for path, send in sent.items()}
    assert list(seen.values()) == [200, 403, 401, 404]
    wanted = {path: status for path, status in seen.items() if status != 200}

    def logged() -> dict[str, dict[str, Any]]:
        return {each["path"]: each for each in gateway.log() if str(at) in str(each.get("path"))}

    # Envoy writes its log every second, and every 64 KiB.
    gateway.until(lambda: logged().keys() == wanted.keys(), f"{list(wanted)} in the log", 20)
    found = logged()
    assert {path: each["response_code"] for path, each in found.items()} == wanted
    assert found[f"/api/{at}-poor"]["subject"] == f"poor-{at}"
    assert found[f"/api/{at}-none"]["subject"] is None
    whole = "".join(pod.log("envoy") for pod in gateway.pods)
    for token in (good, poor):
        assert not [part for part in token.split(".") if part in whole][1:]
        assert token not in whole
