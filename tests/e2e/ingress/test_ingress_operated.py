"""The real ingress gateway with what stands beside it: Vault, an identity provider, Redis."""

from __future__ import annotations

import base64
import copy
import secrets
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from components.ingress import routes as made
from components.names import LINKERD_INGRESS
from sandbox import toolchain, vault
from tests.e2e import ingress_gateway, project
from tests.e2e.ingress_gateway import SHOP, Gateway, Outside, Reply
from tests.e2e.ingress_routes import ROUTES, route_args
from tests.e2e.runbook_page import Page

pytestmark = pytest.mark.e2e
INSIDE, CLIENT = "inside.example.com", "shop-web"


@pytest.fixture(scope="module")
def inside(gateway: Gateway) -> Outside:
    """A client of a host whose certificate Vault signs, as its page says, and that asks for logins.

    The route is closed while the Secret of the gateway's login is not there.
    """
    root = with_vault(gateway)
    gateway.idp.clients[CLIENT] = secrets.token_urlsafe()
    entry = {"data": {"client-secret": gateway.idp.clients[CLIENT]}}
    vault.request(gateway.copy.settings, "POST", "/v1/linkerd/kv/data/ingress/login", entry)
    ingress = gateway.sections["ingress"]
    ingress["issuers"]["pki"] = {"vault": {"path": "pki/sign/ingress", "role": "ingress-issuer"}}
    ingress["listeners"].append({"name": "inside", "host": INSIDE, "issuer": "pki"})
    base = gateway.idp.issuer.rstrip("/")
    login = {
        "issuer": gateway.idp.issuer,
        "authorizationEndpoint": f"{base}/authorize",
        "tokenEndpoint": f"{base}/token",
        "clientId": CLIENT,
        "vaultPath": "ingress/login",
    }
    to = {"service": f"{SHOP}/cart", "port": 8080}
    gateway.route("app", host=INSIDE, path="/app", oidc=login, **to)
    gateway.up()
    client = gateway.outside(authority=root)
    gateway.until(lambda: bool(secret(gateway, "inside-tls")), "Vault signs", 120)
    gateway.until(lambda: client.request("/app", host=INSIDE).status == 302, "it asks for a login")
    return client


def with_vault(gateway: Gateway) -> str:
    """Follow the page for whoever owns the PKI engine; the root that it prints."""
    settings = gateway.copy.settings
    variables = {
        "VAULT_ADDR": settings.vault_addr,
        "VAULT_CACERT": str(settings.pki_dir / "vault-ca.crt"),
        "VAULT_TOKEN": (settings.state_dir / "vault" / "root-token").read_text(),
    }
    program = toolchain.ensure(["vault"])["vault"]
    instead = {
        "kubernetes/staging": "kubernetes/sandbox",
        "docs/": f"{project.PROJECT}/docs/",
        **{f"vault {each} ": f"{program} {each} " for each in ("secrets", "write", "policy")},
    }
    page = Page(gateway.copy, "ingress.md", None, instead, variables)
    end = "END CERTIFICATE-----"
    begun = page.run("Certificates from Vault").partition("-----BEGIN")
    return "".join([begun[1], begun[2].partition(end)[0], end])


def test_vault_signs_the_certificate_of_a_listener(inside: Outside) -> None:
    """Issued by the real cert-manager with the gateway's own login, and served by the gateway."""
    shown = x509.load_der_x509_certificate(inside.certificate(INSIDE))
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [INSIDE]
    assert shown.issuer.rfc4514_string() == "CN=web.example.com"
    # What our own CA signs is not what this one's clients trust.
    assert inside.request("/").status == 0


def test_a_browser_logs_in_before_the_application_is_asked(
    gateway: Gateway, inside: Outside
) -> None:
    """Code flow: redirect, callback, session; nobody without one reaches the application."""
    idp, cart = gateway.idp, gateway.server("cart")
    cart.knobs()

    def ask(path: str, cookies: Sequence[str] = (), **more: Any) -> Reply:
        sent = {"Cookie": "; ".join(cookies)} if cookies else {}
        return inside.request(path, host=INSIDE, headers=sent, **more)

    first = ask("/app/x?y=1")
    to = urlsplit(first.headers["location"])
    assert (first.status, f"{to.scheme}://{to.netloc}{to.path}") == (302, f"{idp.issuer}authorize")
    # Neither a token of the API nor a made-up session is one.
    assert ask("/app/x", token=idp.token()).status == 302
    made_up = [f"{each.partition('=')[0]}=x" for each in first.cookies]
    assert ask("/app/x", made_up).status == 302
    back = idp.authorize(to.query)
    callback = back.removeprefix(f"https://{INSIDE}")
    # The answer of another browser's login, and one that nobody was given.
    assert ask(callback).status == 401
    assert ask("/app/oauth2/callback?code=x&state=x", first.cookies).status == 401
    session = ask(callback, first.cookies)
    assert (session.status, session.headers["location"]) == (302, f"https://{INSIDE}/app/x?y=1")
    assert cart.counts()["total"] == 0
    answer = ask("/app/x?y=1", session.cookies)
    assert (answer.status, answer.json()["service"]) == (200, "cart")
    left = ask("/app/logout", session.cookies)
    assert left.status == 302
    assert ask("/app/x", left.cookies).status == 302
    assert cart.counts()["total"] == 1


