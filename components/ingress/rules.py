"""Rules of the section `ingress`. Each gives every fault it finds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from cryptography import x509

from components.cluster import HasCluster, needs_a_cluster
from components.gateway_api import HasGatewayApi
from components.ingress.policies import RouteTraffic
from components.ingress.section import (
    ClientCa,
    ExposedRoute,
    IngressLimit,
    IngressSection,
    Listener,
    Oidc,
    TokenIdentity,
    TokenRequirement,
)
from components.ingress.values import claim_header
from components.names import WITH_GATEWAYS
from components.policy import look_up
from components.policy.look_up import HasPolicies
from schema.certificates import certificate_fault, certificates_in
from schema.faults import Fault
from schema.values import Environment
from schema.yaml_file import Path_

_INGRESS = ("ingress",)
_ROUTES = ("ingress", "routes")
_MOST_AUDIENCES = 8
_MOST_REQUIRED = 16
_MOST_VALUES = 128
_MOST_LOCAL = 16
_CLOSED = ("audit", "deny")
# Listeners of a Gateway, one of which is port 80's.
_MOST_LISTENERS = 63
HTTP_LISTENER = "http"


class _Config(HasPolicies, HasCluster, HasGatewayApi, Protocol):
    """The sections that the rules compare."""

    @property
    def environment(self) -> Environment | None: ...


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `ingress`.

    - It needs Gateway API CRDs 1.5.1 of the experimental channel.
    - `service.sourceRanges` are for a Service of type `LoadBalancer`.
    - A route belongs to a listener, leads to a meshed Service or a redirect, and says `public`
      where nobody is asked for a token, a login or a certificate. `require` needs `identity`. A
      redirect has nothing that is a service's.
    - With `managed`, each Service has a policy, `audit` or `deny`, and no client from outside.
    - `global` limits need `globalLimits`, limits by client `trustedProxies`, by claim a token.
    - CORS with `credentials` names its origins, and `*` is for `environment: development` or
      `staging`.
    - A client CA holds CA certificates, and no listener takes a name twice.
    """
    section = config.ingress
    yield from needs_a_cluster(config, {_INGRESS: section.enabled})
    if not section.enabled:
        return
    yield from gateway_api(config, (*_INGRESS, "enabled"))
    service = section.service
    if service.source_ranges and service.type != "LoadBalancer":
        yield Fault(
            (*_INGRESS, "service", "sourceRanges"),
            f"only a load balancer keeps to them, and type is {service.type}: leave them out, or "
            "write LoadBalancer",
            looks_at=((*_INGRESS, "service", "type"),),
        )
    if section.identity:
        yield from audiences((*_INGRESS, "identity"), section.identity)
    yield from _issuers(config)
    yield from _listeners(config)
    names: set[str] = set()
    places: dict[tuple[str, str, bool], list[ExposedRoute]] = {}
    for index, route in enumerate(section.routes):
        path = (*_ROUTES, index)
        before = places.setdefault((route.host, route.path, route.exact), [])
        yield from _place(config, path, route, route.name in names, before)
        names.add(route.name)
        before.append(route)
        yield from _answer(path, route)
        yield from _who(config, path, route)
        yield from requirement((*path, "require"), route.require)
        yield from _how_much(config, path, route)
        yield from _cors(config, path, route)
    if section.managed:
        yield from _managed(config)


def gateway_api(config: HasGatewayApi, gateway: Path_) -> Iterator[Fault]:
    """Faults of the Gateway API's CRDs, for the key that a gateway is switched on by."""
    api = config.gateway_api
    if api.parts[:2] < WITH_GATEWAYS:
        yield Fault(
            ("gatewayApi", "version"),
            f"{api.version} is too old for gateways: write 1.5.1; its CRDs cannot go back "
            "(docs/runbooks/gateway-api-back.md)",
            looks_at=(gateway,),
        )
    if not api.install and api.channel != "experimental":
        what = "missing" if api.channel is None else f"{api.channel!r} has no TLSRoute of Linkerd's"
        yield Fault(
            ("gatewayApi", "channel"),
            f"{what}: gateways need the experimental channel; write what `kubectl get crd "
            "tlsroutes.gateway.networking.k8s.io -o yaml` tells of it",
            looks_at=(("gatewayApi", "install"), gateway),
        )


