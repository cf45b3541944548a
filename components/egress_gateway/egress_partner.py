"""A partner outside: what the gateway shows it, who may call, how much, and the way there."""

from __future__ import annotations

from typing import Any

import pulumi

from components.base import Args, Component, Manifest
from components.egress_gateway.component import LISTENER
from components.egress_gateway.section import Partner
from components.envoy_gateway import ENVOY, GATEWAY
from components.external_secrets import external_secret
from components.ingress import policies
from components.ingress.objects import (
    CLIENT_ID,
    PUBLIC,
    ca_certificates,
    envoy,
    made,
    outside,
    outside_ref,
    parent,
    target,
)
from components.ingress.section import TokenIdentity
from components.ingress.values import claim_header
from components.names import EGRESS_GATEWAY, LINKERD_EGRESS_GATEWAY

_AUTHORIZATION = "authorization"
# What would tell a partner of the inside: identities, addresses of pods, and how they were called.
_INSIDE = (
    CLIENT_ID,
    *("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-client-cert"),
    *("x-envoy-external-address", "x-envoy-internal", "forwarded"),
)
_MOST_MATCHES = 64  # of a rule
# A connection outlives the certificate that it was made with.
_CONNECTION = "300s"


class EgressPartnerArgs(Args):
    """A partner, and who its callers are.

    identity: None where no token is asked for. identities: of the callers, in full, in the order of
    `allow`. refresh_interval: of its secrets.
    """

    partner: Partner
    identity: TokenIdentity | None = None
    identities: tuple[str, ...]
    refresh_interval: str = "10m0s"


