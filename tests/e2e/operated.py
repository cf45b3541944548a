"""prometheus-operator in a sandbox, with our rules, routing and monitors, and who selects them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from components.alert_routing.component import CREDENTIALS as SECRET
from components.alert_routing.component import HEARTBEAT_KEY
from components.names import ALERT_ROUTING
from tests.e2e import mesh_objects, operator_process
from tests.e2e.mesh_objects import Manifest, Objects
from tests.e2e.operator_process import Operator
from tests.e2e.sandbox_cluster import Cluster, running_sandbox
from tests.e2e.test_alert_delivery import declared

NAMESPACE, PROMETHEUSES = "monitoring", ("mesh", "newest")
# Of the version that the operator takes where none is said: its newest.
NEWEST = "newest"
GROUP, BROKEN = "monitoring.coreos.com", "broken"
# What External Secrets would bring; the operator checks that an address is one.
CREDENTIALS = {
    "mesh-slack": "https://slack.example.com/a",
    "mesh-on-call": "a",
    HEARTBEAT_KEY: "https://heartbeat.example.com/a",
}
# As Debian has amtool and promtool, which read what is made for them.
_ALERTMANAGER_VERSION, _PROMETHEUS_VERSION = "v0.25.0", "v2.42.0"
_HOOKS = {
    "prometheusrules": ("PrometheusRule", "v1", "/admission-prometheusrules/validate"),
    "alertmanagerconfigs": (
        "AlertmanagerConfig",
        "v1alpha1",
        "/admission-alertmanagerconfigs/validate",
    ),
}


@dataclass(frozen=True)
class Operated:
    """The cluster, the operator, and what the program made for it."""

    cluster: Cluster
    objects: Objects
    operator: Operator
    folder: Path

    @property
    def rules(self) -> list[Manifest]:
        """Our PrometheusRules."""
        return _of_kind("PrometheusRule")

    @property
    def monitors(self) -> list[Manifest]:
        """Our PodMonitors."""
        return _of_kind("PodMonitor")

    @property
    def routing(self) -> Manifest:
        """Our AlertmanagerConfig."""
        (found,) = _of_kind("AlertmanagerConfig")
        return found

    def broken(self, kind: str, *, missing_secret: bool = True) -> Manifest:
        """One of ours that no Prometheus or Alertmanager can take, by another name."""
        made = copy.deepcopy(_of_kind(kind)[0])
        made["metadata"]["name"] = BROKEN
        spec = made["spec"]
        if kind == "PodMonitor":
            spec["podMetricsEndpoints"][0]["relabelings"][0]["regex"] = "("
        elif kind == "PrometheusRule":
            spec["groups"][0]["rules"][0]["expr"] = "sum("
        elif missing_secret:
            spec["receivers"][-1]["slackConfigs"][0]["apiURL"]["name"] = "none"
        else:
            spec["route"]["routes"][0]["receiver"] = "none"
        return made

    def guard(self) -> None:
        """Put the admission webhook in the way of our objects."""
        address, authority = operator_process.webhook(self.cluster)
        self.objects.apply(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": "prometheus-operator"},
                "webhooks": [
                    {
                        "name": f"{plural}.{GROUP}",
                        "admissionReviewVersions": ["v1"],
                        "sideEffects": "None",
                        "failurePolicy": "Fail",
                        "clientConfig": {"url": f"{address}{path}", "caBundle": authority},
                        "rules": [
                            {
                                "apiGroups": [GROUP],
                                "apiVersions": [version],
                                "operations": ["CREATE", "UPDATE"],
                                "resources": [plural],
                            }
                        ],
                    }
                    for plural, (_, version, path) in _HOOKS.items()
                ],
            }
        )


@contextmanager
def running(folder: Path) -> Iterator[Operated]:
    """A sandbox with the operator and our objects; all of it ends with the block."""
    wanted = operator_process.crds()
    with running_sandbox(folder) as cluster:
        objects = Objects(cluster.api)
        objects.apply(*wanted)
        for crd in wanted:
            path = objects.path(crd, crd["metadata"]["name"])
            cluster.wait_for(path, "Established", seconds=120)
        ours = [each for each in planned() if each["apiVersion"].startswith(f"{GROUP}/")]
        names = {each["metadata"]["namespace"] for each in ours}
        objects.apply(*(namespace(name) for name in sorted(names)))
        objects.apply(_secret(), *ours)
        yield Operated(cluster, objects, Operator(cluster), folder)


@cache
def planned(form: str = "alertmanager-config") -> tuple[Manifest, ...]:
    """What the program makes of the runbook's section with everything that can be watched."""
    section = declared()
    section["routing"]["form"] = form
    if form == "alertmanager-config":
        # The file for an Alertmanager before 0.26 has none.
        section["routing"]["heartbeat"] = {"vaultPath": "alerting/heartbeat"}
    section["monitors"] = {"enabled": True}
    section["tracing"] = {"enabled": True}
    return tuple(mesh_objects.planned({"observability": section}))


def routing(form: str) -> Manifest:
    """The object that carries the routing."""
    (found,) = [
        each
        for each in planned(form)
        if each["metadata"]["name"] == ALERT_ROUTING
        and each["kind"] in ("ConfigMap", "AlertmanagerConfig")
    ]
    return found


def _of_kind(kind: str) -> list[Manifest]:
    return [each for each in planned() if each["kind"] == kind]


def namespace(name: str) -> Manifest:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _secret() -> Manifest:
    metadata = {"name": SECRET, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": CREDENTIALS}


def alertmanager(name: str, inside: str, strategy: str | None) -> Manifest:
    """An Alertmanager that selects configs of all namespaces."""
    spec: dict[str, Any] = {
        **_version(name, _ALERTMANAGER_VERSION),
        "replicas": 1,
        "alertmanagerConfigSelector": {},
        "alertmanagerConfigNamespaceSelector": {},
    }
    if strategy:
        spec["alertmanagerConfigMatcherStrategy"] = {"type": strategy}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Alertmanager",
        "metadata": {"name": name, "namespace": inside},
        "spec": spec,
    }


def prometheus(name: str) -> Manifest:
    """A Prometheus that selects rules and PodMonitors of all namespaces."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Prometheus",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            **_version(name, _PROMETHEUS_VERSION),
            "replicas": 1,
            "podMonitorSelector": {},
            "podMonitorNamespaceSelector": {},
            "ruleSelector": {},
            "ruleNamespaceSelector": {},
        },
    }


def _version(name: str, version: str) -> dict[str, str]:
    return {} if name == NEWEST else {"version": version}
