"""The targets that Prometheus finds in a cluster's pods, with the labels that it gives them.

Follows prometheus discovery/kubernetes/pod.go, buildPod. Debian builds Prometheus without it, so
the targets are read here and handed over as they were at the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_META = "__meta_kubernetes_"
_POD = f"{_META}pod_"
Pod = Mapping[str, Any]


def static_configs(pods: list[Pod]) -> list[dict[str, Any]]:
    """One per port of each container, and one for a container without any."""
    return [
        {"targets": [address], "labels": labels}
        for pod in pods
        if pod["status"].get("podIP")
        for address, labels in _targets(pod)
    ]


def label_name(key: str) -> str:
    """The key of a label of Kubernetes as a part of a label's name in Prometheus."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", key)


def _targets(pod: Pod) -> Iterator[tuple[str, dict[str, str]]]:
    address, every = pod["status"]["podIP"], _of_pod(pod)
    for is_init, part in (("false", "containers"), ("true", "initContainers")):
        for container in pod["spec"].get(part, []):
            labels = {
                **every,
                f"{_POD}container_name": container["name"],
                f"{_POD}container_image": container["image"],
                f"{_POD}container_init": is_init,
            }
            if not container.get("ports"):
                yield address, labels
            for port in container.get("ports", []):
                number = str(port["containerPort"])
                yield (
                    f"{address}:{number}",
                    {
                        **labels,
                        f"{_POD}container_port_name": port.get("name", ""),
                        f"{_POD}container_port_number": number,
                        f"{_POD}container_port_protocol": port.get("protocol", "TCP"),
                    },
                )


def _of_pod(pod: Pod) -> dict[str, str]:
    metadata, status = pod["metadata"], pod["status"]
    made = {
        f"{_META}namespace": metadata["namespace"],
        f"{_POD}name": metadata["name"],
        f"{_POD}ip": status["podIP"],
        f"{_POD}phase": status["phase"],
        f"{_POD}node_name": pod["spec"].get("nodeName", ""),
        f"{_POD}uid": metadata["uid"],
    }
    for key, value in metadata.get("labels", {}).items():
        made[f"{_POD}label_{label_name(key)}"] = value
        made[f"{_POD}labelpresent_{label_name(key)}"] = "true"
    return made
