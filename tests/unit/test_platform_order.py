"""The order of the whole program, for every real stack file with a cluster."""

from __future__ import annotations

import pytest

from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, VIZ_WEBHOOKS
from tests.unit.crd_schemas import is_custom
from tests.unit.whole_program import CLUSTERS, Evaluated, evaluated


@pytest.fixture(params=CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> Evaluated:
    """Every stack with a cluster, applied."""
    return evaluated(request.param, False)


def test_linkerd_comes_after_its_issuer_bundle_and_webhook_certificates(
    cluster: Evaluated,
) -> None:
    """Without one of them its pods do not start, and the update times out."""
    needed = [
        cluster.object("Certificate", "linkerd-identity-issuer"),
        cluster.object("Bundle", "linkerd-identity-trust-roots"),
        *(cluster.object("Certificate", name) for name in CONTROL_PLANE_WEBHOOKS),
        cluster.named("linkerd-linkerd-crds"),
        *cluster.below(cluster.component("GatewayApi")),
    ]
    control_plane = cluster.named("linkerd-linkerd-control-plane")
    for earlier in needed:
        assert cluster.comes_after(control_plane, earlier), earlier.name


def test_viz_comes_after_linkerd_and_its_own_certificates(cluster: Evaluated) -> None:
    """Its pods are injected when they are made, or never."""
    viz = cluster.named("viz-linkerd-viz")
    assert cluster.comes_after(viz, cluster.named("linkerd-linkerd-control-plane"))
    for name in VIZ_WEBHOOKS:
        assert cluster.comes_after(viz, cluster.object("Certificate", name))


OPERATORS = {
    "cert-manager.io": ("cert-manager-cert-manager-crds", "cert-manager-cert-manager"),
    "trust.cert-manager.io": ("cert-manager-trust-manager-crds", "cert-manager-trust-manager"),
    "external-secrets.io": (
        "external-secrets-external-secrets-crds",
        "external-secrets-external-secrets",
    ),
}


def test_custom_resources_come_after_their_crds_and_their_operator(cluster: Evaluated) -> None:
    """On a first install the kind is not there yet, or its webhook does not answer."""
    groups = set()
    for resource, manifest in cluster.objects:
        if is_custom(manifest):
            group = manifest["apiVersion"].split("/")[0]
            groups.add(group)
            for earlier in OPERATORS[group]:
                assert cluster.comes_after(resource, cluster.named(earlier)), resource.name
    assert groups == set(OPERATORS)


def test_the_root_is_published_before_a_cluster_of_the_same_stack_reads_it() -> None:
    """An ExternalSecret that finds nothing is tried again only after its interval."""
    sandbox = evaluated("sandbox", False)
    entry = sandbox.named("trust-anchor-sandbox-1-certificate")
    root = sandbox.named("trust-anchor-sandbox-1-root")
    policy = sandbox.named("trust-anchor-sandbox-1-sign")
    secret = sandbox.object("ExternalSecret", "linkerd-trust-anchor-sandbox-1")
    issuer = sandbox.object("ClusterIssuer", "linkerd-identity-issuer-sandbox-1")
    for later, earlier in [(secret, entry), (issuer, root), (issuer, policy)]:
        assert sandbox.comes_after(later, earlier)


def test_namespaces_come_first_and_everything_in_them_after(cluster: Evaluated) -> None:
    """Their labels decide on webhooks and pod security when the first pod is made."""
    namespaces = {m["metadata"]["name"]: r for r, m in cluster.objects if m["kind"] == "Namespace"}
    for namespace in namespaces.values():
        assert cluster.needed_by(namespace) == set()
    checked = 0
    for resource in cluster.resources:
        metadata = resource.inputs.get("metadata") or {}
        name = resource.inputs.get("namespace") or metadata.get("namespace")
        if name in namespaces and resource.provider and "kubernetes" in resource.type:
            assert cluster.comes_after(resource, namespaces[name]), resource.name
            checked += 1
        else:
            assert name in (None, "kube-system") or "kubernetes" not in resource.type
    assert checked > 15
