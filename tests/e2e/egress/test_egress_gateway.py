"""Requests to partners outside through the real egress gateway: who may, with what, and how much.

One gateway serves all tests: each leaves it as it was. A proof shows the fault first, where the
setting is left out, wherever that can be seen. The sandbox enforces no NetworkPolicy: of those the
objects are looked at alone.
"""

from __future__ import annotations

import json
import time

import pytest

from components.names import EGRESS_GATEWAY, LINKERD_EGRESS, LINKERD_EGRESS_GATEWAY
from tests.certificates import Authority
from tests.e2e import egress_gateway
from tests.e2e.egress_gateway import (
    BANK,
    CART,
    CERTIFICATE,
    CLERK,
    COUNTED,
    DESK,
    FRAGILE,
    FRONT,
    IDP,
    KEY,
    NOBODY,
    PAY,
    PLAIN,
    POST,
    SCOPE,
    SERVICE,
    TAX,
    TAX_KEY,
    UNLISTED,
    OutwardGateway,
    identity,
    marked,
)
from tests.e2e.ingress_gateway import HTTP_PORT, conditions

pytestmark = pytest.mark.e2e


def test_every_object_is_taken(gateway: OutwardGateway) -> None:
    """The API server's schema lets much through that Envoy Gateway then makes 500 of."""
    api = gateway.copy.api
    whole = conditions(api, "Gateway", LINKERD_EGRESS_GATEWAY, EGRESS_GATEWAY)
    assert (whole["Accepted"], whole["Programmed"]) == ("True", "True"), whole
    kinds = ("HTTPRoute", "Backend", "SecurityPolicy", "BackendTrafficPolicy")
    for partner in gateway.sections["egress"]["gateway"]["partners"]:
        for kind in kinds:
            said = conditions(api, kind, LINKERD_EGRESS_GATEWAY, partner["name"])
            assert said["Accepted"] == "True", (kind, partner["name"], said)
            assert said.get("ResolvedRefs", "True") == "True", (kind, partner["name"], said)
    assert conditions(api, "Backend", LINKERD_EGRESS_GATEWAY, "keys.identity")["Accepted"] == "True"
    said = conditions(api, "ClientTrafficPolicy", LINKERD_EGRESS_GATEWAY, "http")
    assert said["Accepted"] == "True"
    # And those of callers by Linkerd.
    for scope, name in ((LINKERD_EGRESS, "bank"), (LINKERD_EGRESS, "post"), (DESK, "post")):
        gateway.until(
            lambda at=scope, called=f"partner-{name}": (
                set(conditions(api, "HTTPRoute", at, called).values()) == {"True"}
            ),
            f"{scope}/partner-{name} is accepted, and its Service found",
            180,
        )


def test_a_partner_sees_the_gateways_credentials_and_nothing_of_the_inside(
    gateway: OutwardGateway,
) -> None:
    """Whatever the caller wrote: its own key, somebody's identity, addresses of pods."""
    path = marked("shown")
    forged = {
        "x-api-key": "of-the-caller",
        "l5d-client-id": identity(FRONT),
        "x-forwarded-for": gateway.caller(CART).address,
        "x-forwarded-host": "cart.shop.svc.cluster.local",
        "x-forwarded-client-cert": "By=spiffe://root",
        "x-envoy-external-address": "10.245.0.1",
        "forwarded": f"for={gateway.caller(CART).address}",
        "content-type": "text/plain",
    }
    reply = gateway.call(CART, BANK, path, method="POST", headers=forged, body="money")
    assert (reply.status, reply.body) == (200, "partner"), reply
    seen = gateway.outside.last(path)
    assert seen.host == BANK
    assert seen.all("host") == [BANK]
    assert (seen.subject, seen.serial) == (
        "CN=shop",
        egress_gateway.serial(gateway.entries[CERTIFICATE]),
    )
    assert seen.all("x-api-key") == [gateway.entries[KEY]["credential"]]
    assert seen.all("content-type") == ["text/plain"]
    inside = [
        (key, value)
        for key, value in seen.headers
        if key.startswith(("l5d-", "x-forwarded-", "x-envoy-external", "forwarded", "via"))
        or any(word in value for word in ("10.245.", "cluster.local", "spiffe"))
    ]
    assert inside == [], seen.headers
    # By the public authorities, without anything to show; callers of two EgressNetworks.
    for account in (FRONT, CLERK):
        path = marked("plain")
        assert gateway.call(account, POST, path).status == 200, account
        assert gateway.outside.last(path).serial == 0


