"""What is never meshed: one list, for `rest`, for the rules, and for the injector's webhook."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any, cast

import pytest

from bot.clients.https import Answer, Client
from bot.mesh.rollout import check as checks
from bot.mesh.rollout import reader, select
from bot.mesh.rollout.step import choose, refusals
from bot.mesh.rollout.text import WaveInFile, step_document, step_lines
from components.linkerd import NOT_LOOKED_AT, LinkerdArgs, values
from components.rollout import plan
from stack import rules
from tests.unit.rollout_samples import config, namespace, seen
from tests.unit.stack_files import KeyPath

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
    *("whereabouts", "spiderpool", "openebs-system", "harvester-system", "democratic-csi", "cdi"),
    *("d8-cni-cilium", "fleet-default", "hypershift", "open-cluster-management-agent", "opa"),
    *("svc-tkg-domain-c8", "neuvector", "stackrox", "ratify-service", "kured", "metal3"),
)
WORKLOADS = ("shop", "default-backend", "calicoes", "rookery", "argo", "monitoring", "vaults")
WORKLOADS += ("fleet-management", "opal", "falcon")
IN_CLUSTER: dict[KeyPath, Any] = {("vault", "address"): "https://vault.secrets.svc:8200"}


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
    assert any("is never meshed" in why for why in refusals(made, step))


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


def hook(name: str, namespace: str, **more: Any) -> dict[str, Any]:
    """A webhook that is asked for every pod."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "operations": ["CREATE"]}]
    service = {"clientConfig": {"service": {"namespace": namespace, "name": "x"}}}
    return {"name": name, "rules": rules, **service, **more}


WEBHOOKS: dict[str, tuple[dict[str, Any], bool]] = {
    "of all pods": ({}, True),
    "of everything": (
        {"rules": [{"apiGroups": ["*"], "resources": ["*/*"], "operations": ["*"]}]},
        True,
    ),
    "that may be away": ({"failurePolicy": "Ignore"}, False),
    "of other kinds": (
        {"rules": [{"apiGroups": ["apps"], "resources": ["*"], "operations": ["*"]}]},
        False,
    ),
    "of pods that ask for it": ({"objectSelector": {"matchLabels": {"use": "true"}}}, False),
    "of some namespaces": (
        {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
        False,
    ),
    "of all but some": (
        {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}},
        True,
    ),
    "outside of the cluster": ({"clientConfig": {"url": "https://example.com"}}, False),
}


@pytest.mark.parametrize("name", WEBHOOKS)
def test_public_reports_what_decides_about_all_pods_is_not_the_rest(name: str) -> None:
    """A policy engine by another name than the list knows: its pods and the injector's would wait
    for each other after a power cut."""
    more, critical = WEBHOOKS[name]
    hooks = [hook("check.corp", "guard", **more)]
    lists = {"validatingwebhookconfigurations": [{"webhooks": hooks}]}
    cluster = reader.read(cast("Client", Lists(lists)), timedelta(hours=1))
    made = config({"rest": True})
    assert select.found(made, cluster, made.rollout.waves[0]) == ["guard"][critical:]
    out = select.left_out(made, cluster, made.rollout.waves[0])
    said = "serves webhook check.corp of all pods: a wave that names it may have it"
    assert out == ({"guard": said} if critical else {})
    named = config({"namespaces": ["guard"]})
    assert not refusals(named, choose(named, cluster, "next"))


@pytest.mark.parametrize(
    ("priority", "critical"),
    [("system-node-critical", True), ("system-cluster-critical", True), ("high", False)],
)
def test_public_reports_what_kubernetes_starts_first_is_not_the_rest(
    priority: str, critical: bool
) -> None:
    """A CNI or CSI of another name than the list knows says so by its priority class."""
    place = {"namespace": "guard", "name": "agent-1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    pods = [{"metadata": place, "spec": {"priorityClassName": priority, "containers": []}}]
    cluster = reader.read(cast("Client", Lists({"pods": pods})), timedelta(hours=1))
    made = config({"rest": True})
    assert select.found(made, cluster, made.rollout.waves[0]) == ["guard"][critical:]


def test_who_may_not_read_admission_can_still_roll_out() -> None:
    """A right that a command did not need before must not stop it."""
    cluster = reader.read(cast("Client", Lists({}, refused="webhook")), timedelta(hours=1))
    assert cluster.critical == {}


class Lists:
    """An API server with one namespace and these lists."""

    base = "https://api"
    headers: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, lists: dict[str, list[dict[str, Any]]], refused: str = "-") -> None:
        self.lists = {"namespaces": [{"metadata": {"name": "guard"}}], **lists}
        self.refused = refused

    def request(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        """A list, empty where there is none."""
        assert method == "GET"
        if self.refused in path:
            return Answer(403, {"message": "forbidden"})
        items = self.lists.get(path.partition("?")[0].rpartition("/")[2], [])
        return Answer(200, {"kind": "List", "items": items, "metadata": {}})


def selector(**more: Any) -> dict[str, tuple[str, ...]] | None:
    """The injector's selector that a stack asks for, by key."""
    changes: dict[KeyPath, Any] = {("rollout", key): value for key, value in more.items()}
    made = config(more=changes | IN_CLUSTER)
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
