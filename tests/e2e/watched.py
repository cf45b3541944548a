"""A sandbox that is watched: our rules and PodMonitors in it, and a real Prometheus that has them.

What is scraped is what the real processes say: cert-manager, External Secrets, trust-manager,
kube-state-metrics, the API server. Prometheus finds them as it would in a cluster, by the pods of
the charts and by our PodMonitors; both are read back from the API server.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot import mock_engine
from components import alerts
from components.alert_rules.model import Thresholds
from components.names import CERT_MANAGER, EXTERNAL_SECRETS
from sandbox.processes import Supervisor
from stack import arguments_observability
from tests.e2e import mesh_objects, real_prometheus
from tests.e2e.by_hand import ByHand
from tests.e2e.identity_process import free_ports
from tests.e2e.mesh_objects import Manifest, Objects
from tests.e2e.pod_monitor import scrape_config
from tests.e2e.project import PROJECT
from tests.e2e.sandbox_cluster import CORE, Cluster

MESHED = "shop"
RUNBOOKS = "https://runbooks.example.com/alerts"
_SECONDS, _TTL_SECONDS = 120.0, 1800
_POLL_SECONDS = 0.5
# How often a state is seen before it counts: what is on its way would have come by then.
_STEADY = 6
_MONITORING = "/apis/monitoring.coreos.com/v1"
_CHARTS = ("cert-manager", "trust-manager", "external-secrets", "linkerd-control-plane")
# Seconds in place of minutes and hours; the stack file refuses less than a minute.
_SHORT = {
    "renewal_overdue": 3,
    "settle": 2,
    "not_ready": 2,
    "unmeshed": 2,
    "old_proxies": 2,
    "metrics_missing": 4,
}
# On every alert, and the same on each.
_COMMON = {"severity", "cluster", "environment"}
Fired = frozenset[tuple[str, str]]


def alert(alertname: str, /, **labels: str) -> Fired:
    """An alert by its name and the labels that tell it from others of that name."""
    return frozenset({"alertname": alertname, **labels}.items())


@dataclass(frozen=True)
class Watched:
    """The cluster, and the address of its Prometheus."""

    cluster: Cluster
    objects: Objects
    hand: ByHand
    prometheus: str

    def firing(self) -> set[Fired]:
        """What fires now."""
        found = [each["labels"] for each in real_prometheus.firing(self.prometheus)]
        return {frozenset((k, v) for k, v in each.items() if k not in _COMMON) for each in found}

    def annotations(self, wanted: Fired) -> Mapping[str, str]:
        """What a receiver of an alert would read."""
        (found,) = [
            each["annotations"]
            for each in real_prometheus.firing(self.prometheus)
            if wanted <= each["labels"].items()
        ]
        return dict(found)

    def until(self, expected: set[Fired], lingering: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """Return when these fire for some seconds, and nothing else does.

        `lingering` are names of alerts about a time that is not over yet; they may fire or not.
        """
        steady, deadline = 0, time.monotonic() + _SECONDS
        while steady < _STEADY:
            found = {each for each in self.firing() if dict(each)["alertname"] not in lingering}
            steady = steady + 1 if found == expected else 0
            assert steady or time.monotonic() < deadline, (
                f"missing: {[dict(each) for each in expected - found]}, "
                f"too much: {[dict(each) for each in found - expected]}"
            )
            time.sleep(_POLL_SECONDS)

    @staticmethod
    def pause() -> None:
        """Let Prometheus scrape and evaluate once."""
        time.sleep(1.5)

    def pods(self, namespace: str, selector: str = "") -> list[Manifest]:
        """The pods of a namespace, by name."""
        query = f"?labelSelector={selector}" if selector else ""
        found = self.cluster.get(f"{CORE}/{namespace}/pods{query}")
        assert found
        return sorted(found["items"], key=lambda each: str(each["metadata"]["name"]))


def stack_file(folder: Path, cluster: Cluster) -> Path:
    """The sandbox's own stack file with this cluster's addresses, watched, one namespace meshed."""
    document = yaml.safe_load((PROJECT / "Pulumi.sandbox.yaml").read_text(encoding="utf-8"))
    settings, config = cluster.settings, document["config"]
    ours = {
        "cluster": {
            "kubeconfig": str(settings.kubeconfig),
            "apiServer": settings.kube_host,
            "caFile": str(settings.pki_dir / "ca.crt"),
        },
        "vault": {
            "address": settings.vault_addr,
            "caFile": str(settings.pki_dir / "vault-ca.crt"),
        },
        "rollout": {"waves": [{"name": "first", "state": "on", "namespaces": [MESHED]}]},
        "observability": {
            "alerts": {"form": "prometheus-rule", "runbooks": RUNBOOKS},
            "monitors": {"enabled": True},
        },
    }
    for name, section in ours.items():
        key = f"linkerd-platform:{name}"
        config[key] = {**config.get(key, {}), **section}
    file = folder / "Pulumi.sandbox.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


@contextmanager
def watched(
    folder: Path, cluster: Cluster, crds: list[Manifest], state_metrics: Path
) -> Iterator[Watched]:
    """Put everything into the cluster, then start what looks at it; all ends with the cluster.

    `crds` are those of the operators and of prometheus-operator, `state_metrics` is the program.
    """
    objects, hand = Objects(cluster.api), ByHand(cluster.settings)
    objects.apply(*crds)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MESHED}}
    hand.apply(namespace)
    evaluation = mock_engine.evaluate(stack_file(folder, cluster), PROJECT, preview=False)
    for resource in evaluation.resources:
        if resource.type.startswith("vault:"):
            hand.make_in_vault(resource)
        elif resource.type.startswith("kubernetes:") and "kind" in resource.inputs:
            hand.apply(dict(resource.inputs))
    objects.apply(*_pods_of_charts())
    hand.apply(_short_rules(evaluation))
    _wait("every Deployment", lambda: _available(cluster))
    metrics = _state_metrics(cluster, state_metrics)
    with real_prometheus.started(folder, _config(cluster, folder, metrics)) as address:
        yield Watched(cluster, objects, hand, address)


def _pods_of_charts() -> list[Manifest]:
    """The Deployments of the charts; what else is in them needs somebody to mount it."""
    kinds = ("ServiceAccount", "Deployment")
    return [
        each for chart in _CHARTS for each in mesh_objects.rendered(chart) if each["kind"] in kinds
    ]


def _short_rules(evaluation: mock_engine.Evaluation) -> Manifest:
    """The rules of this stack file, with seconds in place of what a stack file allows."""
    config = evaluation.config
    assert config.cluster
    args = arguments_observability.alerts(config, config.cluster, evaluation.stack)
    assert args
    assert _SHORT.keys() <= Thresholds.model_fields.keys()
    limits = args.setting.thresholds.model_copy(update=_SHORT)
    short = args.setting.model_copy(update={"thresholds": limits})
    return alerts.manifest(args, alerts.RULES, alerts.content(args, alerts.groups(short)))


def _available(cluster: Cluster) -> bool:
    found = cluster.get("/apis/apps/v1/deployments")
    assert found
    return bool(found["items"]) and all(
        each["status"].get("availableReplicas") == each["spec"]["replicas"]
        for each in found["items"]
    )


def _state_metrics(cluster: Cluster, program: Path) -> int:
    """Start kube-state-metrics on loopback; returns its port."""
    port, own = free_ports(2)
    supervisor = Supervisor(cluster.settings.run_dir, cluster.settings.log_dir)
    command = [
        *("timeout", str(_TTL_SECONDS), str(program)),
        f"--kubeconfig={cluster.settings.kubeconfig}",
        *("--host=127.0.0.1", f"--port={port}"),
        *("--telemetry-host=127.0.0.1", f"--telemetry-port={own}"),
        "--resources=deployments,pods",
    ]
    supervisor.start("kube-state-metrics", command)
    supervisor.wait_ready("kube-state-metrics", lambda: _answers(port), _SECONDS)
    return port


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _config(cluster: Cluster, folder: Path, state_metrics: int) -> dict[str, Any]:
    """Of what is in the API server: the rules as files, the PodMonitors as scrape configs."""
    rules, monitors = (
        cluster.get(f"{_MONITORING}/{plural}") for plural in ("prometheusrules", "podmonitors")
    )
    assert rules
    assert monitors
    files = []
    for each in rules["items"]:
        for group in each["spec"]["groups"]:
            group["interval"] = "1s"
        file = folder / f"{each['metadata']['name']}.yaml"
        file.write_text(alerts.as_file(each["spec"]), encoding="utf-8")
        files.append(str(file))
    assert (len(files), len(monitors["items"])) == (2, 6)
    processes = _processes(cluster)
    keys = cluster.settings.pki_dir
    return {
        "rule_files": files,
        "scrape_configs": [
            *(
                scrape_config(each, cluster.settings.kubeconfig, processes)
                for each in monitors["items"]
            ),
            # Two that the cluster's own monitoring has, called as kube-prometheus-stack does.
            {
                "job_name": "kube-state-metrics",
                "honor_labels": True,
                "static_configs": [{"targets": [f"127.0.0.1:{state_metrics}"]}],
            },
            {
                "job_name": "apiserver",
                "scheme": "https",
                "tls_config": {
                    "ca_file": str(keys / "ca.crt"),
                    "cert_file": str(keys / "admin.crt"),
                    "key_file": str(keys / "admin.key"),
                },
                "static_configs": [{"targets": [cluster.settings.kube_host.partition("//")[2]]}],
            },
        ],
    }


def _processes(cluster: Cluster) -> dict[tuple[str, str], int]:
    """Which pod each operator stands for: the first of its Deployment, by the port's name."""
    ports = cluster.settings.ports
    deployments = {
        ("cert-manager", CERT_MANAGER): ports.cert_manager,
        ("cainjector", CERT_MANAGER): ports.cainjector,
        ("trust-manager", CERT_MANAGER): ports.trust_manager,
        ("external-secrets", EXTERNAL_SECRETS): ports.external_secrets,
    }
    made = {}
    for (name, namespace), port in deployments.items():
        query = f"?labelSelector=app.kubernetes.io/name={name}"
        found = cluster.get(f"{CORE}/{namespace}/pods{query}")
        assert found
        pod = min(found["items"], key=lambda each: str(each["metadata"]["name"]))
        (named,) = {
            each["name"]
            for container in pod["spec"]["containers"]
            for each in container.get("ports", [])
            if each["name"].endswith("metrics")
        }
        made[(pod["metadata"]["name"], named)] = port
    return made


def _wait(what: str, probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not probe():
        assert time.monotonic() < deadline, f"{what}: not in {_SECONDS:.0f} s"
        time.sleep(_POLL_SECONDS)