def test_who_is_not_allowed_is_refused_whoever_it_says_it_is(gateway: OutwardGateway) -> None:
    """By partner, and by the mesh's own identity; without the policy others get its credential."""
    forged = {"l5d-client-id": identity(CART)}
    path = marked("refused")
    with gateway.without("SecurityPolicy", "bank"):
        gateway.until(lambda: gateway.call(FRONT, BANK).status == 200, "no policy: everybody may")
    gateway.until(lambda: gateway.call(FRONT, BANK, path).status == 403, "the policy is back")
    for account in (FRONT, CLERK, NOBODY):
        for headers in ({}, forged):
            reply = gateway.call(account, BANK, path, headers=headers)
            assert reply.status == 403, (account, headers, reply)
    assert gateway.call(CART, POST, path).status == 403
    # At the gateway itself, past the EgressNetwork of the caller.
    at = {"Host": BANK}
    assert gateway.call(CART, SERVICE, marked("direct"), headers=at).status == 200
    for account in (FRONT, CLERK, NOBODY):
        for headers in (at, {**at, **forged}):
            assert gateway.call(account, SERVICE, path, headers=headers).status == 403, account
    address = gateway.pods[0].address
    for headers in (at, {**at, **forged}):
        reply = gateway.call(PLAIN, f"{address}:{HTTP_PORT}", path, headers=headers)
        assert reply.status == 403, reply
    assert gateway.outside.at(path) == []


def test_no_way_to_write_a_host_is_a_way_round(gateway: OutwardGateway) -> None:
    """What a caller may not call, it may not call under another spelling."""
    bank, post = f"Host: {BANK}", f"Host: {POST}"
    spelled = {
        "absolute form": (f"http://{BANK}/", post),
        "absolute form, no host": (f"http://{BANK}/", "X: y"),
        "absolute form of https": (f"https://{BANK}/", post),
        "port": ("/", f"{bank}:80"),
        "port of TLS": ("/", f"{bank}:443"),
        "capitals": ("/", bank.upper().replace("HOST", "Host")),
        "dot": ("/", f"{bank}."),
        "tab": ("/", f"Host:\t{BANK}\t"),
        "two hosts": ("/", f"{post}\r\n{bank}"),
        "two hosts, other first": ("/", f"{bank}\r\n{post}"),
        "user": ("/", f"Host: {POST}@{BANK}"),
        "comma": ("/", f"Host: {POST}, {BANK}"),
        "forwarded": ("/", f"{post}\r\nX-Forwarded-Host: {BANK}\r\nX-Host: {BANK}"),
        "override": ("/", f"{post}\r\nl5d-dst-override: {BANK}:443"),
        "original": ("/", f"{post}\r\nX-Envoy-Original-Dst-Host: 203.0.113.7:443"),
        "hop by hop": ("/", f"{bank}\r\nConnection: close, l5d-client-id"),
        "upgrade": ("/", f"{bank}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"),
        "identity": ("/", f"{bank}\r\nl5d-client-id: {identity(CART)}"),
        "identities": ("/", f"{bank}\r\n" + f"L5d-Client-Id: {identity(CART)}\r\n" * 2 + "X: y"),
        "underscore": ("/", f"{bank}\r\nl5d_client_id: {identity(CART)}"),
        "slashes": (f"//{BANK}/", post),
    }
    said = {}
    for account in (FRONT, CLERK, NOBODY, CART):
        texts = [
            f"GET {target}{_mark(name)}-{time.time_ns()} HTTP/1.1\r\n{lines}\r\n\r\n"
            for name, (target, lines) in spelled.items()
        ]
        for name, answer in zip(spelled, gateway.raw(account, texts), strict=True):
            said[account, name] = answer.partition("\r\n")[0]
    print(json.dumps({"/".join(key): value for key, value in said.items()}, indent=1))
    marks = [_mark(each) for each in spelled]
    # A request of one that may not call the bank is nowhere but at the partner that it may call.
    at_bank = [
        each
        for each in gateway.outside.seen
        if any(mark in each.path for mark in marks) and each.host != POST
    ]
    assert len(at_bank) == sum("200" in said[CART, name] for name in spelled)
    for account in (FRONT, CLERK, NOBODY):
        for name, (_, lines) in spelled.items():
            may = account != NOBODY and lines.startswith(post)
            assert may or " 200" not in said[account, name], (account, name)
    # A host with its port is still that host.
    assert " 200" in said[CART, "port"]


def _mark(spelling: str) -> str:
    return "spelled-" + spelling.replace(" ", "-").replace(",", "")


def test_an_unlisted_host_is_refused_to_callers_and_to_the_gateway(gateway: OutwardGateway) -> None:
    """By name, of HTTP and of TLS, where an unmeshed pod of the sandbox gets through."""
    (pod,) = gateway.pods
    assert gateway.call(PLAIN, UNLISTED).status == 200
    assert gateway.tls(gateway.caller(PLAIN), UNLISTED, "shop") == "TLSv1.3"
    for account in (CART, CLERK, NOBODY):
        assert gateway.call(account, UNLISTED, "/unlisted").status in (0, 403, 404), account
        # TLS of its own is no way round the gateway either, to a partner or to anybody.
        for host in (UNLISTED, BANK):
            assert not _met(gateway.tls(gateway.caller(account), host, "shop")), account
    assert gateway.tls(pod, BANK, "envoy") == "TLSv1.3"
    before = gateway.outside.asked.count(UNLISTED)
    assert not _met(gateway.tls(pod, UNLISTED, "envoy"))
    assert gateway.outside.asked.count(UNLISTED) == before
    # A partner that nobody wrote down is no host of the gateway.
    assert gateway.call(CART, SERVICE, "/unlisted", headers={"Host": UNLISTED}).status == 404
    assert gateway.outside.at("/unlisted") == []
    # Nothing has come in the clear but that of the pod without a proxy.
    clear = {each.path for each in gateway.outside.of("")}
    assert clear <= {"/"}, clear


