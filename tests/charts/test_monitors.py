"""The PodMonitors find what they scrape in the rendered charts: labels, container ports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from components.monitors.component import MonitorsArgs, manifests
from tests.charts import helm
from tests.charts.program import evaluate

MONITORS = {
    manifest["metadata"]["name"]: manifest["spec"]
    for manifest in manifests(MonitorsArgs(labels={}, interval="30s", viz=True))
}
CHARTS = ("linkerd-control-plane", "linkerd-viz", "cert-manager", "trust-manager")
CHARTS += ("external-secrets",)
Pod = tuple[str, dict[str, str], list[tuple[str, str]]]


def pods(chart: str) -> Iterator[Pod]:
    """Of each workload: its namespace, its pods' labels, and container and name of each port."""
    use = evaluate("staging").charts[chart]
    rendered = helm.objects(helm.text_of(use, helm.archive(use)))
    for (kind, namespace, _), manifest in rendered.items():
        if kind in ("Deployment", "DaemonSet", "StatefulSet"):
            template = manifest["spec"]["template"]
            spec = template["spec"]
            containers = [*spec.get("initContainers", []), *spec["containers"]]
            ports = [
                (container["name"], port.get("name", ""))
                for container in containers
                for port in container.get("ports", [])
            ]
            yield namespace or use.namespace, template["metadata"]["labels"], ports


def scraped(name: str, pod: Pod) -> list[tuple[str, str]]:
    """Container and port of the pod that a PodMonitor keeps."""
    spec = MONITORS[name]
    namespace, labels, ports = pod
    where = spec["namespaceSelector"]
    if namespace not in where.get("matchNames", [namespace]):
        return []
    for term in spec["selector"].get("matchExpressions", []):
        if labels.get(term["key"]) not in term["values"]:
            return []
    (endpoint,) = spec["podMetricsEndpoints"]
    if "port" in endpoint:
        return [each for each in ports if each[1] == endpoint["port"]]
    return [each for each in ports if _kept(endpoint["relabelings"], labels, each)]


def _kept(relabelings: list[dict[str, Any]], labels: dict[str, str], port: tuple[str, str]) -> bool:
    prefix = "__meta_kubernetes_pod_"
    values = {f"{prefix}container_name": port[0], f"{prefix}container_port_name": port[1]}
    values |= {f"{prefix}label_{re.sub(r'[^a-zA-Z0-9_]', '_', k)}": v for k, v in labels.items()}
    for step in relabelings:
        if step["action"] in ("keep", "drop"):
            text = ";".join(values.get(source, "") for source in step["sourceLabels"])
            if bool(re.fullmatch(step["regex"], text)) != (step["action"] == "keep"):
                return False
    return True


@pytest.mark.parametrize(
    ("monitor", "chart", "expected"),
    [
        (
            "linkerd-controller",
            "linkerd-control-plane",
            {"destination", "sp-validator", "policy", "identity", "proxy-injector"},
        ),
        (
            "linkerd-controller",
            "linkerd-viz",
            {"metrics-api", "tap", "tap-injector", "web", "prometheus"},
        ),
        (
            "cert-manager",
            "cert-manager",
            {"cert-manager-controller", "cert-manager-cainjector", "cert-manager-webhook"},
        ),
        ("trust-manager", "trust-manager", {"trust-manager"}),
        (
            "external-secrets",
            "external-secrets",
            {"external-secrets", "webhook", "cert-controller"},
        ),
        # The control plane's own proxies; those of workloads are injected alike.
        ("linkerd-proxy", "linkerd-control-plane", {"linkerd-proxy"}),
    ],
)
def test_a_monitor_scrapes_each_container_that_has_metrics(
    monitor: str, chart: str, expected: set[str]
) -> None:
    """A port that a chart renames is scraped no more, and no alert about it can fire."""
    found = [each for pod in pods(chart) for each in scraped(monitor, pod)]
    assert {container for container, _ in found} == expected


@pytest.mark.parametrize("chart", CHARTS)
def test_no_port_is_scraped_twice(chart: str) -> None:
    """Two jobs with the same series double every sum."""
    for pod in pods(chart):
        found = [each for name in MONITORS for each in scraped(name, pod)]
        assert len(found) == len(set(found)), found


def test_every_proxy_of_the_control_plane_is_scraped() -> None:
    """Three Deployments, a proxy each."""
    every = [scraped("linkerd-proxy", pod) for pod in pods("linkerd-control-plane")]
    assert every == [[("linkerd-proxy", "linkerd-admin")]] * 3
