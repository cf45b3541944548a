"""A route: who may call is there before the route is, and nothing of it is left out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from components.ingress.ingress_route import IngressRoute
from components.ingress.objects import KEYS, PUBLIC
from components.ingress.routes import (
    IngressRouteArgs,
    backend_traffic_policy,
    http_route,
    security_policy,
    to_https,
)
from tests.recorder import record
from tests.unit.crd_schemas import faults
from tests.unit.ingress_samples import ADMIN, CART, HOME, OLD, exposed, route_args
from tests.unit.samples import made

SAMPLE: IngressRouteArgs = route_args(CART)
PLAIN: dict[str, Any] = {"name": "a", "host": "shop.example.com", "service": "shop/foo"}


def security(**keys: Any) -> dict[str, Any]:
    """The spec of the SecurityPolicy of a route."""
    found = security_policy(route_args({**PLAIN, **keys}))
    assert found is not None
    return dict(found["spec"])


def traffic(**keys: Any) -> dict[str, Any]:
    """The spec of its BackendTrafficPolicy."""
    found = backend_traffic_policy(exposed({**PLAIN, **keys}))
    assert found is not None
    return dict(found["spec"])


def rule(**keys: Any) -> dict[str, Any]:
    """The rule of its HTTPRoute."""
    (found,) = http_route(route_args({**PLAIN, **keys}))["spec"]["rules"]
    return dict(found)


@pytest.mark.parametrize("route", [CART, ADMIN, OLD, HOME], ids=lambda route: route["name"])
def test_policies_are_there_before_the_route(route: dict[str, Any]) -> None:
    """Attached the other way round, a route would answer everybody for a moment."""
    recording = record(lambda: IngressRoute("x", route_args(route)))
    last = recording.named("x-route")
    assert last.inputs["kind"] == "HTTPRoute"
    others = [r for r in recording.resources if r.name not in ("x", "x-route")]
    assert {r.urn for r in others} <= set(last.dependencies)
    for each in (*others, last):
        assert faults(each.inputs) == [], each.name


def test_a_login_waits_for_its_secret() -> None:
    """A SecurityPolicy whose Secret is missing makes the route answer 500."""
    recording = record(lambda: IngressRoute("x", route_args(ADMIN)))
    secret = recording.named("x-oidc")
    assert secret.urn in recording.named("x-security").dependencies
    assert made(IngressRoute).named("x-security").inputs["kind"] == "SecurityPolicy"


def test_a_token_is_checked_whole() -> None:
    """Envoy does not compare an issuer or audiences that are left out."""
    (provider,) = security()["jwt"]["providers"]
    assert provider["issuer"] == "https://idp.example.com/"
    assert provider["audiences"] == ["shop"]
    assert provider["extractFrom"] == {
        "headers": [{"name": "Authorization", "valuePrefix": "Bearer "}]
    }


def test_who_is_asked_about_callers_is_who_it_says() -> None:
    """Without a Backend Envoy Gateway checks who signed a certificate, and not whose it is: whoever
    is on the way, with a certificate of anybody's, could sign tokens and let everybody in.
    """
    (provider,) = security()["jwt"]["providers"]
    assert [each["name"] for each in provider["remoteJWKS"]["backendRefs"]] == [KEYS]
    recording = record(lambda: IngressRoute("x", route_args(ADMIN)))
    login = recording.named("x-security").inputs["spec"]["oidc"]["provider"]
    backend = recording.named("x-provider")
    assert [each["name"] for each in login["backendRefs"]] == [backend.inputs["metadata"]["name"]]
    host = urlsplit(ADMIN["oidc"]["tokenEndpoint"]).hostname
    assert backend.inputs["spec"]["tls"] == {"sni": host, **PUBLIC}
    assert backend.urn in recording.named("x-security").dependencies


def test_what_a_token_must_hold_is_all_that_is_allowed() -> None:
    """Without `defaultAction: Deny` any valid token would do."""
    found = security(require=CART["require"])["authorization"]
    assert found["defaultAction"] == "Deny"
    (allowed,) = found["rules"]
    assert allowed["action"] == "Allow"
    assert allowed["principal"]["jwt"] == {
        "provider": "identity",
        "scopes": ["cart.write"],
        "claims": [
            {"name": "tenant", "valueType": "String", "values": ["a"]},
            {"name": "groups", "valueType": "StringArray", "values": ["x"]},
        ],
    }
    assert "authorization" not in security()


@pytest.mark.parametrize("keys", [{"public": True}, {"redirect": {"path": "/b"}, "service": None}])
def test_a_public_route_asks_nobody(keys: dict[str, Any]) -> None:
    """It was said so; an empty SecurityPolicy is refused by the CRD."""
    assert security_policy(route_args({**PLAIN, **keys})) is None
    with_cors = security(**keys, cors={"origins": ["https://a.example.com"]})
    assert set(with_cors) == {"targetRefs", "cors"}


@pytest.mark.parametrize(
    ("keys", "methods"),
    [
        ({}, [None]),
        ({"methods": ["GET"]}, ["GET"]),
        ({"methods": ["GET"], "cors": {"origins": ["https://a.example.com"]}}, ["GET", "OPTIONS"]),
    ],
)
def test_preflights_reach_the_route_that_answers_them(
    keys: dict[str, Any], methods: list[str | None]
) -> None:
    """A route for POST alone would leave the browser's question to another route, or to 404."""
    assert [each.get("method") for each in rule(**keys)["matches"]] == methods