def _met(said: str) -> bool:
    return said.startswith("TLSv")


def test_a_partner_with_another_certificate_gets_no_request(gateway: OutwardGateway) -> None:
    """Of another authority, or of another name with the right one."""
    right = gateway.outside.authorities[FRAGILE]
    shown = {
        "CERTIFICATE_VERIFY_FAILED": (Authority.root("other"), FRAGILE),
        "SAN": (right, BANK),
    }
    gateway.open(CART, FRAGILE)
    for reason, (authority, name) in shown.items():
        path = marked("certificate")
        with gateway.outside.showing(FRAGILE, authority, name):
            asked = gateway.outside.asked.count(FRAGILE)
            assert gateway.call(CART, FRAGILE, path).status == 503
            assert gateway.outside.asked.count(FRAGILE) > asked
        (line,) = gateway.logged(lambda each, path=path: each["path"] == path)
        assert reason in line["failure"].upper(), line
        assert gateway.outside.at(path) == []
        gateway.open(CART, FRAGILE)


def test_a_token_opens_what_requires_one_and_ends_at_the_gateway(gateway: OutwardGateway) -> None:
    """It is the caller's, for us: a partner that had it could use it here."""
    idp = gateway.idp
    unknown = type(idp)(idp.public, IDP)
    tokens = {
        "none": ("", (401,)),
        "no token": ("abc", (401,)),
        "expired": (idp.token(scope=SCOPE, seconds=-600), (401,)),
        "wrong issuer": (idp.token(scope=SCOPE, iss="https://other.example/"), (401,)),
        "wrong audience": (idp.token(scope=SCOPE, aud="bank"), (401, 403)),
        "no audience": (idp.token(scope=SCOPE, aud=None), (401, 403)),
        "another key": (unknown.token(scope=SCOPE), (401,)),
        "another scope": (idp.token(scope="bank.read"), (403,)),
        "right": (idp.token(scope=f"bank.read {SCOPE}"), (200,)),
    }
    shown = {PAY: [], TAX: [gateway.entries[TAX_KEY]["credential"]]}
    for host, wanted in shown.items():
        said = {}
        for name, (token, statuses) in tokens.items():
            path = marked("token")
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            reply = gateway.call(CART, host, path, headers=headers)
            said[name] = (reply.status, reply.status in statuses)
            if reply.status == 200:
                seen = gateway.outside.last(path)
                assert seen.all("authorization") == wanted
                assert token not in str(seen.headers)
        assert all(right for _, right in said.values()), said
        # A token makes nobody a caller.
        right = {"Authorization": f"Bearer {tokens['right'][0]}"}
        assert gateway.call(FRONT, host, headers=right).status == 403


def test_limits_count_each_caller_and_all_of_them(gateway: OutwardGateway) -> None:
    """An identity that the caller writes itself is not what is counted."""

    def statuses(account: str, host: str, count: int) -> dict[int, int]:
        forged = {"l5d-client-id": identity(NOBODY)}
        report = gateway.caller(account).load(
            f"http://{host}/limit", rps=20, seconds=count / 20, connections=1, headers=forged
        )
        return dict(report.statuses)

    said = [statuses(CART, COUNTED, 8), statuses(FRONT, COUNTED, 8)]
    assert said == [{200: 5, 429: 3}, {200: 3, 429: 5}]
    assert len(gateway.outside.of(COUNTED)) == 8
    # A partner without limits takes more.
    assert statuses(CART, FRAGILE, 30) == {200: 30}


def test_the_circuit_of_a_partner_opens_and_closes(gateway: OutwardGateway) -> None:
    """Without a breaker it never opens; Envoy's own defaults would leave one address in."""

    def status(host: str) -> int:
        return gateway.call(CART, host, "/circuit").status

    gateway.outside.statuses |= {BANK: 500, FRAGILE: 500}
    try:
        assert [status(BANK) for _ in range(12)] == [500] * 12
        gateway.until(lambda: status(FRAGILE) == 503, "the circuit opens", 20)
        opened = time.monotonic()
        before = len(gateway.outside.of(FRAGILE))
        began = time.monotonic()
        assert [status(FRAGILE) for _ in range(6)] == [503] * 6
        assert time.monotonic() - began < 6
        assert len(gateway.outside.of(FRAGILE)) == before
    finally:
        gateway.outside.statuses = {}
    gateway.until(lambda: status(FRAGILE) == 200, "the circuit closes", 40)
    print(f"open for {time.monotonic() - opened:.1f} s after {before} requests")
    assert time.monotonic() - opened > 7
    assert [status(FRAGILE) for _ in range(6)] == [200] * 6
