"""Changes of routes, partners and what is asked of callers for the rows of `test_changes_rules`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.changes.model import Change
from components.egress.component import egress_network, way_there
from components.egress.packets import network_policy
from components.egress.section import EgressHost, KubernetesApiEgress
from components.egress_gateway.egress_partner import (
    EgressPartnerArgs,
    authorities,
    backend,
    credential_filter,
    http_route,
    secrets,
    security_policy,
    traffic_policy,
)
from components.ingress.objects import CLIENT_ID
from components.names import LINKERD_EGRESS_GATEWAY
from tests.unit.changes_samples import resource, thing
from tests.unit.egress_gateway_samples import BANK, partner_args
from tests.unit.stack_files import certificate

Spec = dict[str, Any]
_JWT = {"providers": [{"issuer": "a"}]}
BLOCK = "203.0.113.0/24"
# Fewer keys than the sample has: each case adds what it is about.
PLAIN: Spec = {
    "name": "bank",
    "host": "api.bank.example.com",
    "ca": certificate(),
    "clientCertificate": "partners/bank",
    "credential": {"vaultPath": "partners/bank-key", "header": "x-api-key"},
    "allow": ["shop/cart"],
}


def holds(*scopes: str) -> Spec:
    """An authorization that asks for scopes of a token."""
    return {"rules": [{"principal": {"jwt": {"scopes": list(scopes)}}}]}


def called_by(*names: str, **jwt: object) -> Spec:
    """That of a partner: identities of callers, and what their token holds."""
    header = {"name": CLIENT_ID, "values": list(names)}
    principal = {"headers": [header], **({"jwt": jwt} if jwt else {})}
    return {"defaultAction": "Deny", "rules": [{"action": "Allow", "principal": principal}]}


def envoy(kind: str, *specs: Spec | None) -> Change:
    """An object of Envoy Gateway's whose spec becomes this."""
    api = {"apiVersion": "gateway.envoyproxy.io/v1alpha1"}
    before, after = ({**api, "spec": each} if each is not None else None for each in specs)
    return thing(kind, "linkerd-ingress/a", before, after)


def security(before: Spec, after: Spec | None) -> Change:
    """A SecurityPolicy whose spec becomes this."""
    return envoy("SecurityPolicy", before, after)


def _login(issuer: str, client: str, **more: object) -> Change:
    """A route with a login whose provider, client or more becomes this."""
    before: Spec = {"provider": {"issuer": "a"}, "clientID": "shop"}
    after: Spec = {"provider": {"issuer": issuer}, "clientID": client, **more}
    return security({"oidc": before}, {"oidc": after})


def _clients(*modes: str) -> Change:
    return envoy(
        "ClientTrafficPolicy", *({"tls": {"clientValidation": {"mode": each}}} for each in modes)
    )


def partner(
    make: Callable[[EgressPartnerArgs], Spec], before: Spec | None, after: Spec | None
) -> Change:
    """What the program makes of a partner whose keys, beside the plain ones, become these."""
    sides = [None if each is None else make(partner_args({**PLAIN, **each}))
             for each in (before, after)]  # fmt: skip
    (made,) = {f"{each['apiVersion']}:{each['kind']}" for each in sides if each}
    return resource(f"kubernetes:{made}", "bank", sides[0], sides[1])


def _server(args: EgressPartnerArgs) -> Spec:
    return backend(args.partner)


def _traffic(args: EgressPartnerArgs) -> Spec:
    return traffic_policy(args.partner)


def _ca(args: EgressPartnerArgs) -> Spec:
    return authorities(args.partner)


def _injected(args: EgressPartnerArgs) -> Spec:
    return credential_filter(args.partner)


def _way(args: EgressPartnerArgs) -> Spec:
    return way_there("shop", args.partner.name, args.partner.host)


def _secret(key: str, refresh: str = "1h") -> Callable[[EgressPartnerArgs], Spec]:
    return lambda args: secrets(args.partner, refresh)[key]


def _entry(path: str) -> Spec:
    return {"credential": {"vaultPath": path, "header": "x-api-key"}}


def _scopes(*names: str) -> Spec:
    return {"require": {"scopes": list(names)}}


def _limit(requests: int, per: str = "minute", by: str = "all") -> Spec:
    return {"limits": [{"requests": requests, "per": per, "by": by}]}


def _tries(times: int, *on: str) -> Spec:
    return {"retries": {"times": times, "on": list(on)}}


def _outside(before: bool, after: bool | None) -> Change:
    """The EgressNetwork of the gateway's namespace; None where it goes."""
    sides = [
        None if deny is None else egress_network(LINKERD_EGRESS_GATEWAY, deny=deny)
        for deny in (before, after)
    ]
    return resource("kubernetes:policy.linkerd.io/v1alpha1:EgressNetwork", "a", sides[0], sides[1])