class EgressPartner(Component, area="traffic"):
    """Its secrets, its policies, and `last` its route, to which those of callers lead (`Egress`).

    The other way round it would be called without a credential, or by anybody, for a moment.
    """

    last: pulumi.Resource

    def __init__(
        self, name: str, args: EgressPartnerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        partner = args.partner
        shown: list[pulumi.Resource] = [
            self.apply(each, name=key, wait_for="condition=Ready")
            for key, each in secrets(partner, args.refresh_interval).items()
        ]
        if partner.ca:
            shown.append(self.apply(authorities(partner), name="ca"))
        first = [self.apply(backend(partner), *shown, name="backend")]
        if partner.credential:
            first.append(self.apply(credential_filter(partner), *shown, name="credential-filter"))
        first.append(self.apply(security_policy(args), name="security"))
        first.append(self.apply(traffic_policy(partner), name="traffic"))
        self.last = self.apply(http_route(args), *first, name="route")
        self.done(partner=partner.name, host=partner.host)


def secrets(partner: Partner, refresh_interval: str) -> dict[str, Manifest]:
    """The ExternalSecrets of what it is shown."""
    found: dict[str, Manifest] = {}
    if partner.client_certificate:
        found["client"] = external_secret(
            f"{partner.name}-client",
            LINKERD_EGRESS_GATEWAY,
            partner.client_certificate,
            {"tls.crt": "tls.crt", "tls.key": "tls.key"},
            refresh_interval,
            secret_type="kubernetes.io/tls",  # noqa: S106
        )
    if partner.credential:
        found["credential"] = external_secret(
            f"{partner.name}-credential",
            LINKERD_EGRESS_GATEWAY,
            partner.credential.vault_path,
            {"credential": "credential"},
            refresh_interval,
        )
    return found


def authorities(partner: Partner) -> Manifest:
    """The CA certificates of a partner."""
    return ca_certificates(LINKERD_EGRESS_GATEWAY, f"{partner.name}-ca", partner.ca)


def backend(partner: Partner) -> Manifest:
    """Where it is, whom its certificate is signed by, and ours."""
    tls: dict[str, Any] = dict(PUBLIC)
    if partner.ca:
        ref = {"group": "", "kind": "ConfigMap", "name": f"{partner.name}-ca"}
        tls = {"caCertificateRefs": [ref]}
    if partner.client_certificate:
        tls["clientCertificateRef"] = _secret(f"{partner.name}-client")
    return outside(LINKERD_EGRESS_GATEWAY, partner.name, partner.host, partner.port, tls)


def credential_filter(partner: Partner) -> Manifest:
    """Writes the credential into each request, over what is there."""
    assert partner.credential is not None  # noqa: S101
    injection = {
        "header": partner.credential.header,
        "overwrite": True,
        "credential": {"valueRef": _secret(f"{partner.name}-credential")},
    }
    spec = {"credentialInjection": injection}
    return envoy("HTTPRouteFilter", LINKERD_EGRESS_GATEWAY, partner.name, spec)


def security_policy(args: EgressPartnerArgs) -> Manifest:
    """Who may: the caller's identity, and what its token holds where that is required.

    By Envoy, and not by a route of Linkerd's: it alone decides which host a request is for, and so
    whose credential it gets.
    """
    partner = args.partner
    spec: dict[str, Any] = {"targetRefs": target("HTTPRoute", partner.name)}
    principal: dict[str, Any] = {
        "headers": [{"name": CLIENT_ID, "values": sorted(args.identities)}]
    }
    if args.identity:
        spec["jwt"] = policies.tokens(args.identity, partner.limits)
        principal["jwt"] = policies.held(partner.require)
    spec["authorization"] = policies.authorization(principal)
    return envoy("SecurityPolicy", LINKERD_EGRESS_GATEWAY, partner.name, spec)


def traffic_policy(partner: Partner) -> Manifest:
    """How much, how long, how often."""
    traffic = policies.traffic(partner, shared=True)
    spec = {"targetRefs": target("HTTPRoute", partner.name), **traffic}
    if partner.client_certificate:
        spec["timeout"]["http"]["maxConnectionDuration"] = _CONNECTION
    return envoy("BackendTrafficPolicy", LINKERD_EGRESS_GATEWAY, partner.name, spec)


def http_route(args: EgressPartnerArgs) -> Manifest:
    """The way from the gateway to the partner.

    One rule for all callers: to Envoy each is a cluster, with connections and a circuit of its own.
    """
    partner = args.partner
    strip = [*_INSIDE, *(claim_header(each) for each in policies.claims(partner.limits))]
    if args.identity and not _overwritten(partner):
        strip.append(_AUTHORIZATION)
    filters: list[dict[str, Any]] = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": strip}}
    ]
    if partner.credential:
        ref = {"group": ENVOY, "kind": "HTTPRouteFilter", "name": partner.name}
        filters.append({"type": "ExtensionRef", "extensionRef": ref})
    to = outside_ref(partner.name)
    rule = {"matches": _matches(args), "filters": filters, "backendRefs": [to]}
    spec = {
        "parentRefs": [parent(EGRESS_GATEWAY, LISTENER)],
        "hostnames": [partner.host],
        "rules": [rule],
    }
    return made(f"{GATEWAY}/v1", "HTTPRoute", LINKERD_EGRESS_GATEWAY, partner.name, spec)


def _matches(args: EgressPartnerArgs) -> list[dict[str, Any]]:
    """A match per caller, whose number is in the log, and one for all others, who get 403 by it.

    Each is a route to Envoy, which counts by itself: callers counted together have one.
    """
    every: dict[str, Any] = {"path": {"type": "PathPrefix", "value": "/"}}
    together = any(each.by != "caller" and not each.global_ for each in args.partner.limits)
    if together or len(args.identities) >= _MOST_MATCHES:
        return [every]
    headers = [
        {"type": "Exact", "name": CLIENT_ID, "value": identity}
        for identity in sorted(args.identities)
    ]
    return [*({**every, "headers": [each]} for each in headers), every]


def _overwritten(partner: Partner) -> bool:
    """Whether the credential takes the place of the caller's token, and may not be removed."""
    return partner.credential is not None and partner.credential.header == _AUTHORIZATION


def _secret(name: str) -> dict[str, str]:
    return {"group": "", "kind": "Secret", "name": name}
