"""Who may send spans, and who may read them."""

from __future__ import annotations

from components.base import Manifest
from components.names import LINKERD_TRACING, LINKERD_VIZ
from components.policy.objects import (
    POLICY,
    ClientsArgs,
    Ref,
    account_ref,
    authorization_policy,
    meshtls_authentication,
    ref,
    server,
)
from components.tracing.objects import COLLECTOR, JAEGER, selector

# Any certificate of this mesh: linkerd2 charts/linkerd-crds MeshTLSAuthentication.
_ANYBODY = ClientsArgs(identities=("*",))
MESHED = "meshed"
# linkerd2 viz/charts/linkerd-viz/templates/web.yaml.
_DASHBOARD = (LINKERD_VIZ, "web")


def authentications() -> list[Manifest]:
    """Everything with an identity of the mesh: each proxy sends spans of its own."""
    return [meshtls_authentication(LINKERD_TRACING, MESHED, _ANYBODY)]


def collector_rules() -> list[Manifest]:
    """Spans are taken from the mesh alone, by either protocol."""
    meshed = ref("MeshTLSAuthentication", MESHED)
    return [
        *_opened(COLLECTOR, "otlp-grpc", "gRPC", [("meshed", meshed)]),
        *_opened(COLLECTOR, "otlp-http", "HTTP/1", [("meshed", meshed)]),
    ]


def jaeger_rules(*, viz: bool) -> list[Manifest]:
    """Spans are taken from the collector alone, and shown to the dashboard of viz alone.

    `kubectl port-forward` needs no rule: it does not pass the proxy.
    """
    collector = account_ref(LINKERD_TRACING, COLLECTOR)
    readers = [("viz", account_ref(*_DASHBOARD))] if viz else []
    return [
        *_opened(JAEGER, "otlp-grpc", "gRPC", [("collector", collector)]),
        *_opened(JAEGER, "ui", "HTTP/1", readers),
    ]


def _opened(name: str, port: str, protocol: str, clients: list[tuple[str, Ref]]) -> list[Manifest]:
    """A Server that denies, after the policies that let these in: it denies from its first second.

    Probes need no rule: their port has no Server, and Linkerd lets the kubelet's probes in.
    """
    server_name = f"{name}-{port}"
    target = (POLICY, "Server", server_name)
    allowed = [
        authorization_policy(LINKERD_TRACING, f"{server_name}-{suffix}", target, [client])
        for suffix, client in clients
    ]
    labels = {"matchLabels": selector(name)}
    return [*allowed, server(LINKERD_TRACING, server_name, labels, port, protocol, "deny")]