def audiences(identity_path: Path_, identity: TokenIdentity) -> Iterator[Fault]:
    """Faults of the audiences of tokens."""
    path = (*identity_path, "audiences")
    if not identity.audiences:
        yield Fault(path, "lists none, and tokens for anybody would be taken: write yours")
    if len(identity.audiences) > _MOST_AUDIENCES:
        yield Fault(path, f"lists over {_MOST_AUDIENCES}, which Envoy Gateway refuses: leave some")


def requirement(path: Path_, require: TokenRequirement) -> Iterator[Fault]:
    """Faults of what a token must hold, which Envoy Gateway's CRDs refuse."""
    if len(require.scopes) > _MOST_REQUIRED:
        yield Fault((*path, "scopes"), f"lists over {_MOST_REQUIRED}: leave some out")
    if len(require.claims) + len(require.list_claims) > _MOST_REQUIRED:
        message = f"lists over {_MOST_REQUIRED}, with listClaims: leave some out"
        yield Fault((*path, "claims"), message)
    for key, claims in (("claims", require.claims), ("listClaims", require.list_claims)):
        for name, values in claims.items():
            if not values:
                message = "lists none, and no token would do: write what will"
                yield Fault((*path, key, name), message)
            elif len(values) > _MOST_VALUES:
                message = f"lists over {_MOST_VALUES}: leave some out"
                yield Fault((*path, key, name), message)


def _issuers(config: _Config) -> Iterator[Fault]:
    for name, issuer in config.ingress.issuers.items():
        given = [
            key
            for key, value in (
                ("existing", issuer.existing),
                ("acme", issuer.acme),
                ("vault", issuer.vault),
                ("ca", issuer.ca),
            )
            if value
        ]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            message = f"has {found}: write exactly one of existing, acme, vault, and ca: true"
            yield Fault((*_INGRESS, "issuers", name), message)
        wildcard = [e.name for e in config.ingress.listeners if e.issuer == name and "*" in e.host]
        if issuer.acme and wildcard:
            yield Fault(
                (*_INGRESS, "issuers", name, "acme"),
                f"gives no certificate for the '*.' of listener {wildcard[0]!r} by HTTP-01: name "
                "an existing ClusterIssuer with DNS-01",
                looks_at=((*_INGRESS, "listeners"),),
            )


def _listeners(config: _Config) -> Iterator[Fault]:
    section = config.ingress
    path = (*_INGRESS, "listeners")
    if not section.listeners:
        yield Fault(path, "missing: write the hosts of the gateway")
    if len(section.listeners) > _MOST_LISTENERS:
        yield Fault(path, f"lists over {_MOST_LISTENERS}, the most that a Gateway has: use '*.'")
    for index, each in enumerate(section.listeners):
        before = section.listeners[:index]
        where = (*path, index)
        if each.name == HTTP_LISTENER or each.name in {other.name for other in before}:
            yield Fault((*where, "name"), f"{each.name!r} is taken: take another")
        if each.host in {other.host for other in before}:
            yield Fault((*where, "host"), f"{each.host} has a listener already: remove one")
        if each.issuer not in section.issuers:
            known = ", ".join(section.issuers) or "none"
            message = f"{each.issuer!r} is not in issuers ({known}): add it there"
            yield Fault((*where, "issuer"), message, looks_at=((*_INGRESS, "issuers"),))
        if each.client_ca:
            yield from _client_ca((*where, "clientCa"), each, each.client_ca)


def _client_ca(path: Path_, listener: Listener, ca: ClientCa) -> Iterator[Fault]:
    if wrong := certificate_fault(ca.pem):
        yield Fault((*path, "pem"), wrong)
    elif leaf := next((e for e in certificates_in(ca.pem.encode()) if not _signs(e)), None):
        yield Fault(
            (*path, "pem"),
            f"{leaf.subject.rfc4514_string()[:60]!r} is no CA, such as the certificate of listener "
            f"{listener.name!r} itself: write the CA that signs the clients'",
        )


