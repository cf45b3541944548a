"""A partner: what it is shown, who may call it, and what it never learns."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.egress_gateway.egress_partner import (
    EgressPartner,
    EgressPartnerArgs,
    backend,
    http_route,
    security_policy,
    traffic_policy,
)
from components.ingress.objects import KEYS, PUBLIC, outside
from tests.recorder import record
from tests.unit.crd_schemas import faults, is_custom
from tests.unit.egress_gateway_samples import BANK, POST, partner, partner_args

SAMPLE: EgressPartnerArgs = partner_args(BANK)
CART = "cart.shop.serviceaccount.identity.linkerd.cluster.local"
BY_CALLER = {"requests": 5, "per": "second", "by": "caller"}
TOKEN = {"require": {"scopes": ["a"]}}


def removed(**keys: Any) -> list[str]:
    """The headers that a partner with these keys does not get."""
    (rule,) = http_route(partner_args({**POST, **keys}))["spec"]["rules"]
    return list(rule["filters"][0]["requestHeaderModifier"]["remove"])


@pytest.mark.parametrize("keys", [BANK, POST], ids=lambda keys: keys["name"])
def test_nothing_leads_there_before_all_that_holds_is_there(keys: dict[str, Any]) -> None:
    """The other way round it would be called by anybody, or without a credential, for a moment."""
    recording = record(lambda: EgressPartner("x", partner_args(keys)))
    route = recording.named("x-route")
    own = [r for r in recording.resources if r.inputs.get("kind") and r is not route]
    waited = {urn for r in own for urn in r.dependencies} | set(route.dependencies)
    assert {r.urn for r in own} <= waited
    for each in (*own, route):
        assert not is_custom(each.inputs) or faults(each.inputs) == [], each.name


def test_tls_is_checked_against_the_name_and_the_authority() -> None:
    """Without a name any certificate of the authority would do, without an authority any at all."""
    bank = backend(partner(BANK))["spec"]
    assert bank["endpoints"] == [{"fqdn": {"hostname": "api.bank.example.com", "port": 8443}}]
    assert bank["tls"] == {
        "sni": "api.bank.example.com",
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "bank-ca"}],
        "clientCertificateRef": {"group": "", "kind": "Secret", "name": "bank-client"},
    }
    post = backend(partner(POST))["spec"]
    assert post["tls"] == {"sni": "post.example.org", "wellKnownCACertificates": "System"}
    assert "type" not in bank


def test_keys_of_tokens_are_from_who_has_the_name() -> None:
    """Of an address alone Envoy Gateway has any certificate taken that a public authority signed.

    Whoever has one, and stands on the way, could sign tokens.
    """
    (provider,) = security_policy(SAMPLE)["spec"]["jwt"]["providers"]
    (ref,) = provider["remoteJWKS"]["backendRefs"]
    found = outside("linkerd-egress-gateway", KEYS, "idp.example.com", 443, PUBLIC)
    assert (ref["kind"], ref["name"]) == ("Backend", found["metadata"]["name"])
    assert faults(found) == []
    assert found["spec"]["tls"] == {"sni": "idp.example.com", "wellKnownCACertificates": "System"}
    # No partner's.
    with pytest.raises(ValidationError):
        partner({**POST, "name": found["metadata"]["name"]})


@pytest.mark.parametrize("keys", [BANK, POST], ids=lambda keys: keys["name"])
def test_callers_are_told_by_their_identity(keys: dict[str, Any]) -> None:
    """And by their token where something is required, both of them."""
    args = partner_args(keys)
    spec = security_policy(args)["spec"]
    assert spec["authorization"]["defaultAction"] == "Deny"
    (rule,) = spec["authorization"]["rules"]
    (header,) = rule["principal"]["headers"]
    assert header == {"name": "l5d-client-id", "values": sorted(args.identities)}
    assert ("jwt" in rule["principal"]) is ("jwt" in spec) is ("require" in keys)


def test_each_caller_has_a_match_whose_number_the_log_tells() -> None:
    """In one rule: each rule is a cluster to Envoy, with connections and a circuit of its own."""
    args = partner_args({**BANK, "limits": [BY_CALLER, {**BY_CALLER, "by": "all", "global": True}]})
    (rule,) = http_route(args)["spec"]["rules"]
    headers = [each.get("headers") for each in rule["matches"]]
    assert [each and each[0]["value"] for each in headers] == [*sorted(args.identities), None]
    assert CART in args.identities


def test_callers_that_are_counted_together_have_one_match() -> None:
    """Each match is a route to Envoy, with counts of its own: the rate would be of each caller."""
    (rule,) = http_route(SAMPLE)["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


def test_callers_beyond_what_a_rule_tells_apart_get_through_all_the_same() -> None:
    """A rule has 64 matches at most, one of which is for everybody else."""
    for count, matches in ((63, 64), (64, 1)):
        many = {**POST, "allow": [f"shop/a{number}" for number in range(count)]}
        route = http_route(partner_args(many))
        assert faults(route) == []
        (rule,) = route["spec"]["rules"]
        assert len(rule["matches"]) == matches


def test_a_connection_ends_soon_after_the_certificate_it_was_made_with() -> None:
    """It would show the partner the old one for as long as requests come."""
    http = traffic_policy(partner(BANK))["spec"]["timeout"]["http"]
    assert http == {"requestTimeout": "20s", "maxConnectionDuration": "300s"}
    assert "maxConnectionDuration" not in traffic_policy(partner(POST))["spec"]["timeout"]["http"]


def test_a_partner_learns_nothing_of_the_inside() -> None:
    """Names of workloads and addresses of pods are nobody's outside."""
    assert {"l5d-client-id", "x-forwarded-for", "x-forwarded-client-cert"} <= set(removed())
    counted = [{"requests": 1, "by": "claim:sub"}]
    assert "x-ingress-claim-sub" in removed(**TOKEN, limits=counted)


