"""The three objects of a route: who may, how much, and where to.

A policy of a route stands for one of its Gateway and does not add to it (envoyproxy/gateway#8781),
and merged ones are not enforced (#9958): each route has one whole SecurityPolicy, attached first.
"""

from __future__ import annotations

from typing import Any

from components.base import Args, Manifest
from components.envoy_gateway import GATEWAY
from components.ingress import policies
from components.ingress.objects import (
    PUBLIC,
    backend,
    envoy,
    made,
    outside,
    outside_ref,
    parent,
    target,
)
from components.ingress.section import ExposedRoute, TokenIdentity
from components.names import INGRESS, LINKERD_INGRESS


class IngressRouteArgs(Args):
    """A route, the listener it is attached to, and whose tokens are taken there.

    identity: None where no token is asked for. refresh_interval: of the secret of a login.
    """

    route: ExposedRoute
    listener: str
    identity: TokenIdentity | None = None
    refresh_interval: str = "10m0s"


def security_policy(args: IngressRouteArgs) -> Manifest | None:
    """Who may: CORS, then the token or the login, then what it holds. None where nothing is asked.

    Without `authorization` every valid token will do; with it, what no rule allows is denied.
    """
    route, spec = args.route, dict[str, Any]()
    if route.cors:
        spec["cors"] = _cors(route)
    if args.identity:
        spec["jwt"] = policies.tokens(args.identity, route.limits)
        if route.require.used:
            spec["authorization"] = policies.authorization({"jwt": policies.held(route.require)})
    if route.oidc:
        spec["oidc"] = _oidc(route)
    if not spec:
        return None
    return _of_route("SecurityPolicy", route, spec)


def backend_traffic_policy(route: ExposedRoute) -> Manifest | None:
    """How much, how long, how often; None for a redirect."""
    if route.redirect:
        return None
    spec = policies.traffic(route, shared=len(_matches(route)) > 1)
    if route.request_size:
        spec["requestBuffer"] = {"limit": route.request_size}
    return _of_route("BackendTrafficPolicy", route, spec)


def http_route(args: IngressRouteArgs) -> Manifest:
    """Where to. It names its listener: at another one of the same host nobody might ask."""
    route = args.route
    rule: dict[str, Any] = {"matches": _matches(route)}
    filters: list[dict[str, Any]] = []
    if route.redirect:
        filters.append(_redirect(route))
    if route.rewrite:
        path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": route.rewrite}
        if route.exact:
            path = {"type": "ReplaceFullPath", "replaceFullPath": route.rewrite}
        filters.append({"type": "URLRewrite", "urlRewrite": {"path": path}})
    if route.mirror:
        to = backend(route.mirror.to, route.mirror.port)
        mirror = {"backendRef": to, "percent": route.mirror.percent}
        filters.append({"type": "RequestMirror", "requestMirror": mirror})
    if filters:
        rule["filters"] = filters
    if route.service:
        rest = 100 - sum(each.percent for each in route.split)
        parts = [backend(each.service, each.port, each.percent) for each in route.split]
        rule["backendRefs"] = [backend(route.service, route.port, rest), *parts]
    spec = {
        "parentRefs": [parent(INGRESS, args.listener)],
        "hostnames": [route.host],
        "rules": [rule],
    }
    return made(f"{GATEWAY}/v1", "HTTPRoute", LINKERD_INGRESS, route.name, spec)


def to_https(listener: str) -> Manifest:
    """Every request at port 80 is sent to port 443, but for challenges of ACME."""
    filter_ = {
        "type": "RequestRedirect",
        "requestRedirect": {"scheme": "https", "port": 443, "statusCode": 301},
    }
    everything = [{"path": {"type": "PathPrefix", "value": "/"}}]
    spec = {
        "parentRefs": [parent(INGRESS, listener)],
        "rules": [{"matches": everything, "filters": [filter_]}],
    }
    return made(f"{GATEWAY}/v1", "HTTPRoute", LINKERD_INGRESS, f"{listener}-to-https", spec)


def _of_route(kind: str, route: ExposedRoute, spec: dict[str, Any]) -> Manifest:
    whole = {"targetRefs": target("HTTPRoute", route.name), **spec}
    return envoy(kind, LINKERD_INGRESS, route.name, whole)


def _matches(route: ExposedRoute) -> list[dict[str, Any]]:
    path = {"type": "Exact" if route.exact else "PathPrefix", "value": route.path}
    methods = list(route.methods)
    if not methods:
        return [{"path": path}]
    if route.cors and "OPTIONS" not in methods:
        methods.append("OPTIONS")  # a preflight, which is answered before anybody is asked
    return [{"path": path, "method": each} for each in methods]


def _redirect(route: ExposedRoute) -> dict[str, Any]:
    assert route.redirect is not None  # noqa: S101
    found: dict[str, Any] = {"statusCode": route.redirect.status}
    if route.redirect.host:
        found["hostname"] = route.redirect.host
    if route.redirect.path:
        found["path"] = {"type": "ReplaceFullPath", "replaceFullPath": route.redirect.path}
    return {"type": "RequestRedirect", "requestRedirect": found}


def _cors(route: ExposedRoute) -> dict[str, Any]:
    assert route.cors is not None  # noqa: S101
    cors = route.cors
    found: dict[str, Any] = {
        "allowOrigins": list(cors.origins),
        "allowMethods": list(cors.methods),
        "allowHeaders": list(cors.headers),
        "maxAge": cors.max_age.go,
        "allowCredentials": cors.credentials,
    }
    if cors.expose:
        found["exposeHeaders"] = list(cors.expose)
    return found


def _oidc(route: ExposedRoute) -> dict[str, Any]:
    assert route.oidc is not None  # noqa: S101
    oidc, base = route.oidc, route.path.rstrip("/")
    provider = {
        "issuer": oidc.issuer,
        "authorizationEndpoint": oidc.authorization_endpoint,
        "tokenEndpoint": oidc.token_endpoint,
        "backendRefs": [outside_ref(oidc_secret(route))],
    }
    if oidc.end_session_endpoint:
        provider["endSessionEndpoint"] = oidc.end_session_endpoint
    return {
        "provider": provider,
        "clientID": oidc.client_id,
        "clientSecret": {"group": "", "kind": "Secret", "name": oidc_secret(route)},
        "scopes": list(oidc.scopes),
        "redirectURL": f"https://{route.host}{base}{oidc.callback}",
        "logoutPath": f"{base}{oidc.logout}",
    }


def oidc_provider(route: ExposedRoute) -> Manifest:
    """Whom the gateway asks about a login."""
    assert route.oidc is not None  # noqa: S101
    return outside(LINKERD_INGRESS, oidc_secret(route), *route.oidc.asked, PUBLIC)


def oidc_secret(route: ExposedRoute) -> str:
    """Name of the Secret with the gateway's secret at the identity provider, and of its Backend."""
    return f"{route.name}-oidc"
