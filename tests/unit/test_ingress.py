"""The ingress gateway: its listeners, what they ask of clients, and who reaches what is behind."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from components.egress import arguments as egress
from components.envoy_gateway import CONTROLLER, GATEWAY_CLASS
from components.ingress import arguments
from components.ingress.component import Ingress, IngressArgs, proxies, the_gateway
from components.ingress.objects import access_log, client_traffic, envoy_proxy
from components.ingress.section import IngressSection
from components.names import LINKERD_INGRESS
from components.policy import arguments as policy
from components.policy import service_policy
from stack.arguments import vault_entries
from tests.recorder import Recording
from tests.unit.crd_schemas import faults, is_custom
from tests.unit.ingress_samples import ADMIN, CART, HOME, INGRESS, INGRESS_ARGS, SHOP
from tests.unit.samples import made
from tests.unit.stack_files import STACK_FILES, certificate, load, spoilt, write
from tests.unit.whole_program import Evaluated, evaluated_file, project

SAMPLE: IngressArgs = INGRESS_ARGS
ROUTE = "ingress.routes.0"
LOGIN = "ingress.routes.1.oidc"
# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "ingress.enabled": False,
    "ingress.replicas": 2,
    "ingress.controllerReplicas": 3,
    "ingress.managed": False,
    "ingress.trustedProxies": 2,
    "ingress.accessLog": "all",
    "ingress.service.type": "NodePort",
    "ingress.service.annotations": {"example.com/internal": "true"},
    "ingress.service.sourceRanges": ["203.0.113.0/24"],
    "ingress.identity.issuer": "https://other.example.com/",
    "ingress.identity.audiences": ["other"],
    "ingress.identity.jwks": "https://other.example.com/jwks",
    "ingress.issuers.letters.acme.server": "https://other.example.com/directory",
    "ingress.issuers.letters.acme.email": "other@example.com",
    "ingress.issuers.pki.vault.path": "pki/sign/other",
    "ingress.issuers.pki.vault.role": "other",
    "ingress.issuers.there.existing": "other",
    "ingress.listeners.0.name": "other",
    "ingress.listeners.3.host": "other.example.com",
    "ingress.listeners.0.issuer": "own",
    "ingress.listeners.1.clientCa.pem": certificate() + certificate(),
    "ingress.listeners.1.clientCa.mode": "optional",
    "ingress.globalLimits.onFailure": "closed",
    "ingress.globalLimits.redis.host": "other.example.com",
    "ingress.globalLimits.redis.port": 6390,
    "ingress.globalLimits.redis.tls": False,
    "ingress.globalLimits.redis.vaultPath": "other",
    f"{ROUTE}.name": "other",
    "ingress.routes.3.host": "any.example.com",
    f"{ROUTE}.path": "/other",
    f"{ROUTE}.exact": True,
    f"{ROUTE}.methods": ["PUT"],
    f"{ROUTE}.service": "shop/bar",
    f"{ROUTE}.port": 8090,
    f"{ROUTE}.rewrite": "/other",
    f"{ROUTE}.split.0.service": "shop/bar",
    f"{ROUTE}.split.0.port": 8091,
    f"{ROUTE}.split.0.percent": 20,
    f"{ROUTE}.mirror.to": "shop/bar",
    f"{ROUTE}.mirror.port": 8092,
    f"{ROUTE}.mirror.percent": 6,
    "ingress.routes.2.redirect.host": "inside.example.com",
    "ingress.routes.2.redirect.path": "/other",
    "ingress.routes.2.redirect.status": 302,
    f"{ROUTE}.require.scopes": ["other"],
    f"{ROUTE}.require.claims": {"tenant": ["b"]},
    f"{ROUTE}.require.listClaims": {"groups": ["y"]},
    f"{LOGIN}.issuer": "https://other.example.com",
    f"{LOGIN}.authorizationEndpoint": "https://other.example.com/a",
    f"{LOGIN}.tokenEndpoint": "https://other.example.com/t",
    f"{LOGIN}.endSessionEndpoint": "https://other.example.com/e",
    f"{LOGIN}.clientId": "other",
    f"{LOGIN}.vaultPath": "oidc/other",
    f"{LOGIN}.scopes": ["openid", "other"],
    f"{LOGIN}.callback": "/other",
    f"{LOGIN}.logout": "/other",
    "ingress.routes.3.public": False,
    f"{ROUTE}.cors.origins": ["https://other.example.com"],
    f"{ROUTE}.cors.methods": ["PUT"],
    f"{ROUTE}.cors.headers": ["x-other"],
    f"{ROUTE}.cors.expose": ["x-other"],
    f"{ROUTE}.cors.maxAge": "6m",
    f"{ROUTE}.cors.credentials": False,
    f"{ROUTE}.limits.0.requests": 601,
    f"{ROUTE}.limits.0.per": "hour",
    f"{ROUTE}.limits.0.by": "claim:other",
    f"{ROUTE}.limits.0.global": False,
    f"{ROUTE}.maxParallel": 501,
    f"{ROUTE}.breaker.failures": 8,
    f"{ROUTE}.breaker.open": "11s",
    f"{ROUTE}.retries.on": ["reset"],
    f"{ROUTE}.retries.times": 3,
    f"{ROUTE}.retries.timeout": "1s",
    f"{ROUTE}.timeout": "21s",
    f"{ROUTE}.requestSize": "2Mi",
}
ELSEWHERE = {"ingress.issuers.<name>.ca": "test_ingress.py"}


@functools.cache
def whole() -> Evaluated:
    """The program of a stack with the shop behind the gateway."""
    return evaluated_file(write(project(), spoilt({(k,): v for k, v in SHOP.items()})), True)


def recorded(**changes: Any) -> Recording:
    """The component alone."""
    return made(Ingress, **changes)


def test_the_whole_program_makes_only_what_the_crds_allow() -> None:
    """The API server drops an unknown field in silence, and a setting with it."""
    kinds = set()
    for resource in whole().resources:
        if "apiVersion" in resource.inputs and is_custom(resource.inputs):
            assert faults(resource.inputs) == [], resource.urn
            kinds.add(resource.inputs["kind"])
    assert kinds >= {
        *("Gateway", "GatewayClass", "EnvoyProxy", "ClientTrafficPolicy", "SecurityPolicy"),
        *("BackendTrafficPolicy", "HTTPRoute", "ReferenceGrant"),
    }


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda file: file.name)
def test_a_stack_without_the_section_has_nothing_of_a_gateway(file: Path) -> None:
    """An upgrade of the program must not bring CRDs from which there is no way back."""
    found = evaluated_file(file, True)
    names = [resource.urn for resource in found.resources]
    words = ("envoy", "linkerd-platform:traffic", "gateway-api-1-5", LINKERD_INGRESS)
    assert names
    assert not [urn for urn in names if any(word in urn for word in words)]


def test_the_proxies_are_in_the_mesh_and_call_services() -> None:
    """Called by the addresses of pods, no policy of a Service would hold."""
    spec = envoy_proxy(proxies(INGRESS_ARGS))["spec"]
    assert spec["routingType"] == "Service"
    kubernetes = spec["provider"]["kubernetes"]
    assert kubernetes["envoyDeployment"]["pod"]["annotations"] == {
        "linkerd.io/inject": "enabled",
        "config.linkerd.io/skip-inbound-ports": "10080,10443",
    }
    assert kubernetes["envoyService"]["externalTrafficPolicy"] == "Local"
    assert kubernetes["envoyServiceAccount"] == {"name": "ingress"}
    assert kubernetes["envoyDeployment"]["replicas"] == 3
    assert kubernetes["envoyPDB"] == {"maxUnavailable": 1}
    zones = [
        e["topologyKey"] for e in kubernetes["envoyDeployment"]["pod"]["topologySpreadConstraints"]
    ]
    assert zones == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]


def test_the_log_has_the_subject_and_never_the_token() -> None:
    """A log that holds tokens lets everybody in who reads it; an address may hold one as well."""
    (setting,) = access_log("errors")["settings"]
    fields = setting["format"]["json"]
    assert ":sub)%" in fields["subject"]
    assert setting["matches"] == ["response.code < 200 || response.code >= 300"]
    text = str(fields).upper()
    assert not [word for word in ("AUTHORIZATION)", "COOKIE", "REQ(:PATH)") if word in text]
    assert "matches" not in access_log("all")["settings"][0]
    assert access_log("off") == {"disable": True}


def test_keys_of_tokens_are_asked_for_where_they_are(tmp_path: Path) -> None:
    """The Backend is there before any route names it."""
    config = load(tmp_path, spoilt({(k,): v for k, v in SHOP.items()}))
    args = arguments.arguments(config, config.cluster)  # type: ignore[arg-type]
    assert args is not None
    recording = recorded(keys=args.keys)
    backend = recording.named("x-keys")
    assert backend.inputs["spec"]["endpoints"] == [
        {"fqdn": {"hostname": "idp.example.com", "port": 443}}
    ]
    assert backend.urn in recording.named("x-gateway").dependencies


def test_challenges_of_acme_are_answered_where_the_cluster_denies(tmp_path: Path) -> None:
    """cert-manager's own pods answer them, in the gateway's namespace, and only it may ask."""
    sections = {**SHOP, "linkerd": {"defaultInboundPolicy": "deny"}}
    config = load(tmp_path, spoilt({(k,): v for k, v in sections.items()}))
    ((_, services),) = policy.of_gateways(config)
    (solver,) = [each for each in services if each.service == "acme"]
    rules = service_policy.rules(solver, solver.ports[0])
    (allowed,) = [each for each in rules if each["kind"] == "AuthorizationPolicy"]
    (account,) = allowed["spec"]["requiredAuthenticationRefs"]
    assert (account["namespace"], account["name"]) == (LINKERD_INGRESS, "ingress")
    server = service_policy.port_server(solver, solver.ports[0])["spec"]
    assert (server["port"], server["accessPolicy"]) == (8089, "deny")


def test_nobody_else_attaches_routes() -> None:
    """An HTTPRoute of another namespace would be a way in that asks nobody."""
    spec = the_gateway(INGRESS_ARGS.listeners)["spec"]
    assert spec["gatewayClassName"] == GATEWAY_CLASS
    assert {str(each["allowedRoutes"]["namespaces"]) for each in spec["listeners"]} == {
        "{'from': 'Same'}"
    }
    assert [each["port"] for each in spec["listeners"]] == [80, 443, 443, 443, 443]


@pytest.mark.parametrize(
    ("ca", "required", "validation", "xfcc"),
    [
        (None, True, None, "Sanitize"),
        ("a", True, "RequireAndVerify", "SanitizeSet"),
        ("a", False, "VerifyIfGiven", "SanitizeSet"),
    ],
)
def test_a_listener_asks_for_certificates_as_it_says(
    ca: str | None, required: bool, validation: str | None, xfcc: str
) -> None:
    """A client must never be believed what it writes of its own certificate."""
    spec = client_traffic("n", "a", "g", "a", hops=None, ca=ca, required=required)["spec"]
    assert spec["tls"].get("clientValidation", {}).get("mode") == validation
    assert spec["headers"]["xForwardedClientCert"]["mode"] == xfcc
    assert "l5d-dst-override" in spec["headers"]["earlyRequestHeaders"]["remove"]
    assert "clientIPDetection" not in spec


def test_a_proxy_before_the_gateway_is_believed_the_address_of_a_client() -> None:
    """Where none stands, a client could write any address."""
    spec = client_traffic("n", "a", "g", "a", hops=2)["spec"]
    assert spec["clientIPDetection"] == {"xForwardedFor": {"numTrustedHops": 2}}
    assert "clientIPDetection" not in client_traffic("n", "a", "g", "a", hops=0)["spec"]


def test_clients_are_asked_before_the_gateway_is_there() -> None:
    """A listener without its policy yet would let clients in without a certificate."""
    recording = recorded()
    gateway = recording.named("x-gateway")
    for resource in recording.resources:
        if resource.inputs.get("kind") in ("ClientTrafficPolicy", "EnvoyProxy", "ConfigMap"):
            assert resource.urn in gateway.dependencies, resource.name
        if resource.inputs.get("kind") == "Certificate" and resource.name.endswith("-tls"):
            assert gateway.urn in resource.dependencies


def test_a_ca_of_its_own_signs_for_the_listeners_that_name_it() -> None:
    """`ca: true` is for a host inside, whose clients are given the CA."""
    recording = recorded()
    certificates = {
        r.inputs["metadata"]["name"]: r.inputs["spec"]["issuerRef"]
        for r in recording.resources
        if r.inputs.get("kind") == "Certificate"
    }
    assert {name: (ref["kind"], ref["name"]) for name, ref in certificates.items()} == {
        "ingress-own-ca": ("Issuer", "ingress-own-self-signed"),
        "shop-tls": ("Issuer", "ingress-letters"),
        "any-tls": ("ClusterIssuer", "corporate"),
        "inside-tls": ("Issuer", "ingress-own"),
        "partners-tls": ("Issuer", "ingress-pki"),
    }


def test_the_account_for_vault_is_one_and_may_have_its_token_reviewed() -> None:
    """Vault reviews a login with the login's own token: without the right to, each is refused."""
    (pki,) = [each for each in INGRESS_ARGS.issuers if "vault" in each.spec]
    other = pki.model_copy(update={"name": "pki-2"})
    recording = recorded(issuers=(*INGRESS_ARGS.issuers, other))
    bound = {
        r.inputs["roleRef"]["name"]: [(s["namespace"], s["name"]) for s in r.inputs["subjects"]]
        for r in recording.resources
        if r.inputs.get("kind") in ("ClusterRoleBinding", "RoleBinding")
    }
    assert bound == {
        "system:auth-delegator": [("linkerd-ingress", "ingress-issuer")],
        "ingress-issuer": [("cert-manager", "cert-manager")],
    }
    account = recording.named("x-vault-login-serviceaccount")
    for name in ("x-issuer-pki", "x-issuer-pki-2"):
        assert account.urn in recording.named(name).dependencies


