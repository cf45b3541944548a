"""Changed objects and change sets for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.changes import paths
from bot.changes.model import Change, ChangeSet, Op

URN = "urn:pulumi:production::linkerd-platform::"
_GROUPS = {
    "Deployment": "apps/v1",
    "DaemonSet": "apps/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "MutatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
    "Certificate": "cert-manager.io/v1",
    "ClusterIssuer": "cert-manager.io/v1",
    "Bundle": "trust.cert-manager.io/v1alpha1",
    "ClusterSecretStore": "external-secrets.io/v1",
    "ExternalSecret": "external-secrets.io/v1",
    "AlertmanagerConfig": "monitoring.coreos.com/v1alpha1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "HTTPRoute": "policy.linkerd.io/v1beta3",
    "TLSRoute": "gateway.networking.k8s.io/v1alpha2",
    "ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io/v1",
    "Server": "policy.linkerd.io/v1beta3",
    "AuthorizationPolicy": "policy.linkerd.io/v1alpha1",
    "MeshTLSAuthentication": "policy.linkerd.io/v1alpha1",
    "EgressNetwork": "policy.linkerd.io/v1alpha1",
    "HTTPLocalRateLimitPolicy": "policy.linkerd.io/v1alpha1",
}
Content = Mapping[str, Any]


def resource(
    type_: str,
    name: str,
    before: Content | None,
    after: Content | None,
    op: Op | None = None,
    *,
    chain: str = "",
    protected: bool = False,
) -> Change:
    """A changed resource; without `op` the two sides say what it is.

    chain: types of its parents, as a URN has them.
    """
    told = Op.CREATE if before is None else Op.DELETE if after is None else Op.UPDATE
    op = op or told
    return Change(
        urn=f"{URN}{chain}{type_}::{name}",
        type=type_,
        name=name,
        component="linkerd",
        op=op,
        protected=protected,
        fields=paths.differences(before, after) if before and after else (),
        before=before,
        after=after,
    )


def thing(
    kind: str,
    place: str,
    before: Content | None,
    after: Content | None,
    op: Op | None = None,
    *,
    chain: str = "",
    protected: bool = False,
) -> Change:
    """A changed Kubernetes object; `place` is `<namespace>/<name>` or a name.

    The sides are what it has beside its name: `spec`, `data`, or `metadata` merged into its own.
    """
    group = _GROUPS.get(kind, "v1")
    sides = [
        None if side is None else _object(group, kind, place, side) for side in (before, after)
    ]
    type_ = f"kubernetes:{group if '/' in group else f'core/{group}'}:{kind}"
    return resource(type_, place, *sides, op, chain=chain, protected=protected)


def dashboard(after: Content) -> Change:
    """A ConfigMap of a dashboard `d`, whose data become these."""
    chain = "linkerd-platform:observability:Dashboards$"
    before = {"data": {"d.json": "{}"}}
    return thing("ConfigMap", "linkerd/d", before, {"data": after}, chain=chain)


def _object(group: str, kind: str, place: str, content: Content) -> dict[str, Any]:
    namespace, _, name = place.rpartition("/")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    own = {**metadata, **content.get("metadata", {})}
    return {"apiVersion": group, "kind": kind, **content, "metadata": own}


def workload(place: str, before: Content, after: Content, kind: str = "Deployment") -> Change:
    """A workload whose spec changes."""
    return thing(kind, place, {"spec": before}, {"spec": after})


def settings(before: str, after: str) -> Change:
    """The control plane's values change: YAML of both sides."""
    sides = ({"data": {"values": text}} for text in (before, after))
    return thing("ConfigMap", "linkerd/linkerd-config", *sides)


def whole(*changes: Change, unchanged: int = 100, **more: Any) -> ChangeSet:
    """A set with these changes."""
    return ChangeSet(
        stack="production", source="preview", changes=changes, unchanged=unchanged, **more
    )
