"""The objects that Linkerd's policies are made of, as functions that return dicts.

Follows linkerd2 charts/linkerd-crds/templates/policy and
https://linkerd.io/2/reference/authorization-policy/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from components.base import Args, Manifest

POLICY = "policy.linkerd.io"
GATEWAY = "gateway.networking.k8s.io"
AccessPolicy = Literal[
    "all-unauthenticated",
    "all-authenticated",
    "cluster-authenticated",
    "cluster-unauthenticated",
    "audit",
    "deny",
]
Ref = dict[str, str]
# A gRPC health probe is a call: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
GRPC_HEALTH = "/grpc.health.v1.Health/Check"
_LONGEST_SLUG = 40


class NetworkArgs(Args):
    """A network of clients, without parts of it."""

    cidr: str
    exceptions: tuple[str, ...] = ()


class ClientsArgs(Args):
    """Clients that a policy lets in: one of the identities, from one of the networks.

    service_accounts: (namespace, name). namespaces: all service accounts of these. identities: in
    full, and without the other two, because the CRD takes one form only.
    """

    service_accounts: tuple[tuple[str, str], ...] = ()
    namespaces: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    networks: tuple[NetworkArgs, ...] = ()

    @property
    def single_account(self) -> tuple[str, str] | None:
        """The one service account, where it is all: a policy refers to it without an object."""
        alone = len(self.service_accounts) == 1 and not (self.namespaces or self.identities)
        return self.service_accounts[0] if alone else None

    def label(self, namespace: str) -> str:
        """A name for this entry from what it lists, whatever the order of the list.

        An index would rename every later object when an entry goes, and let nobody in meanwhile.
        """
        words = [name if ns == namespace else f"{ns}-{name}" for ns, name in self.service_accounts]
        words += [f"all-{name}" for name in self.namespaces]
        words += [f"id-{identity}" for identity in self.identities]
        words += [f"net-{network.cidr}" for network in self.networks]
        text = re.sub(r"[^a-z0-9]+", "-", "-".join(sorted(words)).lower()).strip("-")
        own = self.single_account == (namespace, text) and not self.networks
        if own and len(text) <= _LONGEST_SLUG:
            return text
        # Two lists may read alike with everything but letters and digits left out.
        digest = hashlib.sha256("\n".join([*sorted(words), *_exceptions(self)]).encode())
        return f"{text[:_LONGEST_SLUG].strip('-')}-{digest.hexdigest()[:6]}"


class RateLimitArgs(Args):
    """Requests a second and pod: of all clients, of each identity, and of these accounts together.

    overrides: a rate, and (namespace, name) of the service accounts that share it.
    """

    total: int | None = None
    per_client: int | None = None
    overrides: tuple[tuple[int, tuple[tuple[str, str], ...]], ...] = ()


def _exceptions(clients: ClientsArgs) -> list[str]:
    return sorted(f"{n.cidr} but {each}" for n in clients.networks for each in n.exceptions)


def _object(api_version: str, kind: str, namespace: str, name: str, spec: Any) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def server(
    namespace: str,
    name: str,
    pod_selector: Mapping[str, Any],
    port: str,
    protocol: str,
    access_policy: AccessPolicy,
) -> Manifest:
    """A Server: a port of pods, and what happens to a client that no policy lets in."""
    spec = {
        "podSelector": dict(pod_selector),
        "port": int(port) if port.isdigit() else port,
        "proxyProtocol": protocol,
        "accessPolicy": access_policy,
    }
    return _object(f"{POLICY}/v1beta3", "Server", namespace, name, spec)


def authorization_policy(
    namespace: str, name: str, target: tuple[str, str, str], required: Sequence[Ref]
) -> Manifest:
    """An AuthorizationPolicy; `target` is group, kind and name, `required` holds all at once."""
    group, kind, target_name = target
    spec = {
        "targetRef": {"group": group, "kind": kind, "name": target_name},
        "requiredAuthenticationRefs": list(required),
    }
    return _object(f"{POLICY}/v1alpha1", "AuthorizationPolicy", namespace, name, spec)


def meshtls_authentication(namespace: str, name: str, clients: ClientsArgs) -> Manifest:
    """A MeshTLSAuthentication of the identities of `clients`, any of which will do."""
    spec: dict[str, Any]
    if clients.identities:
        spec = {"identities": sorted(clients.identities)}
    else:
        refs: list[Ref] = [
            {"kind": "ServiceAccount", "namespace": ns, "name": account}
            for ns, account in sorted(clients.service_accounts)
        ]
        refs += [{"kind": "Namespace", "name": ns} for ns in sorted(clients.namespaces)]
        spec = {"identityRefs": refs}
    return _object(f"{POLICY}/v1alpha1", "MeshTLSAuthentication", namespace, name, spec)


def network_authentication(namespace: str, name: str, networks: Sequence[NetworkArgs]) -> Manifest:
    """A NetworkAuthentication: clients of these networks, meshed or not."""
    made: list[dict[str, Any]] = []
    for network in networks:
        made.append({"cidr": network.cidr})
        if network.exceptions:
            made[-1]["except"] = list(network.exceptions)
    return _object(
        f"{POLICY}/v1alpha1", "NetworkAuthentication", namespace, name, {"networks": made}
    )


def rate_limit(namespace: str, server_name: str, limit: RateLimitArgs) -> Manifest:
    """An HTTPLocalRateLimitPolicy of a Server, which has its name.

    https://linkerd.io/2/reference/rate-limiting/
    """
    spec: dict[str, Any] = {"targetRef": ref("Server", server_name)}
    for key, rate in (("total", limit.total), ("identity", limit.per_client)):
        if rate is not None:
            spec[key] = {"requestsPerSecond": rate}
    if limit.overrides:
        spec["overrides"] = [
            {
                "requestsPerSecond": rate,
                "clientRefs": [{"group": "", **account_ref(*account)} for account in accounts],
            }
            for rate, accounts in limit.overrides
        ]
    kind = "HTTPLocalRateLimitPolicy"
    return _object(f"{POLICY}/v1alpha1", kind, namespace, server_name, spec)


def http_route(
    namespace: str, name: str, server_name: str, matches: Sequence[Mapping[str, Any]]
) -> Manifest:
    """An HTTPRoute attached to a Server: a part of its requests, to authorize by itself."""
    parent = {"group": POLICY, "kind": "Server", "name": server_name}
    spec = {"parentRefs": [parent], "rules": [{"matches": [dict(each) for each in matches]}]}
    return _object(f"{GATEWAY}/v1", "HTTPRoute", namespace, name, spec)


def path_match(path: str, *, exact: bool, method: str | None = None) -> dict[str, Any]:
    """What an HTTPRoute compares a request with; a prefix ends at a `/`."""
    kind = "Exact" if exact else "PathPrefix"
    match: dict[str, Any] = {"path": {"type": kind, "value": path}}
    return match | ({"method": method} if method else {})


def probe_match(path: str) -> dict[str, Any]:
    """The match of a probe: a GET, or the call of gRPC's health service."""
    return path_match(path, exact=True, method="POST" if path == GRPC_HEALTH else "GET")


def ref(kind: str, name: str) -> Ref:
    """A reference to an authentication of the same namespace."""
    return {"group": POLICY, "kind": kind, "name": name}


def account_ref(namespace: str, name: str) -> Ref:
    """A reference to a service account, which needs no object between."""
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def allow(
    namespace: str, name: str, target: tuple[str, str, str], clients: ClientsArgs
) -> list[Manifest]:
    """The AuthorizationPolicy that lets `clients` in, after the authentications it needs."""
    made: list[Manifest] = []
    required: list[Ref] = []
    if clients.single_account:
        required.append(account_ref(*clients.single_account))
    elif clients.service_accounts or clients.namespaces or clients.identities:
        made.append(meshtls_authentication(namespace, name, clients))
        required.append(ref("MeshTLSAuthentication", name))
    if clients.networks:
        made.append(network_authentication(namespace, name, clients.networks))
        required.append(ref("NetworkAuthentication", name))
    return [*made, authorization_policy(namespace, name, target, required)]
