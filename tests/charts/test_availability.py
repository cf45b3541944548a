"""High availability as upstream means it, and what it is worth when a node goes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.linkerd import LinkerdArgs
from components.linkerd import values as linkerd_values
from components.viz import VizArgs
from components.viz import values as viz_values
from tests.charts import helm
from tests.charts.program import STACKS, ChartUse, evaluate

MESH = ("linkerd-control-plane", "linkerd-viz")
CONTROLLERS = ("cert-manager", "trust-manager", "external-secrets", *MESH)
# What values-ha.yaml sets and the base below must not, so that the comparison proves something.
FROM_HA = ("controllerReplicas", "webhookFailurePolicy")


def _linkerd(*, ha: bool) -> dict[str, Any]:
    return linkerd_values(LinkerdArgs(cluster="production", ha=ha, heartbeat=True))


def _viz(*, ha: bool) -> dict[str, Any]:
    return viz_values(VizArgs(ha=ha))


@pytest.mark.parametrize(("name", "make"), [(MESH[0], _linkerd), (MESH[1], _viz)], ids=MESH)
def test_our_ha_is_upstreams_values_ha(name: str, make: Any, tmp_path: Path) -> None:
    """Upstream changes its HA values between releases; we follow, and notice when we do not."""
    use = evaluate("production").charts[name]
    chart = helm.archive(use)
    upstream = tmp_path / "values-ha.yaml"
    upstream.write_text(helm.files_of(chart)[f"{name}/values-ha.yaml"])
    plain = {k: v for k, v in make(ha=False).items() if k not in FROM_HA}
    base = dataclasses.replace(use, values=plain)
    theirs = helm.objects(helm.text_of(base, chart, upstream))
    assert theirs != helm.objects(helm.text_of(base, chart)), "values-ha.yaml changes nothing"
    ours = helm.objects(helm.text_of(dataclasses.replace(use, values=make(ha=True)), chart))
    assert ours.keys() == theirs.keys()
    differing = {key for key in ours if _comparable(ours[key]) != _comparable(theirs[key])}
    assert not differing


def _comparable(manifest: helm.Manifest) -> helm.Manifest:
    if manifest["metadata"]["name"] != "linkerd-config":
        return manifest
    # It holds the values themselves, so also the one key of values-ha.yaml that nothing reads.
    data = dict(manifest["data"])
    values = yaml.safe_load(data.pop("values"))
    values.pop("controllerResources", None)
    return {**manifest, "data": {**data, "values": values}}


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", CONTROLLERS)
def test_what_runs_more_than_once_has_a_disruption_budget(stack: str, name: str) -> None:
    """Without one, a drain may take all replicas at a time, and with them all admissions."""
    rendered = _rendered(stack, name)
    budgets = [m for key, m in rendered.items() if key[0] == "PodDisruptionBudget"]
    several = [m for m in _deployments(rendered) if m["spec"]["replicas"] > 1]
    assert several
    for deployment in several:
        covering = [budget for budget in budgets if _covers(budget, deployment)]
        assert len(covering) == 1, deployment["metadata"]["name"]


def _covers(budget: helm.Manifest, deployment: helm.Manifest) -> bool:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    wanted = budget["spec"]["selector"]["matchLabels"]
    same_namespace = budget["metadata"].get("namespace") == deployment["metadata"].get("namespace")
    return same_namespace and all(labels.get(key) == value for key, value in wanted.items())


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_disruption_budget_lets_one_pod_go(stack: str, name: str) -> None:
    """A budget that never allows an eviction blocks the drain of a node for ever."""
    rendered = _rendered(stack, name)
    for budget in (m for key, m in rendered.items() if key[0] == "PodDisruptionBudget"):
        replicas = [d["spec"]["replicas"] for d in _deployments(rendered) if _covers(budget, d)]
        assert replicas
        least = budget["spec"].get("minAvailable", 0)
        assert budget["spec"].get("maxUnavailable", replicas[0] - least) >= 1


@pytest.mark.parametrize("stack", STACKS)
def test_no_two_control_plane_pods_share_a_node(stack: str) -> None:
    """Three replicas on one node are one replica when it goes."""
    for deployment in _deployments(_rendered(stack, "linkerd-control-plane")):
        anti = helm.pod_spec(deployment)["affinity"]["podAntiAffinity"]
        must = [t["topologyKey"] for t in anti["requiredDuringSchedulingIgnoredDuringExecution"]]
        prefer = [
            t["podAffinityTerm"]["topologyKey"]
            for t in anti["preferredDuringSchedulingIgnoredDuringExecution"]
        ]
        assert deployment["spec"]["replicas"] == 3
        assert must == ["kubernetes.io/hostname"]
        assert prefer == ["topology.kubernetes.io/zone"]


@pytest.mark.parametrize("stack", STACKS)
def test_tap_is_spread_over_nodes(stack: str) -> None:
    """The one part of viz that upstream's HA values replicate."""
    rendered = _rendered(stack, "linkerd-viz")
    spec = rendered["Deployment", "linkerd-viz", "tap"]["spec"]
    assert spec["replicas"] == 3
    assert spec["template"]["spec"]["affinity"]["podAntiAffinity"]


@pytest.mark.parametrize("stack", STACKS)
def test_every_container_of_the_control_plane_requests_cpu_and_memory(stack: str) -> None:
    """Without requests the mesh is the first to be evicted when a node is full."""
    for deployment in _deployments(_rendered(stack, "linkerd-control-plane")):
        spec = helm.pod_spec(deployment)
        for container in spec["containers"]:
            requests = (container.get("resources") or {}).get("requests", {})
            where = (deployment["metadata"]["name"], container["name"])
            assert {"cpu", "memory"} <= requests.keys() or where in UNREQUESTED


# Upstream's HA values give the policy controller none (`policyController.resources`).
UNREQUESTED = {("linkerd-destination", "policy")}


def _rendered(stack: str, name: str) -> dict[helm.Key, helm.Manifest]:
    use: ChartUse = evaluate(stack).charts[name]
    return helm.objects(helm.text_of(use, helm.archive(use)))


def _deployments(rendered: dict[helm.Key, helm.Manifest]) -> list[helm.Manifest]:
    return [manifest for key, manifest in rendered.items() if key[0] == "Deployment"]