@pytest.mark.parametrize(
    ("keys", "filters"),
    [
        ({}, None),
        (
            {"path": "/a", "rewrite": "/b"},
            [
                {
                    "type": "URLRewrite",
                    "urlRewrite": {
                        "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b"}
                    },
                }
            ],
        ),
        (
            {"path": "/a", "exact": True, "rewrite": "/b"},
            [
                {
                    "type": "URLRewrite",
                    "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/b"}},
                }
            ],
        ),
        (
            {"service": None, "redirect": {"host": "b.example.com"}},
            [
                {
                    "type": "RequestRedirect",
                    "requestRedirect": {"statusCode": 302, "hostname": "b.example.com"},
                }
            ],
        ),
    ],
)
def test_filters_are_those_of_the_route(keys: dict[str, Any], filters: Any) -> None:
    """A rewrite of an exact path replaces all of it."""
    assert rule(**keys).get("filters") == filters


def test_weights_are_per_cent_and_the_service_gets_the_rest() -> None:
    """Parts without the rest would take every request."""
    split = [{"service": "shop/next", "percent": 10}, {"service": "shop/last", "percent": 5}]
    refs = rule(split=split)["backendRefs"]
    assert [(each["name"], each["weight"]) for each in refs] == [
        ("foo", 85),
        ("next", 10),
        ("last", 5),
    ]


def test_the_breaker_opens() -> None:
    """With Envoy Gateway's defaults that of a single endpoint never would."""
    found = traffic(breaker={"failures": 5})["healthCheck"]
    assert found["panicThreshold"] == 0
    assert found["passive"]["alwaysEjectOneEndpoint"] is True
    assert found["passive"]["maxEjectionPercent"] == 100
    assert "healthCheck" not in traffic()


@pytest.mark.parametrize(
    ("limit", "rules"),
    [
        ({"requests": 1}, [None]),
        ({"requests": 1, "by": "header:x-a"}, [{"type": "Distinct", "name": "x-a"}]),
        ({"requests": 1, "by": "claim:a.b"}, [{"type": "Distinct", "name": "x-ingress-claim-a-b"}]),
        (
            {"requests": 1, "by": "client"},
            [
                {"type": "Distinct", "value": "0.0.0.0/0"},
                {"type": "Distinct", "value": "::/0"},
            ],
        ),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_limits_count_what_they_say(limit: dict[str, Any], rules: list[Any], whole: bool) -> None:
    """A client of IPv6 must be counted like one of IPv4.

    A local limit without a selector would be refused beside another, or one of a shorter unit.
    """
    rate = traffic(limits=[{**limit, "global": whole}])["rateLimit"]
    assert list(rate) == ["global" if whole else "local"]
    if not whole and rules == [None]:
        (rule,) = rate["local"]["rules"]
        (every,) = rule["clientSelectors"]
        assert every == {"path": {"type": "PathPrefix", "value": "/"}}
    found = []
    for each in rate["global" if whole else "local"]["rules"]:
        (selector,) = each.get("clientSelectors", [{}])
        found.append(selector.get("sourceCIDR") or next(iter(selector.get("headers", [])), None))
    assert found == rules


@pytest.mark.parametrize(("by", "per"), [("all", "hour"), ("client", "second")])
def test_every_limit_of_a_pod_holds_beside_another(by: str, per: str) -> None:
    """Without a selector it would be Envoy's default bucket.

    Of these there is one; what another limit counts does not count there; and whose unit is none of
    its multiples makes the whole policy invalid, which answers every request with 500.
    """
    limits = [{"requests": 100}, {"requests": 5, "per": per, "by": by}]
    rules = traffic(limits=limits)["rateLimit"]["local"]["rules"]
    assert all(each["clientSelectors"] for each in rules)
    assert rules[0]["clientSelectors"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


@pytest.mark.parametrize(
    ("methods", "shared"), [([], None), (["GET"], None), (["GET", "PUT"], True)]
)
def test_methods_are_counted_together(methods: list[str], shared: bool | None) -> None:
    """Each is a route of its own to Envoy, with a count of its own."""
    limits = [{"requests": 1, "global": True}, {"requests": 1}]
    rate = traffic(methods=methods, limits=limits)["rateLimit"]
    assert [each.get("shared") for each in rate["global"]["rules"]] == [shared]
    # Those of a pod cannot be.
    assert [each.get("shared") for each in rate["local"]["rules"]] == [None]


def test_a_claim_that_is_counted_comes_from_the_token() -> None:
    """A header of that name that a client sends is taken away by Envoy."""
    (provider,) = security(limits=[{"requests": 1, "by": "claim:sub"}])["jwt"]["providers"]
    assert provider["claimToHeaders"] == [{"claim": "sub", "header": "x-ingress-claim-sub"}]


def test_port_80_sends_everybody_to_443() -> None:
    """A token in the clear is read by whoever is on the way."""
    spec = to_https("http")["spec"]
    assert spec["parentRefs"][0]["sectionName"] == "http"
    (only,) = spec["rules"]
    assert only["filters"][0]["requestRedirect"]["scheme"] == "https"
    assert "backendRefs" not in only
