"""Fields that somebody added to a declared object."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.changes.model import Change, Op
from bot.mesh.drift.fields import (
    ROWS,
    added,
    adjusted_by_autopilot,
    excluded_by_the_cloud,
    leaves,
    left_to_a_rollout,
)
from bot.mesh.drift.inventory import Item, Managed
from components.traffic.values import RULES
from tests.unit.drift_samples import CREATED, declared, inventory, item

WEB = ("Deployment.apps", "linkerd/web")
HOOK = ("MutatingWebhookConfiguration.admissionregistration.k8s.io", "linkerd-hook")
ROLE = ("ClusterRole.rbac.authorization.k8s.io", "linkerd-view")
NAMESPACE = ("Namespace", "linkerd")
ROUTE = ("HTTPRoute.gateway.networking.k8s.io", "shop/cart.8080")
AUTOPILOT = {"autopilot.gke.io/resource-adjustment": "{}"}
LEFT = {RULES: "0123456789abcdef"}
OURS = Managed("pulumi-kubernetes", CREATED, "", {"f:spec": {"f:replicas": {}}})


def touched(
    what: tuple[str, str], manager: str, fields: dict[str, Any], subresource: str = ""
) -> Item:
    entry = Managed(manager, CREATED, subresource, fields)
    return replace(item(*what), managed=(OURS, entry))


def found(*items: Item) -> list[tuple[str, tuple[str, ...]]]:
    state = declared(WEB, HOOK, ROLE, NAMESPACE, ACCOUNT, ROUTE)
    return [(each.manager, each.paths) for each in added(state, inventory(*items))]


SIDECAR: dict[str, Any] = {
    "f:spec": {"f:containers": {'k:{"name":"spy"}': {".": {}, "f:name": {}, "f:image": {}}}}
}


def test_what_somebody_added_is_found_with_who_and_where() -> None:
    """The engine compares what we have set: a container beside ours it does not see."""
    assert found(touched(WEB, "kubectl-edit", SIDECAR)) == [
        ("kubectl-edit", ("spec.containers[name=spy].image",))
    ]


def test_what_nobody_declared_is_no_matter_of_fields() -> None:
    """It is reported as a whole."""
    stranger = touched(("Deployment.apps", "linkerd/hand"), "kubectl-create", SIDECAR)
    assert found(stranger) == []


def test_a_field_that_we_set_as_well_is_the_engines_to_compare() -> None:
    """Two owners of one field have set the same value."""
    assert found(touched(WEB, "kubectl-edit", {"f:spec": {"f:replicas": {}}})) == []


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        ("f:config.linkerd.io/admission-webhooks", True),
        ("f:pod-security.kubernetes.io/enforce", True),
        ("f:example.com/team", False),
    ],
)
def test_of_metadata_only_what_decides_something_is_looked_at(key: str, seen: bool) -> None:
    """Every tool of a cluster leaves its notes on namespaces."""
    for part in ("f:labels", "f:annotations"):
        noted = touched(NAMESPACE, "kubectl-label", {"f:metadata": {part: {key: {}}}})
        assert bool(found(noted)) == seen


@pytest.mark.parametrize(
    "fields",
    [
        {"f:metadata": {"f:finalizers": {'v:"x"': {}}}},
        {"f:metadata": {"f:ownerReferences": {".": {}}}},
        {"f:status": {"f:replicas": {}}},
    ],
)
def test_bookkeeping_is_not(fields: dict[str, Any]) -> None:
    """Operators put finalizers on what they look after."""
    assert found(touched(WEB, "operator", fields)) == []


CA = {"f:webhooks": {'k:{"name":"a"}': {"f:clientConfig": {"f:caBundle": {}}, "f:name": {}}}}
RESTART = {
    "f:spec": {
        "f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}
    }
}
URL = {"f:webhooks": {'k:{"name":"a"}': {"f:clientConfig": {"f:url": {}}, "f:name": {}}}}
SCALE = {"f:spec": {"f:paused": {}, "f:replicas": {}}}
SELECTOR = {
    "f:webhooks": {
        'k:{"name":"a"}': {"f:namespaceSelector": {"f:matchExpressions": {}}, "f:name": {}}
    }
}
PULL = {
    "f:imagePullSecrets": {'k:{"name":"a-dockercfg-x"}': {}},
    "f:secrets": {'k:{"name":"a"}': {}},
}
ACCOUNT = ("ServiceAccount", "linkerd/linkerd-identity")
SYNC = "pod-security-admission-label-synchronization-controller"
# For each row: what it lets pass, and what somebody did beside it.
CASES: list[tuple[str, Item, Item]] = [
    (
        "cainjector",
        touched(HOOK, "cert-manager-cainjector", CA),
        touched(HOOK, "kubectl-edit", CA),
    ),
    ("rollout restart", touched(WEB, "kubectl-rollout", RESTART), touched(WEB, "x", SIDECAR)),
    (
        "autoscaler",
        replace(touched(WEB, "hpa", {"f:spec": {"f:replicas": {}}}, "scale"), managed=(
            Managed("hpa", CREATED, "scale", {"f:spec": {"f:replicas": {}}}),
        )),
        touched(WEB, "hpa", SCALE, "scale"),
    ),
    (
        "API server",
        touched(WEB, "kube-controller-manager", SCALE),
        touched(WEB, "kubectl-patch", SCALE),
    ),
    (
        "aggregated roles",
        touched(ROLE, "clusterrole-aggregation-controller", {"f:rules": {}}),
        touched(ROLE, "clusterrole-aggregation-controller", {"f:aggregationRule": {}}),
    ),
    (
        "AKS takes its own namespaces",
        touched(HOOK, "admissionsenforcer", SELECTOR),
        touched(HOOK, "admissionsenforcer", URL),
    ),
    (
        "OpenShift gives every account",
        touched(ACCOUNT, "openshift-controller-manager", PULL),
        touched(ACCOUNT, "kubectl-edit", PULL),
    ),
    (
        "OpenShift says at which level",
        touched(NAMESPACE, SYNC, {"f:metadata": {"f:labels": {
            "f:pod-security.kubernetes.io/warn": {},
            "f:pod-security.kubernetes.io/audit-version": {},
        }}}),
        touched(NAMESPACE, SYNC, {"f:metadata": {"f:labels": {
            "f:pod-security.kubernetes.io/enforce": {},
        }}}),
    ),
    (
        "Argo Rollouts moves the weights",
        replace(touched(ROUTE, "gatewayAPI", {"f:spec": {"f:rules": {}}}), annotations=LEFT),
        replace(touched(ROUTE, "gatewayAPI", {"f:spec": {"f:parentRefs": {}}}), annotations=LEFT),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("why", "passes", "made"), CASES)
def test_what_others_set_by_right_is_let_pass_and_no_more(
    why: str, passes: Item, made: Item
) -> None:
    """An injected CA is no drift; a webhook that is led elsewhere is."""
    assert any(why in row.why for row in ROWS)
    assert found(passes) == []
    assert len(found(made)) == 1


def test_every_row_has_its_case() -> None:
    """A row without a test would be a hole nobody has looked into."""
    assert len(CASES) == len(ROWS)


def test_cainjector_may_set_the_ca_alone() -> None:
    """With the address of a webhook it could send every pod elsewhere."""
    assert found(touched(HOOK, "cert-manager-cainjector", URL)) == [
        ("cert-manager-cainjector", ("webhooks[name=a].clientConfig.url",))
    ]


def test_the_key_of_a_list_is_no_field_of_its_own() -> None:
    """Who sets one field of an entry owns its name as well."""
    assert list(leaves(CA)) == [
        ("f:webhooks", 'k:{"name":"a"}', "f:clientConfig", "f:caBundle"),
    ]


NOT_OURS = {
    "key": "config.linkerd.io/admission-webhooks",
    "operator": "NotIn",
    "values": ["disabled"],
}
GKE = {"key": "kubernetes.io/metadata.name", "operator": "NotIn",
       "values": ["kube-system", "gke-gmp-system", "gke-managed-cim"]}  # fmt: skip
AKS = {"key": "control-plane", "operator": "DoesNotExist"}
AKS_NEW = {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]}


def hook(*expressions: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A webhook configuration whose one webhook looks at these namespaces."""
    selector = {"namespaceSelector": {"matchExpressions": list(expressions)}} if expressions else {}
    return {"kind": HOOK[0].partition(".")[0], "webhooks": [{"name": "a", **selector, **more}]}


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [
        (hook(NOT_OURS), hook(NOT_OURS, GKE), True),
        (hook(NOT_OURS), hook(AKS, NOT_OURS, AKS_NEW), True),
        (hook(), hook(GKE), True),
        (hook(NOT_OURS, GKE), hook(NOT_OURS), False),
        (hook(NOT_OURS), hook(GKE), False),
        (hook(NOT_OURS), hook(NOT_OURS, {**GKE, "values": ["kube-system", "shop"]}), False),
        (hook(NOT_OURS), hook(NOT_OURS, {**GKE, "operator": "In"}), False),
        (hook(NOT_OURS), hook(NOT_OURS, GKE, failurePolicy="Ignore"), False),
        (hook(NOT_OURS), {**hook(NOT_OURS, GKE), "webhooks": []}, False),
    ],
)
def test_public_reports_a_cloud_takes_its_own_namespaces_out_of_a_webhook(
    before: dict[str, Any], after: dict[str, Any], passes: bool
) -> None:
    """Azure/AKS#4002, dynatrace-operator#2194: drift each night, which nobody can set right.

    GKE Autopilot does it at admission, so that its expression seems to be ours. Any other
    namespace that is taken out, and any other field, is drift.
    """
    change = Change(
        urn="u",
        type=f"kubernetes:admissionregistration.k8s.io/v1:{HOOK[0].partition('.')[0]}",
        name="linkerd-hook",
        component="",
        op=Op.UPDATE,
        before=before,
        after=after,
    )
    assert excluded_by_the_cloud(change) is passes


