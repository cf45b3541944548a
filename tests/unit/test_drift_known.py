"""What controllers make by themselves, and what only looks like it."""

from __future__ import annotations

import pytest

from bot.mesh.drift.inventory import Item
from bot.mesh.drift.known import MADE_FROM, RECORDS, ROWS, Scene, accounts_for
from tests.unit.drift_samples import declared, inventory, item

CERTIFICATE = "cert-manager.io/certificate-name"
STATE = declared(
    ("Service", "linkerd/web"),
    certificates={("linkerd", "issuer-secret"): "issuer"},
    releases={("linkerd", "crds"): "urn::crds"},
)
SERVICE = item("Service", "linkerd/web")
TOKEN = {"annotations": {"kubernetes.io/service-account.name": "default"}}
FILLED = {"annotations": {CERTIFICATE: "issuer"}, "data": True}
HELM = {"labels": {"owner": "helm", "name": "crds"}}
MANAGER = "kube-controller-manager"

BINDING = "RoleBinding.rbac.authorization.k8s.io"

# For each row: what it lets pass, and what somebody made that looks alike.
CASES: list[tuple[str, Item, Item]] = [
    (
        "the cluster's CA",
        item("ConfigMap", "linkerd/kube-root-ca.crt"),
        item("ConfigMap", "linkerd/kube-root-ca.crt.old"),
    ),
    (
        "the account `default`",
        item("ServiceAccount", "linkerd/default"),
        item("ServiceAccount", "linkerd/default2"),
    ),
    (
        "the account `default` has a token",
        item("Secret", "linkerd/default-token-x1", MANAGER, **TOKEN),
        item("Secret", "linkerd/default-token-x1", "kubectl-create", **TOKEN),
    ),
    (
        "for the Service of that name",
        item("Endpoints", "linkerd/web"),
        item("Endpoints", "linkerd/else"),
    ),
    (
        "writes it for a Certificate",
        item("Secret", "linkerd/issuer-secret", "cert-manager-certificates-issuing", **FILLED),
        item("Secret", "linkerd/issuer-secret", "cert-manager-x", "kubectl-edit", **FILLED),
    ),
    (
        "makes its own CA",
        item(
            "Secret",
            "cert-manager/cert-manager-webhook-ca",
            annotations={"cert-manager.io/allow-direct-injection": "true"},
        ),
        item("Secret", "cert-manager/cert-manager-webhook-ca"),
    ),
    (
        "revisions of a release",
        item("Secret", "linkerd/sh.helm.release.v1.crds.v3", **HELM),
        item("Secret", "cert-manager/sh.helm.release.v1.crds.v3", **HELM),
    ),
    (
        "the CA of its services",
        item("ConfigMap", "linkerd/openshift-service-ca.crt"),
        item("ConfigMap", "linkerd/openshift-service-ca.crt.old"),
    ),
    (
        "the accounts of builds",
        item("ServiceAccount", "linkerd/builder", "openshift-controller-manager"),
        item("ServiceAccount", "linkerd/builder", "openshift-controller-manager", "kubectl-edit"),
    ),
    (
        "use its own registry",
        item(BINDING, "linkerd/system:image-pullers", "openshift-controller-manager"),
        item(BINDING, "linkerd/system:image-pullers", "kubectl-create"),
    ),
    (
        "a login to its own registry, and a token",
        item("Secret", "linkerd/linkerd-identity-dockercfg-x7k2p", "openshift-controller-manager"),
        item("Secret", "linkerd/linkerd-identity-dockercfg-x7k2p", "kubectl-create"),
    ),
    (
        "a mesh that the provider runs",
        item("ConfigMap", "linkerd/istio-ca-root-cert", "pilot-discovery"),
        item("ConfigMap", "linkerd/istio-ca-root-cert", "kubectl-create"),
    ),
    (
        "registers what a CRD adds",
        item(
            "APIService.apiregistration.k8s.io",
            "v1.policy.linkerd.io",
            labels={"kube-aggregator.kubernetes.io/automanaged": "true"},
        ),
        item("APIService.apiregistration.k8s.io", "v1.policy.linkerd.io"),
    ),
]


@pytest.mark.parametrize(("maker", "passes", "_"), CASES)
def test_what_a_controller_makes_is_accounted_for(maker: str, passes: Item, _: Item) -> None:
    """An untouched cluster must give an empty report, or nobody reads the next one."""
    row = accounts_for(passes, Scene(STATE, inventory(SERVICE, passes)))
    assert row is not None
    assert maker in row.maker


@pytest.mark.parametrize(("_maker", "_passes", "made"), CASES)
def test_what_only_looks_like_it_is_not(_maker: str, _passes: Item, made: Item) -> None:
    """A table that lets too much through hides what it is there to find."""
    assert accounts_for(made, Scene(STATE, inventory(SERVICE, made))) is None


def test_every_row_has_its_case() -> None:
    """A row without a test would be a hole nobody has looked into."""
    assert len(CASES) == len(ROWS)
    for row in ROWS:
        assert any(maker in row.maker for maker, _, _ in CASES), row.maker


@pytest.mark.parametrize(
    "secret",
    [
        item("Secret", "linkerd/other", "cert-manager-x", **FILLED),
        item("Secret", "linkerd/issuer-secret", "cert-manager-x", data=True),
        item("Secret", "shop/issuer-secret", "cert-manager-x", **FILLED),
    ],
)
def test_a_secret_is_that_of_one_certificate_only(secret: Item) -> None:
    """The annotation alone can be written by anybody."""
    assert accounts_for(secret, Scene(STATE, inventory(secret))) is None


@pytest.mark.parametrize("child", MADE_FROM)
def test_a_controllers_work_has_the_right_owner(child: str) -> None:
    """A Pod that names a ConfigMap as its owner was made by no controller."""
    owner = item(MADE_FROM[child][0], "linkerd/above")
    wrong = item("Widget.example.com", "linkerd/wrong")
    for above, expected in ((owner, owner), (wrong, None)):
        made = item(child, "linkerd/made", owner=above.uid)
        assert Scene(STATE, inventory(above, made)).maker(made) is expected


def test_an_owner_in_another_namespace_accounts_for_nothing() -> None:
    """The garbage collector takes such a reference for void."""
    service = item("Service", "shop/web")
    made = item("EndpointSlice.discovery.k8s.io", "linkerd/web-1", owner=service.uid)
    assert Scene(STATE, inventory(service, made)).maker(made) is None


def test_records_change_nothing() -> None:
    """What is never listed is never found: no kind that decides anything may be among them."""
    decides = ("Policy", "Secret", "Role", "Config", "Certificate", "Account", "Service")
    allowed = ("Report",)
    for kind in RECORDS:
        name = kind.partition(".")[0]
        assert name.endswith(allowed) or not name.endswith(decides)
