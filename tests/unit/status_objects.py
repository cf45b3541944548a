"""Kubernetes objects of a healthy mesh, one function per kind, for `status_samples`."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.mesh.status.extensions import BINDINGS, COMPONENTS, PROMETHEUS_ROLE, ROLES
from components.egress.packets import network_policy
from components.egress.section import KubernetesApiEgress
from components.envoy_gateway import CONTROLLER

Object = dict[str, Any]
VIZ_PARTS = (*COMPONENTS, "prometheus")
VIZ_ROLES, VIZ_BINDINGS = (*ROLES, PROMETHEUS_ROLE), (*BINDINGS, PROMETHEUS_ROLE)
OWNER = {"linkerd-platform.io/owner": "test"}
_LONG_AGO = timedelta(days=2)


def named(name: str, namespace: str | None = None) -> Object:
    """An object of which the name is enough."""
    metadata: Object = {"name": name, "labels": dict(OWNER)}
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {})}


def ready(name: str, namespace: str | None = None, *, kind: str = "Ready", **status: Any) -> Object:
    """A custom resource whose condition is true."""
    condition = {"type": kind, "status": "True", "message": "in order"}
    return {**named(name, namespace), "status": {"conditions": [condition], **status}}


def later(hours: float) -> str:
    """A time as Kubernetes writes it, that many hours from now."""
    at = datetime.now(UTC) + timedelta(hours=hours)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def node(name: str, at: int) -> Object:
    """A ready node with a pod network of its own."""
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"containerRuntimeVersion": "containerd://2.1.4"},
    }
    return {**named(name), "spec": {"podCIDR": f"10.244.{at}.0/24"}, "status": status}


def lease(name: str) -> Object:
    """The Lease that a kubelet has just renewed."""
    return {**named(name), "spec": {"renewTime": later(0)}}


def namespaces() -> list[Object]:
    """Those of the platform, and one of a workload that the plan meshes."""
    labels: dict[str, dict[str, str]] = {
        "linkerd": {"linkerd.io/is-control-plane": "true"},
        "linkerd-viz": {"linkerd.io/extension": "viz"},
        "linkerd-buoyant": {"linkerd.io/extension": "buoyant"},
        "cert-manager": {},
        "external-secrets": {},
        "shop": {"linkerd-platform.io/mesh": "on"},
    }
    found = []
    for name, own in labels.items():
        each = named(name)
        each["metadata"]["labels"] |= own
        each["metadata"]["annotations"] = {}
        found.append(each)
    found[-1]["metadata"]["annotations"] = {
        "linkerd.io/inject": "enabled",
        "config.linkerd.io/default-inbound-policy": "audit",
    }
    return found


def pods(version: str) -> list[Object]:
    """Nine of the control plane, one of each part of viz, an agent, and one that is meshed."""
    found = []
    components = ("destination", "identity", "proxy-injector")
    for component in components:
        for number, on in enumerate("abc"):
            each = pod("linkerd", f"linkerd-{component}-5d4f-{on}", version)
            each["spec"]["nodeName"] = on
            each["status"]["podIP"] = f"10.244.{number}.{len(found) + 1}"
            each["metadata"]["labels"]["linkerd.io/control-plane-component"] = component
            found.append(each)
    for part in VIZ_PARTS:
        each = pod("linkerd-viz", f"{part}-5d4f-a", version)
        each["metadata"]["labels"]["component"] = part
        found.append(each)
    found.append(pod("linkerd-buoyant", "buoyant-cloud-agent-5d4f-a", version))
    each = pod("shop", "cart-5d4f-a", version)
    proxy = each["spec"]["initContainers"][0]
    proxy["env"] = [{"name": "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY", "value": "audit"}]
    found.append(each)
    return found


def pod(namespace: str, name: str, version: str) -> Object:
    """A pod that runs with a proxy as a native sidecar."""
    each = named(name, namespace)
    workload = name.split("-5d4f")[0]
    owner = {"kind": "Deployment", "name": workload, "controller": True}
    metadata = {"annotations": {}, "creationTimestamp": later(-1), "ownerReferences": [owner]}
    each["metadata"] |= metadata
    proxy = {
        "name": "linkerd-proxy",
        "image": f"cr.l5d.io/linkerd/proxy:{version}",
        "restartPolicy": "Always",
    }
    container = {"name": "main", "image": "main:1", "ports": [port(8080, "http")]}
    each["spec"] = {
        "nodeName": "a",
        "serviceAccountName": workload,
        "containers": [container],
        "initContainers": [proxy],
    }
    each["status"] = {
        "phase": "Running",
        "podIP": "10.244.0.200",
        "startTime": later(-1),
        "conditions": [],
        "containerStatuses": [{"name": "main", "ready": True, "state": {"running": {}}}],
        "initContainerStatuses": [
            {"name": "linkerd-proxy", "ready": True, "state": {"running": {}}}
        ],
    }
    return each


def port(number: int, name: str) -> Object:
    """A port of a container."""
    return {"containerPort": number, "name": name}


def service(namespace: str, name: str) -> Object:
    """A Service before port 8080 of the pods with the label of its name."""
    ports = [{"port": 80, "targetPort": "http", "protocol": "TCP"}]
    each = named(name, namespace)
    each["metadata"]["annotations"] = {}
    return {**each, "spec": {"clusterIP": "10.96.0.7", "selector": {"app": name}, "ports": ports}}


def route(namespace: str, service: str, at: int) -> Object:
    """The route of a Service's port, which Linkerd has accepted."""
    parent = {"group": "", "kind": "Service", "namespace": namespace, "name": service, "port": at}
    status = {
        "controllerName": "linkerd.io/policy-controller",
        "parentRef": parent,
        "conditions": [
            {"type": "Accepted", "status": "True", "reason": "Accepted"},
            {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs"},
        ],
    }
    each = named(f"{service}.{at}", namespace)
    return {**each, "spec": {"parentRefs": [parent]}, "status": {"parents": [status]}}


def _accepted(place: str, name: str, key: str, *kinds: str) -> Object:
    """What Envoy Gateway is content with."""
    conditions = [{"type": kind, "status": "True"} for kind in kinds]
    said = {"controllerName": CONTROLLER, "conditions": conditions}
    return {**named(name, place), "status": {key: [said]}}


def egress_gateway() -> dict[str, list[Object]]:
    """The egress gateway with one partner, whom a namespace that denies reaches by it alone."""
    place, bank = "linkerd-egress-gateway", "bank"
    whole = ready("egress-gateway", place, kind="Accepted")
    whole["status"]["conditions"].append({"type": "Programmed", "status": "True"})
    gateway, envoy = "/apis/gateway.networking.k8s.io/v1", "/apis/gateway.envoyproxy.io/v1alpha1"
    at = f"namespaces/{place}"
    networks = [{**named("egress", "shop"), "spec": {"trafficPolicy": "Deny"}}]
    policies = [network_policy("shop", (), ("10.0.0.0/8",), KubernetesApiEgress())]
    accepted = _accepted(place, bank, "ancestors", "Accepted")
    return {
        f"{gateway}/{at}/gateways": [whole],
        f"{gateway}/{at}/httproutes": [
            _accepted(place, bank, "parents", "Accepted", "ResolvedRefs")
        ],
        f"{envoy}/{at}/securitypolicies": [accepted],
        f"{envoy}/{at}/backendtrafficpolicies": [accepted],
        f"{envoy}/{at}/backends": [ready(bank, place, kind="Accepted")],
        f"/apis/external-secrets.io/v1/{at}/externalsecrets": [ready("bank-credential", place)],
        "/apis/policy.linkerd.io/v1alpha1/egressnetworks": networks,
        "/apis/networking.k8s.io/v1/networkpolicies": policies,
        "/apis/cilium.io/v2/ciliumnetworkpolicies": [],
    }


def way_to_partner(namespace: str, name: str) -> Object:
    """The route of callers to a partner, which Linkerd has accepted."""
    made = route(namespace, "egress-gateway", 80)
    made["metadata"]["name"] = f"partner-{name}"
    made["spec"]["parentRefs"] = [{"kind": "EgressNetwork", "name": "egress", "port": 80}]
    return made


def ingress() -> dict[str, list[Object]]:
    """The ingress gateway with one listener and one route, of which Envoy Gateway is content."""

    def of(name: str, key: str, *kinds: str) -> Object:
        return _accepted("linkerd-ingress", name, key, *kinds)

    listener = {
        "name": "shop",
        "conditions": [{"type": kind, "status": "True"} for kind in ("Programmed", "ResolvedRefs")],
    }
    whole = ready("ingress", "linkerd-ingress", kind="Accepted", listeners=[listener])
    whole["status"]["conditions"].append({"type": "Programmed", "status": "True"})
    gateway, envoy = "/apis/gateway.networking.k8s.io/v1", "/apis/gateway.envoyproxy.io/v1alpha1"
    place = "namespaces/linkerd-ingress"
    return {
        f"{gateway}/{place}/gateways": [whole],
        f"{gateway}/{place}/httproutes": [of("cart", "parents", "Accepted", "ResolvedRefs")],
        f"{envoy}/{place}/securitypolicies": [of("cart", "ancestors", "Accepted")],
        f"{envoy}/{place}/backendtrafficpolicies": [of("cart", "ancestors", "Accepted")],
        f"{envoy}/{place}/clienttrafficpolicies": [
            of(name, "ancestors", "Accepted") for name in ("http", "shop")
        ],
        "/apis/networking.k8s.io/v1/ingresses": [],
    }


def slice_(namespace: str, name: str, target: str) -> Object:
    """The endpoints of a Service: one pod."""
    each = named(f"{name}-x", namespace)
    each["metadata"]["labels"]["kubernetes.io/service-name"] = name
    return {**each, "endpoints": [{"targetRef": {"kind": "Pod", "name": target}}]}


def deployment(namespace: str, name: str, image: str, replicas: int) -> Object:
    """A Deployment with all its replicas."""
    each = named(name, namespace)
    each["metadata"]["generation"] = 1
    component = name.removeprefix("linkerd-")
    each["metadata"]["labels"]["linkerd.io/control-plane-component"] = component
    containers = [{"name": name, "image": image, "ports": [port(8080, "http")]}]
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
    each["spec"] = {"replicas": replicas, "template": template}
    each["status"] = {"observedGeneration": 1, "availableReplicas": replicas}
    return each


def gateway_crd(plural: str) -> Object:
    """The metadata of a CRD of the Gateway API."""
    each = named(f"{plural}.gateway.networking.k8s.io")
    each["metadata"]["annotations"] = {"gateway.networking.k8s.io/bundle-version": "v1.5.1"}
    return each


def discovery(served: tuple[str, ...]) -> Object:
    """Aggregated discovery of these kinds."""
    groups: dict[str, dict[str, list[Object]]] = {}
    for each in served:
        kind, _, version = each.partition("/")
        plural, _, group = kind.partition(".")
        groups.setdefault(group, {}).setdefault(version, []).append({"resource": plural})
    items = [
        {
            "metadata": {"name": group},
            "versions": [{"version": v, "resources": kinds} for v, kinds in versions.items()],
        }
        for group, versions in groups.items()
    ]
    return {"kind": "APIGroupDiscoveryList", "items": items}


def secret(data: dict[str, bytes], labels: dict[str, str] | None = None) -> Object:
    """A Secret."""
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": "s", "labels": labels or {}, "creationTimestamp": later(-40)}
    return {"metadata": metadata, "data": encoded}


def bundle(text: str) -> Object:
    """The ConfigMap with the anchors, written long ago."""
    at = (datetime.now(UTC) - _LONG_AGO).isoformat(timespec="seconds").replace("+00:00", "Z")
    metadata = {"name": "linkerd-identity-trust-roots", "creationTimestamp": at}
    return {"metadata": metadata, "data": {"ca-bundle.crt": text}}


def digest(text: str) -> str:
    """What the injector writes on a pod of a bundle."""
    return hashlib.sha256(text.encode()).hexdigest()


def caller(namespace: str, service_: str, authority: str) -> Object:
    """What has the API server call a service: a webhook configuration, or an APIService."""
    client = {
        "caBundle": base64.b64encode(authority.encode()).decode(),
        "service": {"name": service_, "namespace": namespace},
    }
    if service_ == "tap":
        available = [{"type": "Available", "status": "True", "message": "passed"}]
        status = {"conditions": available}
        return {**named("v1alpha1.tap.linkerd.io"), "spec": client, "status": status}
    hook = {"name": service_, "clientConfig": client, "failurePolicy": "Fail"}
    return {**named(f"{service_}-webhook-config"), "webhooks": [hook]}