def workload(memory: str, image: str = "a:1", **more: str) -> dict[str, Any]:
    """A Deployment with one container of so much memory."""
    made = {"name": "a", "image": image, "resources": {"limits": {"memory": memory}}}
    spec = {"replicas": 3, "template": {"spec": {"containers": [made]}}}
    return {"kind": "Deployment", "metadata": {"annotations": more}, "spec": spec}


@pytest.mark.parametrize(
    ("after", "passes"),
    [
        (workload("52Mi", **AUTOPILOT), True),
        (workload("52Mi"), False),
        (workload("52Mi", "a:2", **AUTOPILOT), False),
        ({**workload("52Mi", **AUTOPILOT), "spec": {"replicas": 1}}, False),
        (None, False),
    ],
)
def test_public_reports_autopilot_gives_containers_what_it_bills(
    after: dict[str, Any] | None, passes: bool
) -> None:
    """Requests and limits are raised at admission, with a note of it: drift each night."""
    change = Change(
        urn="u",
        type="kubernetes:apps/v1:Deployment",
        name="web",
        component="",
        op=Op.UPDATE,
        before=workload("50Mi"),
        after=after,
    )
    assert adjusted_by_autopilot(change) is passes


@pytest.mark.parametrize(
    "key",
    [
        "kubectl.kubernetes.io/restartedAt",
        "openshift.openshift.io/restartedAt",
        "cattle.io/timestamp",
    ],
)
def test_public_reports_a_restart_by_a_console_is_no_drift(key: str) -> None:
    """Rancher's "Redeploy" and OpenShift's "Restart rollout" write a key of their own."""
    written = {"f:template": {"f:metadata": {"f:annotations": {f"f:{key}": {}}}}}
    assert found(touched(WEB, "rancher", {"f:spec": written})) == []