def _signs(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return found.value.ca


def _place(
    config: _Config, path: Path_, route: ExposedRoute, taken: bool, before: Sequence[ExposedRoute]
) -> Iterator[Fault]:
    section = config.ingress
    if taken or route.name.startswith(f"{HTTP_LISTENER}-to-"):
        yield Fault((*path, "name"), f"{route.name!r} is taken: take another")
    if section.listener_of(route.host) is None:
        hosts = ", ".join(each.host for each in section.listeners)
        yield Fault(
            (*path, "host"),
            f"{route.host} is no listener's ({hosts}): add one for it",
            looks_at=((*_INGRESS, "listeners"),),
        )
    for other in before:
        if not other.methods or not route.methods or set(other.methods) & set(route.methods):
            yield Fault(
                (*path, "path"),
                f"{route.path} of {route.host} is answered by {other.name!r} already: give one of "
                "them other methods, or remove it",
            )
            return


def _answer(path: Path_, route: ExposedRoute) -> Iterator[Fault]:
    if (route.service is None) == (route.redirect is None):
        yield Fault(path, "needs service or redirect, and not both: write what answers")
    if route.redirect and not (route.redirect.host or route.redirect.path):
        message = "leads to where it comes from: write host or path"
        yield Fault((*path, "redirect"), message)
    for key, value in (
        ("split", route.split),
        ("mirror", route.mirror),
        ("retries", route.retries),
        ("rewrite", route.rewrite),
        ("limits", route.limits),
        ("breaker", route.breaker),
        ("requestSize", route.request_size),
        ("require", route.require.used),
        ("oidc", route.oidc),
    ):
        if route.redirect and value:
            yield Fault((*path, key), "a redirect has none: remove it")
    if sum(each.percent for each in route.split) > 100:
        yield Fault((*path, "split"), "is over 100 per cent: write less")
    yield from tries(path, route)


def tries(path: Path_, route: RouteTraffic) -> Iterator[Fault]:
    """Faults of retries that outlast their request."""
    if route.retries is None or route.retries.timeout is None:
        return
    count = route.retries.times + 1
    seconds = count * route.retries.timeout.seconds
    if seconds > route.timeout.seconds:
        yield Fault(
            (*path, "retries", "timeout"),
            f"{count} tries take {seconds}s, and the request has {route.timeout}: shorten it, or "
            "raise timeout",
            looks_at=((*path, "timeout"),),
        )


def _who(config: _Config, path: Path_, route: ExposedRoute) -> Iterator[Fault]:
    section = config.ingress
    if route.redirect:
        return
    if route.oidc:
        yield from _login((*path, "oidc"), route.oidc)
    if route.public and (route.require.used or route.oidc):
        key = "oidc" if route.oidc else "require"
        yield Fault((*path, key), "a public route asks nobody: remove it, or public")
        return
    if route.require.used and (section.identity is None or route.oidc):
        why = "oidc has no token to look into" if route.oidc else "no identity is named"
        yield Fault(
            (*path, "require"),
            f"scopes and claims are a token's, and {why}: write ingress.identity, or remove them",
            looks_at=((*_INGRESS, "identity"),),
        )
    elif not route.public and not section.guarded(route):
        yield Fault(
            path,
            "anybody could call it: write ingress.identity, oidc, a clientCa of its listener, or "
            "public: true",
            looks_at=((*_INGRESS, "identity"), (*path, "public")),
        )


def _login(path: Path_, oidc: Oidc) -> Iterator[Fault]:
    if re.search("[?#]", oidc.issuer):
        message = "has a query, which no issuer of logins has: write it as its tokens have it"
        yield Fault((*path, "issuer"), message)
    for key, value in (("callback", oidc.callback), ("logout", oidc.logout)):
        if value == "/":
            yield Fault((*path, key), "is the route itself: write a path of its own below it")
    if oidc.callback == oidc.logout:
        message = f"{oidc.logout} is the callback, too: write another"
        yield Fault((*path, "logout"), message, looks_at=((*path, "callback"),))


def _how_much(config: _Config, path: Path_, route: ExposedRoute) -> Iterator[Fault]:
    section = config.ingress
    yield from limits(
        section,
        path,
        route.limits,
        token=bool(section.identity) and not (route.public or route.oidc),
        by="client",
        looks_at=((*_INGRESS, "identity"), (*path, "public")),
    )
    for index, each in enumerate(route.limits):
        if each.by == "client" and section.trusted_proxies is None:
            yield Fault(
                (*path, "limits", index, "by"),
                "nobody said whose address a client's is: write ingress.trustedProxies, 0 where "
                "no proxy stands before the gateway",
                looks_at=((*_INGRESS, "trustedProxies"),),
            )


def limits(
    section: IngressSection,
    path: Path_,
    found: Sequence[IngressLimit],
    *,
    token: bool,
    by: str,
    looks_at: tuple[Path_, ...],
) -> Iterator[Fault]:
    """Faults of the limits of a route, at either gateway.

    token: whether one is asked for, which `looks_at` says; by: what to count by where none is.
    """
    local = sum(1 + (each.by == "client") for each in found if not each.global_)
    if local > _MOST_LOCAL:
        yield Fault((*path, "limits"), f"are over {_MOST_LOCAL} in each pod: leave some out")
    headers: dict[str, str] = {}
    for index, each in enumerate(found):
        where = (*path, "limits", index)
        if each.global_ and section.global_limits is None:
            yield Fault(
                (*where, "global"),
                "no Redis counts it: write ingress.globalLimits with onFailure",
                looks_at=((*_INGRESS, "globalLimits"),),
            )
        if each.by.startswith("claim:"):
            if not token:
                yield Fault(
                    (*where, "by"),
                    f"no token is asked for here, so nothing would be counted: count by {by}",
                    looks_at=looks_at,
                )
            first = headers.setdefault(claim_header(each.by), each.by)
            if first != each.by:
                yield Fault((*where, "by"), f"reads like {first}: leave one of them out")


def _cors(config: _Config, path: Path_, route: ExposedRoute) -> Iterator[Fault]:
    if route.cors is None:
        return
    where = (*path, "cors", "origins")
    if not route.cors.origins:
        yield Fault(where, "lists none: write some, or remove cors")
    if "*" not in route.cors.origins:
        return
    if route.cors.credentials:
        yield Fault(
            where,
            "with credentials every site could act for a user who is logged in: name the origins",
            looks_at=((*path, "cors", "credentials"),),
        )
    elif config.environment not in ("development", "staging"):
        yield Fault(
            where,
            "'*' is not for production: name the origins, or write environment: development",
            looks_at=(("environment",),),
        )


def _managed(config: _Config) -> Iterator[Fault]:
    """Services behind the gateway that somebody else could reach from outside."""
    places = {route.name: index for index, route in enumerate(config.ingress.routes)}
    for (namespace, name), routes in config.ingress.exposed().items():
        path = (*_ROUTES, places[routes[0].name])
        looks_at = (("policy", "namespaces", namespace), (*_INGRESS, "managed"))
        if why := look_up.unmeshed(config, namespace):
            yield Fault(
                path,
                f"pods of {namespace!r} are not in the mesh ({why}): mesh the namespace first",
                looks_at=(("rollout",),),
            )
            continue
        policy = config.policy.namespaces.get(namespace)
        services = policy.services if policy else ()
        service = next((each for each in services if each.name == name), None)
        if service is None:
            yield Fault(
                path,
                f"{namespace}/{name} has no policy, so anybody in the cluster may call it: add it "
                f"to policy.namespaces.{namespace}.services, or write managed: false",
                looks_at=looks_at,
            )
            continue
        inbound = look_up.inbound_policy(config, namespace, service)
        if inbound not in _CLOSED:
            yield Fault(
                path,
                f"{namespace}/{name} is under {inbound!r}, which lets others in: write "
                "defaultInboundPolicy: audit, then deny",
                looks_at=looks_at,
            )
        for port in service.ports:
            for _, clients in look_up.allow_lists(port):
                named = clients.service_accounts or clients.namespaces or clients.identities
                if clients.networks and not named:
                    yield Fault(
                        path,
                        f"{namespace}/{name} lets networks in without an identity at port "
                        f"{port.port}, which is a way round the gateway: name service accounts",
                        looks_at=looks_at,
                    )
