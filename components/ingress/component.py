"""The ingress gateway: proxies of Envoy in the mesh, their listeners, and the routes behind them.

https://gateway.envoyproxy.io/docs/ and https://linkerd.io/2/tasks/using-ingress/
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pulumi
from pydantic import Field

from components.base import Args, Component, Manifest
from components.envoy_gateway import GATEWAY
from components.ingress.objects import (
    HTTP,
    HTTPS,
    KEYS,
    PUBLIC,
    EnvoyProxyArgs,
    ca_certificates,
    client_traffic,
    container_port,
    envoy_proxy,
    gateway,
    http_listener,
    https_listener,
    outside,
    reference_grant,
)
from components.ingress.routes import to_https
from components.ingress.section import GatewayService
from components.names import INGRESS, LINKERD_INGRESS
from components.vault import auth_delegator, service_account

HTTP_LISTENER = "http"
# Logs in to Vault for certificates of listeners, and does nothing else.
VAULT_ACCOUNT = "ingress-issuer"
_CA = "cert-manager.io"


class IngressIssuer(Args):
    """Where certificates come from: a ClusterIssuer that is there, or an Issuer of `spec`.

    spec: `acme` or `vault`; neither is a CA of the gateway's own. cert_manager: its namespace and
    service account.
    """

    name: str
    existing: str | None = None
    spec: dict[str, Any] = Field({})
    cert_manager: tuple[str, str] = ("cert-manager", "cert-manager")


class IngressListener(Args):
    """A host at port 443. client_ca: PEM of the CA of client certificates."""

    name: str
    host: str
    issuer: str
    client_ca: str | None = None
    client_required: bool = True


class IngressArgs(Args):
    """The gateway without its routes.

    hops: proxies before it that tell the client's address. keys: host and port of the keys of
    tokens. image: None for Envoy Gateway's own. pod: what its pods are told of where they run.
    grants: the Services that routes may lead to, by namespace.
    """

    replicas: int = 3
    service: GatewayService = GatewayService()
    hops: int | None = None
    keys: tuple[str, int] | None = None
    access_log: Literal["errors", "all", "off"] = "errors"
    image: str | None = None
    pod: dict[str, Any] = Field({})
    issuers: tuple[IngressIssuer, ...]
    listeners: tuple[IngressListener, ...]
    grants: dict[str, tuple[str, ...]] = Field({})


class Ingress(Component, area="traffic"):
    """Certificates and what is asked of clients, then the Gateway; `last` comes after all of it.

    A listener that has no policy yet would let clients in without a certificate.
    """

    last: pulumi.Resource

    def __init__(
        self, name: str, args: IngressArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        first: list[pulumi.Resource] = []
        issuers: dict[str, list[pulumi.Resource]] = {}
        rights: list[pulumi.Resource] = []
        for issuer in args.issuers:
            if "vault" in issuer.spec and not rights:
                # One account for all of them.
                rights = [
                    self.apply(each, name=f"vault-login-{each['kind'].lower()}")
                    for each in vault_rights(issuer.cert_manager)
                ]
            issuers[issuer.name] = self._issuer(issuer, rights)
        for listener in args.listeners:
            if listener.client_ca:
                first.append(self.apply(client_ca(listener)))
            first.append(self.apply(_client_traffic(listener, args.hops)))
        first.append(self.apply(_http_traffic(args.hops), name=f"{HTTP_LISTENER}-clients"))
        if args.keys:
            keys = outside(LINKERD_INGRESS, KEYS, *args.keys, PUBLIC)
            first.append(self.apply(keys, name="keys"))
        proxy = self.apply(envoy_proxy(proxies(args)), name="proxies")
        self.last = self.apply(the_gateway(args.listeners), proxy, *first, name="gateway")
        self.apply(to_https(HTTP_LISTENER), self.last)
        for namespace, services in args.grants.items():
            grant = reference_grant(namespace, LINKERD_INGRESS, LINKERD_INGRESS, services)
            self.apply(grant, name=f"grant-{namespace}")
        given = {each.name: each for each in args.issuers}
        for listener in args.listeners:
            # After the Gateway: a challenge of ACME comes in through it.
            made = certificate(listener, given[listener.issuer])
            self.apply(made, *issuers[listener.issuer], self.last, name=f"{listener.name}-tls")
        self.done(
            hosts=[each.host for each in args.listeners],
            account=f"{LINKERD_INGRESS}/{INGRESS}",
        )

    def _issuer(
        self, issuer: IngressIssuer, rights: Sequence[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        if issuer.existing:
            return []
        if "acme" in issuer.spec:
            return [self.apply(acme_issuer(issuer), name=f"issuer-{issuer.name}")]
        if "vault" in issuer.spec:
            return [self.apply(vault_issuer(issuer), *rights, name=f"issuer-{issuer.name}")]
        first, root, last = own_ca(issuer)
        origin = self.apply(first, name=f"issuer-{issuer.name}-origin")
        ca = self.apply(root, origin, name=f"issuer-{issuer.name}-ca", wait_for="condition=Ready")
        return [self.apply(last, ca, name=f"issuer-{issuer.name}")]


def proxies(args: IngressArgs) -> EnvoyProxyArgs:
    """The proxies of the gateway, which the mesh's own are passed by at from outside."""
    return EnvoyProxyArgs(
        namespace=LINKERD_INGRESS,
        name=INGRESS,
        account=INGRESS,
        replicas=args.replicas,
        skip_inbound=(container_port(HTTP), container_port(HTTPS)),
        service_type=args.service.type,
        annotations=args.service.annotations,
        source_ranges=args.service.source_ranges,
        access_log=args.access_log,
        image=args.image,
        pod=args.pod,
    )


