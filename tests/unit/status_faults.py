"""One fault per check of `bot status`: how a healthy mesh is spoilt, and what is then said."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.certificates import Authority
from tests.unit import status_objects as made
from tests.unit.bot_trust_samples import DAY, authority
from tests.unit.status_samples import Mesh

Spoil = Callable[[Mesh], None]
LINKERD = "/api/v1/namespaces/linkerd"
CONFIG = f"{LINKERD}/configmaps/linkerd-config"
ROOTS = f"{LINKERD}/configmaps/linkerd-identity-trust-roots"
ISSUER = f"{LINKERD}/secrets/linkerd-identity-issuer"
AGENT = "/api/v1/namespaces/linkerd-buoyant"
CREDENTIALS = f"{AGENT}/secrets/buoyant-cloud-org-credentials"
DEPLOYMENTS = "/apis/apps/v1/namespaces/linkerd/deployments"
NODES, PODS, SERVICES = "/api/v1/nodes", "/api/v1/pods", "/api/v1/services"
ROUTES = "/apis/gateway.networking.k8s.io/v1/httproutes"
NAMESPACES = "/api/v1/namespaces"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
SETS = "/apis/apps/v1/replicasets"
CERTIFICATES = "/apis/cert-manager.io/v1/namespaces/linkerd/certificates"
TAP = "/apis/apiregistration.k8s.io/v1/apiservices"
VIZ = "/apis/apps/v1/namespaces/linkerd-viz/deployments"


def drop(path: str, name: str) -> Spoil:
    """One object of a list is gone."""
    return lambda mesh: mesh.drop(path, name)


def add(path: str, namespace: str, name: str, spec: Any) -> Spoil:
    """A list has one more object."""
    return lambda mesh: mesh.objects[path].append({**made.named(name, namespace), "spec": spec})


def gone(path: str) -> Spoil:
    """An object is gone."""
    return lambda mesh: mesh.objects.update({path: 404})


def set_(path: str, name: str, *keys: Any, value: Any) -> Spoil:
    """A field of one object of a list is another."""

    def spoil(mesh: Mesh) -> None:
        place: Any = mesh.one(path, name)
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return spoil


def config(**changed: Any) -> Spoil:
    """Some values in `linkerd-config` are others."""

    def spoil(mesh: Mesh) -> None:
        data = mesh.objects[CONFIG]["data"]
        data["values"] = json.dumps({**json.loads(data["values"]), **changed})

    return spoil


def file(*path: str, value: Any) -> Spoil:
    """A key of the stack file is another."""
    return lambda mesh: mesh.sections.update({path: value})


def secret(path: str, **data: bytes | None) -> Spoil:
    """Some data of a Secret is another, or gone."""

    def spoil(mesh: Mesh) -> None:
        for name, value in data.items():
            key = name.replace("_", ".") if path != CREDENTIALS else name
            if value is None:
                del mesh.objects[path]["data"][key]
            else:
                mesh.objects[path]["data"][key] = base64.b64encode(value).decode()

    return spoil


def roots(*authorities: Authority) -> Spoil:
    """The bundle holds other anchors."""
    text = "".join(each.pem for each in authorities)
    return lambda mesh: mesh.objects[ROOTS]["data"].update({"ca-bundle.crt": text})


def issued(**how: Any) -> Spoil:
    """The issuer is another, of an anchor that the bundle does not hold."""
    chain, key = Authority.root("other").issue("identity", path_length=0, **how)
    return secret(ISSUER, tls_crt=chain, tls_key=key)


def issuer(made_issuer: Authority) -> Spoil:
    """The issuer is this one."""
    return secret(ISSUER, tls_crt=made_issuer.pem.encode(), tls_key=made_issuer.key_pem.encode())


def leaf(namespace: str, name: str, **how: Any) -> Spoil:
    """A webhook serves another certificate."""
    made_leaf = Authority.root("other").issue(name, ca=False, **how)
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}-k8s-tls"
    return secret(path, tls_crt=made_leaf[0], tls_key=made_leaf[1])


def not_true(kind: str = "Ready") -> dict[str, Any]:
    """The status of a custom resource whose condition is false."""
    return {"conditions": [{"type": kind, "status": "False", "message": "because"}]}


def proxies(prefix: str, **changed: Any) -> Spoil:
    """The proxies of some pods are others: `image` in the spec, `ready` in the status."""

    def spoil(mesh: Mesh) -> None:
        for each in mesh.objects[PODS]:
            if each["metadata"]["name"].startswith(prefix):
                key = "spec" if "image" in changed else "status"
                part = each[key][{"spec": "initContainers", "status": "initContainerStatuses"}[key]]
                part[0].update(changed)

    return spoil


def unmeshed(prefix: str) -> Spoil:
    """Some pods have no proxy."""

    def spoil(mesh: Mesh) -> None:
        for each in mesh.objects[PODS]:
            if each["metadata"]["name"].startswith(prefix):
                each["spec"]["initContainers"] = []

    return spoil


def both(*spoils: Spoil) -> Spoil:
    """Several at once."""
    return lambda mesh: [each(mesh) for each in spoils][:0] or None


IDENTITY_POD, CART_POD = "linkerd-identity-5d4f-a", "cart-5d4f-a"
OLD = "cr.l5d.io/linkerd/proxy:edge-26.1.1"
EXPIRED_ANCHOR = authority("expired", lifetime=DAY)
EXPIRED_ISSUER = authority("identity", EXPIRED_ANCHOR, lifetime=DAY)
OTHER = Authority.root("another root")
SHORT = Authority.root("short", lifetime=timedelta(days=30))
P384 = authority("p384", key=ec.generate_private_key(ec.SECP384R1()), lifetime=9999 * DAY)
SCHEDULING = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
FAILURE = [{"type": "ReplicaFailure", "status": "True", "message": "quota"}]
OPAQUE = {"config.linkerd.io/opaque-ports": "8080"}
LATE = {**made.ready("x")["status"], "renewalTime": made.later(-3)}
EVENT = {
    "metadata": {"namespace": "shop"},
    "reason": "FailedCreate",
    "message": 'failed calling webhook "linkerd-proxy-injector.linkerd.io"',
    "lastTimestamp": made.later(0),
}