def test_an_engine_is_named_from_where_clusters_log_in(tmp_path: Path) -> None:
    """A token of a namespace reaches an engine of one below it by the way there alone."""
    where = {("vault", "namespace"): "platform/web", ("vault", "authNamespace"): "platform"}
    config = load(tmp_path, spoilt({**{(k,): v for k, v in SHOP.items()}, **where}))
    assert config.cluster
    args = arguments.arguments(config, config.cluster)
    assert args
    (pki,) = [each for each in args.issuers if "vault" in each.spec]
    found = {key: pki.spec["vault"][key] for key in ("namespace", "path")}
    assert found == {"namespace": "platform", "path": "web/pki/sign/ingress"}


def test_grants_name_the_services_one_by_one() -> None:
    """A grant without names would open every Service of a namespace to a mistyped route."""
    grant = recorded().named("x-grant-shop").inputs
    assert grant["metadata"]["namespace"] == "shop"
    assert [each["name"] for each in grant["spec"]["to"]] == ["bar", "foo"]


@pytest.mark.parametrize(("managed", "clients"), [(True, 1), (False, 0)])
def test_the_gateways_account_is_a_client_of_what_it_reaches(
    managed: bool, clients: int, tmp_path: Path
) -> None:
    """Managed ingress: the policy denies, and the gateway is let in by its identity alone."""
    sections = {**SHOP, "ingress": {**INGRESS, "managed": managed, "routes": [CART]}}
    config = load(tmp_path, spoilt({(k,): v for k, v in sections.items()}))
    (service,) = [each for each in policy.services(config, "shop") if each.service == "foo"]
    named = [account for each in service.ports[0].gateway for account in each.service_accounts]
    assert named == [("linkerd-ingress", "ingress")] * clients


