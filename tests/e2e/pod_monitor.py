"""What prometheus-operator makes of a PodMonitor, for a Prometheus that runs without the operator.

Follows its pkg/prometheus/promcfg.go, generatePodMonitorConfig, for the fields that ours have. The
only thing of our own comes last: a pod of the sandbox has no container, so its address is replaced
by that of the process that runs in its place, and a pod without one is no target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.e2e.pod_targets import Pod, label_name, static_configs

_POD = "__meta_kubernetes_pod_"
_HOST = "127.0.0.1"
_ENDED = "(Failed|Succeeded)"
# Pod and name of the port, and the port of loopback at which its metrics are.
Processes = Mapping[tuple[str, str], int]
Config = dict[str, Any]


def scrape_config(monitor: Mapping[str, Any], pods: list[Pod], processes: Processes) -> Config:
    """The scrape config of a PodMonitor with one endpoint; raises ValueError at an unknown field.

    Intervals are left to the Prometheus: a test does not wait for half a minute.
    """
    metadata, spec = monitor["metadata"], monitor["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]
    _known(spec, {"namespaceSelector", "selector", "podMetricsEndpoints"})
    _known(
        endpoint,
        {"port", "honorLabels", "relabelings", "interval", "scrapeTimeout"},
    )
    where = spec["namespaceSelector"]
    looked_at = [
        pod
        for pod in pods
        if where.get("any") or pod["metadata"]["namespace"] in where["matchNames"]
    ]
    name = f"{metadata['namespace']}/{metadata['name']}"
    return {
        "job_name": f"podMonitor/{name}/0",
        "honor_labels": endpoint.get("honorLabels", False),
        "static_configs": static_configs(looked_at),
        "relabel_configs": [
            {"action": "drop", "source_labels": [f"{_POD}phase"], "regex": _ENDED},
            *_selected(spec["selector"]),
            *_port(endpoint.get("port")),
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": [f"{_POD}container_name"], "target_label": "container"},
            {"source_labels": [f"{_POD}name"], "target_label": "pod"},
            {"target_label": "job", "replacement": name},
            *_endpoint(endpoint.get("port")),
            *map(_snake_case, endpoint.get("relabelings", [])),
            *_addresses(processes),
        ],
    }


def _selected(selector: Mapping[str, Any]) -> list[Config]:
    _known(selector, {"matchExpressions"})
    made = []
    for term in selector.get("matchExpressions", []):
        if term["operator"] != "In":
            raise ValueError(f"nobody has said what {term['operator']} becomes")
        label = label_name(term["key"])
        made.append(
            {
                "action": "keep",
                "source_labels": [f"{_POD}label_{label}", f"{_POD}labelpresent_{label}"],
                "regex": f"({'|'.join(term['values'])});true",
            }
        )
    return made


def _port(name: str | None) -> list[Config]:
    if name is None:
        return []
    return [{"action": "keep", "source_labels": [f"{_POD}container_port_name"], "regex": name}]


def _endpoint(port: str | None) -> list[Config]:
    return [{"target_label": "endpoint", "replacement": port}] if port else []


def _addresses(processes: Processes) -> list[Config]:
    sources = [f"{_POD}name", f"{_POD}container_port_name"]
    return [
        *(
            {
                "source_labels": sources,
                "regex": f"{pod};{name}",
                "target_label": "__address__",
                "replacement": f"{_HOST}:{port}",
            }
            for (pod, name), port in processes.items()
        ),
        {"action": "keep", "source_labels": ["__address__"], "regex": f"{re.escape(_HOST)}:.+"},
    ]


def _snake_case(relabeling: Mapping[str, Any]) -> Config:
    return {
        re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key): value
        for key, value in relabeling.items()
    }


def _known(given: Mapping[str, Any], known: set[str]) -> None:
    unknown = given.keys() - known
    if unknown:
        raise ValueError(f"nobody has said what {', '.join(sorted(unknown))} becomes")
