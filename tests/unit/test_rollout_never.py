"""What is never meshed: one list, for `rest`, for the rules, and for the injector's webhook."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bot.mesh.rollout import check as checks
from bot.mesh.rollout import select
from bot.mesh.rollout.step import choose
from bot.mesh.rollout.text import WaveInFile, step_document, step_lines
from components.linkerd import NOT_LOOKED_AT, LinkerdArgs, values
from components.rollout import plan
from stack import rules
from tests.unit.rollout_samples import config, namespace, seen

REPORTED = (
    *("calico-system", "tigera-operator", "kube-flannel", "openshift-monitoring"),
    *("gke-managed-system", "gmp-system", "longhorn-system", "kyverno", "argocd", "flux-system"),
)
OTHERS = (
    *("calico-apiserver", "cilium", "cilium-secrets", "kube-ovn", "kube-router", "metallb-system"),
    *("multus", "antrea-system", "weave", "ovn-kubernetes", "rook-ceph", "openebs", "portworx"),
    *("local-path-storage", "ceph-csi-rbd", "trident", "openshift", "openshift-gitops"),
    *("gke-managed-cim", "gke-gmp-system", "gmp-public", "azure-arc", "aks-command", "karpenter"),
    *("amazon-guardduty", "cattle-system", "cattle-fleet-system", "tanzu-system", "gpu-operator"),
    *("vmware-system-csi", "istio-system", "istio-ingress", "gatekeeper-system", "kubewarden"),
    *("node-feature-discovery", "config-management-system", "capi-system", "spire-server"),
)
WORKLOADS = ("shop", "default-backend", "calicoes", "rookery", "argo", "monitoring", "vaults")
IN_CLUSTER = {("vault", "address"): "https://vault.secrets.svc:8200"}


@pytest.mark.parametrize("name", [*REPORTED, *OTHERS])
def test_public_reports_rest_does_not_take_what_carries_the_cluster(name: str) -> None:
    """istio#21172, maistra#16, netbird operator#168: what `next` prints is what a person pastes."""
    made = config({"rest": True})
    cluster = seen(namespace(name), namespace("shop"))
    assert select.found(made, cluster, made.rollout.waves[0]) == ["shop"]
    step = choose(made, cluster, "next")
    assert name in step.left_out
    lines = step_lines(step, WaveInFile("staging"))
    assert [line for line in lines if name in line.split()] == []
    assert any(line.startswith(f"# never meshed, so left out: {name}: ") for line in lines)
    assert step_document(step, WaveInFile("staging"))["leftOut"] == dict(step.left_out)


@pytest.mark.parametrize("name", [*REPORTED, *OTHERS])
def test_public_reports_the_rules_refuse_the_same_names(name: str) -> None:
    """One list: what `rest` leaves out cannot be named in a wave either."""
    made = config({"namespaces": ["shop"]})
    step = dataclasses.replace(choose(made, seen(namespace("shop")), "next"), found=(name,))
    assert any("is never meshed" in why for why in checks.refusals(made, step))


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_name_that_only_looks_alike_is_meshed(name: str) -> None:
    """A pattern must not take a workload out of the mesh."""
    assert plan.forbidden(config(), name) is None


def test_public_reports_a_namespace_that_is_being_deleted_is_not_taken() -> None:
    """No pod is made in it any more, and the patch of its wave would fail."""
    gone = dataclasses.replace(namespace("gone"), ending=True)
    made = config({"rest": True})
    cluster = seen(gone, namespace("shop"))
    assert select.found(made, cluster, made.rollout.waves[0]) == ["shop"]
    named = config({"namespaces": ["gone"]})
    verdict = checks.judge(named, cluster, choose(named, cluster, "next"))
    assert "gone: is being deleted: take it out of the wave" in verdict.against


def selector(**more: Any) -> dict[str, tuple[str, ...]] | None:
    """The injector's selector that a stack asks for, by key."""
    made = config(more={("rollout", key): value for key, value in more.items()} | IN_CLUSTER)
    found = values(LinkerdArgs(cluster="a", never=plan.passed_by(made)))["proxyInjector"]
    rows = found["namespaceSelector"]["matchExpressions"]
    assert {each["operator"] for each in rows} == {"NotIn"}
    return {each["key"]: tuple(each["values"]) for each in rows}


def test_public_reports_the_webhook_does_not_look_at_what_must_start_before_it() -> None:
    """knative#2648, linkerd2#13702: pods of the CNI and of Vault start while no injector runs."""
    found = selector(never=["calico-system", "legacy"])
    assert found is not None
    names = found["kubernetes.io/metadata.name"]
    assert {"calico-system", "legacy", "secrets", *NOT_LOOKED_AT} <= set(names)
    assert not any("*" in name for name in names)
    assert found["config.linkerd.io/admission-webhooks"] == ("disabled",)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://vault.vault.svc:8200", "vault"),
        ("https://vault.secrets.svc.cluster.local:8200", "secrets"),
        ("https://active.bank:8200", "bank"),
    ],
)
def test_public_reports_vaults_namespace_is_passed_by(address: str, name: str) -> None:
    """The issuer that the injector waits for is signed there."""
    assert name in plan.passed_by(config(more={("vault", "address"): address}))


def test_a_stack_that_names_nothing_keeps_the_charts_selector() -> None:
    """A deployed stack previews as no change."""
    assert plan.passed_by(config()) == ()
    assert "namespaceSelector" not in values(LinkerdArgs(cluster="a"))["proxyInjector"]


def test_the_shipped_rules_stay_clean() -> None:
    """A list that names a wave of the samples would refuse every stack file."""
    made = config({"namespaces": list(WORKLOADS)})
    assert list(rules.introduced(config(), made)) == []