def test_public_reports_the_enforcer_of_aks_is_no_drift() -> None:
    """aws-observability helm-charts#350: it owns `namespaceSelector` of every webhook."""
    assert found(touched(HOOK, "admissionsenforcer", SELECTOR)) == []


def route(weight: int, parent: str = "cart", **annotations: str) -> dict[str, Any]:
    """A route with one weight."""
    rules = [{"backendRefs": [{"name": "cart-canary", "weight": weight}]}]
    spec = {"parentRefs": [{"name": parent}], "rules": rules}
    return {"kind": "HTTPRoute", "metadata": {"annotations": annotations}, "spec": spec}


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [
        (route(0, **LEFT), route(20, **LEFT), True),
        (route(0), route(20), False),
        (route(0, **LEFT), route(20, "other", **LEFT), False),
        (route(0, **LEFT), None, False),
    ],
)
def test_weights_that_a_rollout_moves_are_no_drift(
    before: dict[str, Any], after: dict[str, Any] | None, passes: bool
) -> None:
    """A canary would be drift at each of its steps; a route that goes, or leads elsewhere, is."""
    change = Change(
        urn="u",
        type="kubernetes:gateway.networking.k8s.io/v1:HTTPRoute",
        name="cart.8080",
        component="",
        op=Op.UPDATE if after else Op.DELETE,
        before=before,
        after=after,
    )
    assert left_to_a_rollout(change) is passes