def _packets(before: tuple[str, ...], after: tuple[str, ...] | None) -> Change:
    """Its NetworkPolicy, to these networks of a partner; None where it goes."""
    sides = [
        None
        if networks is None
        else network_policy(
            LINKERD_EGRESS_GATEWAY,
            [EgressHost(host="api.bank.example.com", networks=networks)],
            ("10.0.0.0/8",),
            KubernetesApiEgress(),
        )
        for networks in (before, after)
    ]
    return resource("kubernetes:networking.k8s.io/v1:NetworkPolicy", "a", sides[0], sides[1])


# fmt: off
CASES: dict[str, tuple[Change, Change]] = {
    "ingress-open": (
        security({"jwt": _JWT, "authorization": holds("a", "b")},
                 {"jwt": _JWT, "authorization": holds("a")}),
        security({"jwt": _JWT}, {"oidc": {"a": 1}})),
    "client-certificate-optional": (
        _clients("RequireAndVerify", "VerifyIfGiven"),
        _clients("VerifyIfGiven", "RequireAndVerify")),
    "gateway-goes": (
        thing("Gateway", "linkerd-ingress/ingress", {"spec": {}}, None),
        thing("Gateway", "linkerd-ingress/ingress", None, {"spec": {}})),
    "ingress-route-opens": (
        thing("HTTPRoute", "linkerd-ingress/a", None, {"spec": {}}),
        partner(http_route, None, {})),
    "ingress-tokens": (
        security({"jwt": _JWT}, {"jwt": {"providers": [{"issuer": "b"}]}}),
        security({"jwt": _JWT}, {"jwt": _JWT, "cors": {}})),
    "cors-widens": (
        security({"cors": {"allowOrigins": ["a"]}}, {"cors": {"allowOrigins": ["a", "b"]}}),
        security({"cors": {"allowOrigins": ["a", "b"]}}, {"cors": {"allowOrigins": ["a"]}})),
    "ingress-asks-more": (
        security({"jwt": _JWT}, {"jwt": _JWT, "authorization": holds("a")}),
        security({"jwt": _JWT, "authorization": holds("a")}, {"jwt": _JWT})),
    "partner-added": (
        partner(http_route, None, {}),
        thing("HTTPRoute", "linkerd-ingress/bank", None, {"spec": {"hostnames": ["a"]}})),
    "partner-callers": (
        partner(security_policy, {}, {"allow": ["shop/cart", "shop/pay"]}),
        partner(security_policy, {"allow": ["shop/cart", "shop/pay"]}, {})),
    "partner-trust-goes": (partner(_server, {}, {"ca": None}), partner(_server, {"ca": None}, {})),
    "partner-moves": (
        partner(_server, {}, {"host": "other.example.com"}),
        partner(_server, {}, {"clientCertificate": None})),
    "partner-credential": (
        partner(_server, {}, {"clientCertificate": None}),
        partner(_secret("credential"), {}, _entry("other"))),
    "gateway-retries": (
        partner(_traffic, {}, _tries(1, "5xx")),
        partner(_traffic, _tries(2, "5xx"), _tries(1, "5xx"))),
    "gateway-limits": (
        partner(_traffic, _limit(600), _limit(100)),
        partner(_traffic, _limit(600), _limit(11, "second"))),
    "gateway-limits-end": (
        partner(_traffic, _limit(5), {}), partner(_traffic, _limit(5), _limit(6))),
}
# What all rules together say of a change.
SAID: dict[str, tuple[Change, dict[str, str]]] = {
    "a token is not asked for": (security({"jwt": _JWT}, None), {
        "ingress-open": "no token and no login"}),
    "CORS asks nobody": (
        security({"jwt": _JWT}, {"cors": {}}), {"ingress-open": "no token and no login"}),
    "what asked nobody goes": (security({"cors": {}}, None), {"deletion": ""}),
    "a valid token is less than a scope": (
        security({"jwt": _JWT, "authorization": holds("a")}, {"jwt": _JWT}),
        {"ingress-open": "scope a"}),
    "a scope more": (
        security({"jwt": _JWT}, {"jwt": _JWT, "authorization": holds("a")}),
        {"ingress-asks-more": "scope a"}),
    "another rule is enough": (
        security({"authorization": holds("a")},
                 {"authorization": {"rules": [*holds("a")["rules"], {"principal": {}}]}}),
        {"ingress-open": "scope a"}),
    "nobody, then somebody": (
        security({"authorization": {"defaultAction": "Deny"}}, {"authorization": holds("a")}),
        {"ingress-open": "a caller"}),
    "anybody by default": (
        security({"authorization": called_by("a")}, {"authorization": {"defaultAction": "Allow"}}),
        {"ingress-open": f"header {CLIENT_ID}"}),
    "any caller with a token": (
        security({"jwt": _JWT, "authorization": called_by("a", scopes=["x"])},
                 {"jwt": _JWT, "authorization": holds("x")}),
        {"ingress-open": f"header {CLIENT_ID}"}),
    "a partner comes": (
        partner(http_route, None, {}), {"partner-added": "api.bank.example.com"}),
    "another caller": (
        partner(security_policy, {}, {"allow": ["shop/cart", "shop/pay"]}),
        {"partner-callers": "pay.shop.serviceaccount.identity.linkerd.cluster.local"}),
    "a caller less": (
        partner(security_policy, {"allow": ["shop/cart", "shop/pay"]}, {}),
        {"ingress-asks-more": "pay.shop.serviceaccount.identity.linkerd.cluster.local"}),
    "no token of callers any more": (
        partner(security_policy, _scopes("a"), {}), {"ingress-open": "no token and no login"}),
    "a scope less of callers": (
        partner(security_policy, _scopes("a", "b"), _scopes("b")), {"ingress-open": "scope a"}),
    "callers come with a token": (
        partner(security_policy, {}, _scopes("a")),
        {"ingress-asks-more": "a token or a login"}),
    "the policy of a partner goes": (
        partner(security_policy, {}, None),
        {"ingress-open": f"header {CLIENT_ID}"}),
    "a login elsewhere": (_login("b", "shop"), {"ingress-tokens": "logins"}),
    "a login of another client": (_login("a", "other"), {"ingress-tokens": "logins"}),
    "a login with another way out": (_login("a", "shop", logoutPath="/out"), {"update": ""}),
    "no CA": (partner(_server, {}, {"ca": None}), {
        "partner-trust-goes": "any public authority will do",
        "partner-moves": "tls.caCertificateRefs"}),
    "no TLS": (
        envoy("Backend", {"tls": {"sni": "a"}}, {}),
        {"partner-trust-goes": "no TLS", "partner-moves": "tls.sni"}),
    "an unchecked certificate": (
        envoy("Backend", {"tls": {"sni": "a"}}, {"tls": {"sni": "a", "insecureSkipVerify": True}}),
        {"partner-trust-goes": "its certificate is not checked"}),
    "an open relay": (
        envoy("Backend", {"type": "Endpoints"}, {"type": "DynamicResolver"}),
        {"partner-trust-goes": "requests go wherever their caller says"}),
    "another host": (
        partner(_server, {}, {"host": "other.example.com"}),
        {"partner-moves": "endpoints, tls.sni"}),
    "another port": (partner(_server, {}, {"port": 8443}), {"partner-moves": "endpoints"}),
    "another CA": (partner(_ca, {}, {"ca": certificate() * 2}), {"partner-moves": ""}),
    "no client certificate": (
        partner(_server, {}, {"clientCertificate": None}),
        {"partner-credential": "no certificate"}),
    "another client certificate": (
        partner(_secret("client"), {}, {"clientCertificate": "other"}),
        {"synced-secret-changes": ""}),
    "no header": (partner(_injected, {}, None), {"partner-credential": "no header"}),
    "another header": (
        partner(_injected, {}, {"credential": {"vaultPath": "a", "header": "authorization"}}),
        {"partner-credential": ""}),
    "a fourth of a rate, of each caller": (
        partner(_traffic, _limit(40, "second", "caller"), _limit(600, "minute", "caller")),
        {"gateway-limits": f"rate local by {CLIENT_ID} 144000 to 36000 an hour"}),
    "less at once": (
        partner(_traffic, {"maxParallel": 9}, {"maxParallel": 8}),
        {"gateway-limits": "maxParallelRequests 9 to 8"}),
    "a shorter time": (
        partner(_traffic, {"timeout": "20s"}, {"timeout": "5s"}),
        {"gateway-limits": "requestTimeout 20s to 5s"}),
    "a longer time": (partner(_traffic, {"timeout": "5s"}, {"timeout": "20s"}), {"update": ""}),
    "a breaker": (
        partner(_traffic, {}, {"breaker": {"failures": 5, "open": "30s"}}),
        {"gateway-limits": "consecutive5XxErrors none to 5, baseEjectionTime none to 30s"}),
    "a breaker that opens for longer": (
        partner(_traffic, {"breaker": {"open": "30s"}}, {"breaker": {"open": "1m"}}),
        {"gateway-limits": "baseEjectionTime 30s to 1m0s"}),
    "no breaker": (partner(_traffic, {"breaker": {}}, {}), {"gateway-limits-end": "breaker"}),
    "retries of more": (
        partner(_traffic, _tries(1, "reset"), _tries(2, "reset", "5xx")),
        {"gateway-retries": "1 to 2 times, 5xx"}),
    "the way to a partner goes": (
        partner(_way, {}, None), {"egress-route-goes": ""}),
    # What holds the gateway itself is told by the rules of any namespace.
    "the gateway's denial goes": (_outside(True, None), {"egress-goes": ""}),
    "the gateway is let out": (_outside(True, False), {"egress-opens": ""}),
    "its packets are let out": (_packets((BLOCK,), None), {"network-policy": ""}),
    "its packets go further": (_packets((BLOCK,), ()), {"network-policy": ""}),
    "everything that a partner has is new": (partner(_traffic, None, BANK), {"creation": ""}),
}
# fmt: on