def test_a_filter_takes_away_no_more_than_it_can() -> None:
    """The API server refuses a seventeenth header: with the most claims that a rule lets be."""
    counted = [{"requests": 1, "by": f"claim:a{n}"} for n in range(7)]
    assert len(removed(**TOKEN, limits=counted)) <= 16


@pytest.mark.parametrize(
    ("keys", "stripped", "injected"),
    [
        # A token that nobody has asked for is the application's own, for the partner.
        ({}, False, None),
        (TOKEN, True, None),
        ({**TOKEN, "credential": {"vaultPath": "a", "header": "x-key"}}, True, "x-key"),
        # Written over: what is removed at the end would be the credential.
        ({**TOKEN, "credential": {"vaultPath": "a"}}, False, "authorization"),
    ],
)
def test_a_token_ends_at_the_gateway(
    keys: dict[str, Any], stripped: bool, injected: str | None
) -> None:
    """It opens doors inside, and the partner would hold it."""
    assert ("authorization" in removed(**keys)) is stripped
    recording = record(lambda: EgressPartner("x", partner_args({**POST, **keys})))
    found = [r.inputs for r in recording.resources if r.inputs.get("kind") == "HTTPRouteFilter"]
    headers = [(f["spec"]["credentialInjection"]["header"]) for f in found]
    assert headers == ([injected] if injected else [])
    assert all(f["spec"]["credentialInjection"]["overwrite"] for f in found)


def test_the_circuit_opens_at_a_partner_with_one_address() -> None:
    """With Envoy Gateway's defaults it never would."""
    check = traffic_policy(partner(BANK))["spec"]["healthCheck"]
    assert check["panicThreshold"] == 0
    assert check["passive"]["alwaysEjectOneEndpoint"] is True
    assert check["passive"]["maxEjectionPercent"] == 100


def test_limits_count_by_caller_and_by_claim() -> None:
    """Headers that nobody outside of the gateway can write."""
    limits = traffic_policy(partner(BANK))["spec"]["rateLimit"]
    headers = [
        rule.get("clientSelectors", [{}])[0].get("headers", [{}])[0].get("name")
        for kind in ("global", "local")
        for rule in limits[kind]["rules"]
    ]
    assert headers == ["x-ingress-claim-sub", "l5d-client-id", None]