def test_the_gateway_reaches_its_identity_providers_where_egress_denies(tmp_path: Path) -> None:
    """Without their keys no token is good, and every route answers 401."""
    sections = {**SHOP, "egress": {"default": "deny", "networkPolicy": True}}
    config = load(tmp_path, spoilt({(k,): v for k, v in sections.items()}))
    args = egress.arguments(config, config.cluster)  # type: ignore[arg-type]
    hosts = {e.namespace: [h.host for h in e.hosts] for e in args.scopes}
    assert hosts[LINKERD_INGRESS] == ["idp.example.com", "tokens.example.com"]
    assert LINKERD_INGRESS in {each.namespace for each in args.packets}


def test_credentials_are_read_by_the_namespace_that_uses_them(tmp_path: Path) -> None:
    """Each entry of Vault is opened to one namespace."""
    entries = vault_entries(load(tmp_path, spoilt({(k,): v for k, v in SHOP.items()})))
    assert entries["oidc/shop"] == "linkerd-ingress"
    assert entries["redis"] == "envoy-gateway-system"


@pytest.mark.parametrize(
    ("host", "listener"),
    [("shop.example.com", "shop"), ("b.example.com", "any"), ("a.b.example.com", "any")],
)
def test_a_route_is_attached_to_the_nearest_listener(host: str, listener: str) -> None:
    """At another one of the same host the client might be asked for less."""
    section = IngressSection.model_validate_json(json.dumps(INGRESS))
    found = section.listener_of(host)
    assert found is not None
    assert found.name == listener


def test_a_section_that_is_off_asks_for_nothing(tmp_path: Path) -> None:
    """What is prepared and not enabled makes no chart, no secret, no host."""
    off = {"enabled": False, "routes": [CART, ADMIN, HOME], "identity": INGRESS["identity"]}
    config = load(tmp_path, spoilt({("ingress",): off}))
    section = config.ingress
    assert (section.chart_names, section.vault_entries, section.outside) == ((), {}, ())
    assert arguments.routes(config) == []
    assert section.exposed() == {}


def test_controllers_of_others_are_not_answered() -> None:
    """A second Envoy Gateway of the cluster has upstream's name, and would take our classes."""
    assert CONTROLLER != "gateway.envoyproxy.io/gatewayclass-controller"
