"""The shop: front -> cart -> stock, a client within the mesh, and one outside of it."""

from __future__ import annotations

from typing import Any

from stack.transforms import ANSWERED

Manifest = dict[str, Any]
PORT = 8080
INJECT = "linkerd.io/inject"
CHAIN = {"front": "cart", "cart": "stock", "stock": ""}
CLIENT, PLAIN = "client", "plain"


def shop(namespace: str, *, replicas: int = 1, **annotations: dict[str, str]) -> list[Manifest]:
    """All of it; annotations: of the pods, by Deployment (`stock={...}`)."""
    made = [namespace_of(namespace)]
    for name, following in CHAIN.items():
        url = f"http://{following}.{namespace}.svc.cluster.local:{PORT}/" if following else ""
        made += server(
            namespace,
            name,
            replicas=replicas,
            following=url,
            annotations=annotations.get(name),
        )
    made += server(namespace, CLIENT, annotations=annotations.get(CLIENT))
    outside = {INJECT: "disabled", **annotations.get(PLAIN, {})}
    return made + server(namespace, PLAIN, annotations=outside)


def namespace_of(name: str) -> Manifest:
    """A namespace whose pods are meshed."""
    metadata = {"name": name, "annotations": {INJECT: "enabled"}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def server(
    namespace: str,
    name: str,
    *,
    replicas: int = 1,
    following: str = "",
    annotations: dict[str, str] | None = None,
    service: str = "",
    environment: dict[str, str] | None = None,
) -> list[Manifest]:
    """ServiceAccount, Deployment and Service of one server of the shop.

    following: the address that it asks for each request. service: the Service's name where it is
    another than the Deployment's: several may serve one.
    """
    service = service or name
    metadata = {"namespace": namespace, "labels": {"app": name}}
    values = {"PORT": str(PORT), "SERVICE": service, "NEXT": following, **(environment or {})}
    container = {
        "name": "shop",
        "image": "sandbox/shop",
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [{"name": key, "value": value} for key, value in values.items()],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": PORT}},
    }
    # The sandbox's webhooks look at no other object.
    labels = {"app": name, "service": service, **ANSWERED}
    template = {
        "metadata": {"labels": labels, "annotations": annotations or {}},
        "spec": {"serviceAccountName": name, "containers": [container]},
    }
    port = {"name": "http", "port": PORT, "targetPort": PORT, "appProtocol": "http"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**metadata, "name": name}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {**metadata, "name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": template,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": namespace, "name": service},
            "spec": {"selector": {"service": service}, "ports": [port]},
        },
    ]


def meshed_only(namespace: str, name: str) -> list[Manifest]:
    """The policy that lets any client with an identity of the mesh call a server, and no other."""
    group, anyone = "policy.linkerd.io", f"{name}-meshed"
    port = {"podSelector": {"matchLabels": {"app": name}}, "port": PORT, "proxyProtocol": "HTTP/1"}
    objects = {
        ("v1beta3", "Server", name): port,
        ("v1alpha1", "MeshTLSAuthentication", anyone): {"identities": ["*"]},
        ("v1alpha1", "AuthorizationPolicy", anyone): {
            "targetRef": {"group": group, "kind": "Server", "name": name},
            "requiredAuthenticationRefs": [
                {"group": group, "kind": "MeshTLSAuthentication", "name": anyone}
            ],
        },
    }
    return [
        {
            "apiVersion": f"{group}/{version}",
            "kind": kind,
            "metadata": {"namespace": namespace, "name": called, "labels": dict(ANSWERED)},
            "spec": spec,
        }
        for (version, kind, called), spec in objects.items()
    ]