def the_gateway(listeners: Sequence[IngressListener]) -> Manifest:
    """The Gateway: port 80, and port 443 for each host."""
    made = [http_listener(HTTP_LISTENER)]
    made += [https_listener(each.name, each.host, _secret(each)) for each in listeners]
    return gateway(LINKERD_INGRESS, INGRESS, made, INGRESS)


def _secret(listener: IngressListener) -> str:
    return f"{listener.name}-tls"


def _client_traffic(listener: IngressListener, hops: int | None) -> Manifest:
    return client_traffic(
        LINKERD_INGRESS,
        listener.name,
        INGRESS,
        listener.name,
        hops=hops,
        ca=f"{listener.name}-clients" if listener.client_ca else None,
        required=listener.client_required,
    )


def _http_traffic(hops: int | None) -> Manifest:
    return client_traffic(
        LINKERD_INGRESS, HTTP_LISTENER, INGRESS, HTTP_LISTENER, hops=hops, tls=False
    )


def client_ca(listener: IngressListener) -> Manifest:
    """The CA certificates of a listener's clients."""
    return ca_certificates(LINKERD_INGRESS, f"{listener.name}-clients", listener.client_ca)


def certificate(listener: IngressListener, issuer: IngressIssuer) -> Manifest:
    """The certificate of a listener; a new one is taken up without a restart."""
    kind = "ClusterIssuer" if issuer.existing else "Issuer"
    spec: dict[str, Any] = {
        "secretName": _secret(listener),
        "dnsNames": [listener.host],
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth"],
        "revisionHistoryLimit": 3,
        "issuerRef": {"group": _CA, "kind": kind, "name": issuer.existing or _name(issuer)},
    }
    return _of_cert_manager("Certificate", _secret(listener), spec)


def _name(issuer: IngressIssuer) -> str:
    return f"ingress-{issuer.name}"


def _of_cert_manager(kind: str, name: str, spec: Mapping[str, Any]) -> Manifest:
    metadata = {"name": name, "namespace": LINKERD_INGRESS}
    return {"apiVersion": f"{_CA}/v1", "kind": kind, "metadata": metadata, "spec": dict(spec)}


def acme_issuer(issuer: IngressIssuer) -> Manifest:
    """A public authority, which asks at port 80 of the gateway.

    https://cert-manager.io/docs/configuration/acme/http01/#configuring-the-http-01-gateway-api-solver
    """
    parent = {
        "group": GATEWAY,
        "kind": "Gateway",
        "name": INGRESS,
        "namespace": LINKERD_INGRESS,
        "sectionName": HTTP_LISTENER,
    }
    solver = {
        "http01": {"gatewayHTTPRoute": {"parentRefs": [parent], "serviceType": "ClusterIP"}},
    }
    spec = {
        "acme": {
            **issuer.spec["acme"],
            "privateKeySecretRef": {"name": f"{_name(issuer)}-account"},
            "solvers": [solver],
        }
    }
    return _of_cert_manager("Issuer", _name(issuer), spec)


def vault_issuer(issuer: IngressIssuer) -> Manifest:
    """A PKI engine of Vault. https://cert-manager.io/docs/configuration/vault/."""
    given = issuer.spec["vault"]
    account = {"name": VAULT_ACCOUNT, "audiences": given["audiences"]}
    login = {
        "role": given["role"],
        "mountPath": f"/v1/auth/{given['mount']}",
        "serviceAccountRef": account,
    }
    vault: dict[str, Any] = {
        "server": given["server"],
        "path": given["path"],
        "auth": {"kubernetes": login},
    }
    if given["ca_pem"]:
        vault["caBundle"] = base64.b64encode(given["ca_pem"].encode()).decode()
    if given["namespace"]:
        vault["namespace"] = given["namespace"]
    return _of_cert_manager("Issuer", _name(issuer), {"vault": vault})


def vault_rights(cert_manager: tuple[str, str]) -> Iterator[Manifest]:
    """The account that logs in; cert-manager makes tokens of it, and Vault has them reviewed."""
    group = "rbac.authorization.k8s.io"
    metadata = {"name": VAULT_ACCOUNT, "namespace": LINKERD_INGRESS}
    namespace, account = cert_manager
    yield service_account(VAULT_ACCOUNT, LINKERD_INGRESS)
    yield auth_delegator(VAULT_ACCOUNT, LINKERD_INGRESS)
    yield {
        "apiVersion": f"{group}/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["serviceaccounts/token"],
                "resourceNames": [VAULT_ACCOUNT],
                "verbs": ["create"],
            }
        ],
    }
    yield {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": VAULT_ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


def own_ca(issuer: IngressIssuer) -> tuple[Manifest, Manifest, Manifest]:
    """A CA of the gateway's own: what signs it, its certificate, and what signs with it."""
    name = _name(issuer)
    origin = f"{name}-self-signed"
    spec = {
        "secretName": f"{name}-ca",
        "commonName": name,
        "isCA": True,
        "duration": "87600h0m0s",
        "renewBefore": "8760h0m0s",
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
        "usages": ["cert sign", "crl sign"],
        "revisionHistoryLimit": 3,
        "issuerRef": {"group": _CA, "kind": "Issuer", "name": origin},
    }
    return (
        _of_cert_manager("Issuer", origin, {"selfSigned": {}}),
        _of_cert_manager("Certificate", f"{name}-ca", spec),
        _of_cert_manager("Issuer", name, {"ca": {"secretName": f"{name}-ca"}}),
    )