def test_a_login_does_not_end_with_its_provider(gateway: Gateway, inside: Outside) -> None:
    """Were its endpoints not named, it would be asked at each change, and 500 remain of that."""
    policy = made.security_policy(route_args(gateway, gateway.sections["ingress"]["routes"][-1]))
    assert policy
    asked = {"oidc": {"provider": {"authorizationEndpoint": None, "tokenEndpoint": None}}}
    path = gateway.objects.path(policy, policy["metadata"]["name"])
    gateway.idp.up = False
    try:
        ingress_gateway.patch(gateway.copy.api, path, {"spec": asked})
        gateway.until(lambda: inside.request("/app", host=INSIDE).status == 500, "it is asked")
        state, seen = gateway.judged()["routes"]
        assert (state, "openid-configuration" in seen) == ("fail", True), seen
        gateway.objects.apply(policy)
        gateway.until(lambda: inside.request("/app", host=INSIDE).status == 302, "nobody is asked")
    finally:
        gateway.idp.up = True


def test_a_global_limit_that_is_closed_refuses_without_redis(gateway: Gateway) -> None:
    """500 for each request that nobody counts, and for no other."""
    if reason := ingress_gateway.missing(ingress_gateway.LIMITS):
        pytest.skip(reason)
    client, idp, limits = (
        gateway.outside(),
        gateway.idp,
        gateway.sections["ingress"]["globalLimits"],
    )

    def asked() -> int:
        return client.request("/shared", token=idp.token(sub=f"d-{time.time_ns()}")).status

    limits["onFailure"] = "closed"
    gateway.up()
    try:
        gateway.until(lambda: asked() == 200, "it counts")
        gateway.scale_redis(0)
        gateway.until(lambda: asked() == 500, "nobody counts: it is refused")
        assert [asked() for _ in range(8)] == [500] * 8
        assert (client.request("/shared").status, client.request("/").status) == (401, 200)
    finally:
        gateway.scale_redis(1)
        limits["onFailure"] = "open"
        gateway.up()


def test_status_tells_what_envoy_gateway_refuses_and_what_goes_round(gateway: Gateway) -> None:
    """By the real command: all is well, then each thing that is broken by hand."""
    well = {name: state for name, (state, _) in gateway.judged().items()}
    assert well == {"gateway": "ok", "routes": "ok", "ways-round": "ok"}
    ours = client_ca(gateway)
    traffic = made.backend_traffic_policy(route_args(gateway, ROUTES[3]).route)
    assert traffic
    refused = copy.deepcopy(traffic)
    # Without a selector there may be one.
    alike = {"limit": {"requests": 1, "unit": "Hour"}}
    refused["spec"]["rateLimit"]["local"]["rules"] = [alike, alike]
    spec = {"type": "NodePort", "selector": {"app": "cart"}, "ports": [{"port": 8080}]}
    metadata = {"name": "open", "namespace": SHOP}
    door = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    wanted = {
        "gateway": "partners: policy of its clients: not Accepted",
        "routes": "some (traffic policies): not Accepted",
        "ways-round": "go round the gateway: shop/open (NodePort)",
    }

    def told() -> bool:
        # Envoy Gateway says so in the objects' status a while after it acts so.
        found = gateway.judged().items()
        return all(state == "fail" and wanted[name] in seen for name, (state, seen) in found)

    try:
        gateway.objects.delete(ours)
        gateway.objects.apply(refused, door)
        gateway.until(lambda: gateway.outside().request("/some").status == 500, "it is refused")
        gateway.until(told, "each thing that is broken is told")
    finally:
        gateway.objects.apply(ours, traffic)
        gateway.objects.delete(door)
    gateway.until(lambda: set(dict(gateway.judged().values())) == {"ok"}, "all is well again")


def secret(gateway: Gateway, name: str) -> dict[str, bytes]:
    """What a Secret of the gateway's namespace holds; nothing where there is none."""
    found = gateway.node.objects.data("secrets", LINKERD_INGRESS, name) or {}
    return {key: base64.b64decode(value) for key, value in found.items()}


def test_the_page_goes_back_from_gateway_api_1_5(gateway: Gateway) -> None:
    """Followed to its end, with Envoy Gateway and Linkerd beside it. The last: the gateway goes."""
    policy = copy.deepcopy(gateway.sections["policy"])
    for service in policy["namespaces"][SHOP]["services"]:
        # Only the gateway called them.
        service["ports"][0]["allow"] = [{"serviceAccounts": ["client"]}]
    page = Page(gateway.copy, "gateway-api-back.md", {"policy": policy})
    page.run("Take the gateway away")
    for kind in ("Gateway", "GatewayClass", "HTTPRoute"):
        assert left(gateway, kind) == [], kind
    page.tracked = page.file.read_text(encoding="utf-8")
    page.run("Look what is left")
    page.run("Go back")
    page.unchanged()
    versions = {
        each["metadata"]["annotations"]["gateway.networking.k8s.io/bundle-version"]
        for each in left(gateway, "CustomResourceDefinition")
        if each["spec"]["group"] == "gateway.networking.k8s.io"
    }
    assert versions == {"v1.2.1"}


def left(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    """All objects of a kind."""
    group = "apiextensions.k8s.io" if kind.startswith("Custom") else "gateway.networking.k8s.io"
    path = gateway.objects.path(
        {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"namespace": LINKERD_INGRESS}}
    )
    answer = gateway.copy.api.request("GET", path)
    assert answer.ok, answer
    return list(answer.body["items"])


def client_ca(gateway: Gateway) -> dict[str, Any]:
    """The ConfigMap with the CA of the partners' certificates."""
    metadata = {"name": "partners-clients", "namespace": LINKERD_INGRESS}
    data = {"ca.crt": gateway.partners.pem}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
