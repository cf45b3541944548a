"""What the Prometheus of a watched sandbox has: rules, PodMonitors, and the running processes."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

from components.alerts import component as alerts
from components.names import CERT_MANAGER, EXTERNAL_SECRETS, LINKERD
from sandbox.processes import Supervisor
from tests.e2e.identity_process import free_ports
from tests.e2e.pod_monitor import scrape_config
from tests.e2e.sandbox_cluster import CORE, Cluster

_SECONDS, _TTL_SECONDS = 240.0, 1800
_MONITORING = "/apis/monitoring.coreos.com/v1"
_NAME, _COMPONENT = "app.kubernetes.io/name", "linkerd.io/control-plane-component"


def state_metrics(cluster: Cluster, program: Path) -> int:
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


def configuration(
    cluster: Cluster, folder: Path, state_metrics_port: int, identity_port: int | None
) -> dict[str, Any]:
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
    processes = _processes(cluster, identity_port)
    pods = cluster.get("/api/v1/pods")
    assert pods
    keys = cluster.settings.pki_dir
    return {
        # One that takes longer is a target that is lost, and its series with it.
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
        "rule_files": files,
        "scrape_configs": [
            *(scrape_config(each, pods["items"], processes) for each in monitors["items"]),
            # Two that the cluster's own monitoring has, called as kube-prometheus-stack does.
            {
                "job_name": "kube-state-metrics",
                "honor_labels": True,
                "static_configs": [{"targets": [f"127.0.0.1:{state_metrics_port}"]}],
            },
            {
                "job_name": "apiserver",
                # It has thousands of series, and takes seconds over them on a busy machine.
                "scrape_interval": "10s",
                "scrape_timeout": "10s",
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


def _processes(cluster: Cluster, identity_port: int | None) -> dict[tuple[str, str], int]:
    """Which pod each process stands for: the first of its Deployment, by the port's name."""
    ports = cluster.settings.ports
    made = {
        _port(cluster, CERT_MANAGER, f"{_NAME}=cert-manager"): ports.cert_manager,
        _port(cluster, CERT_MANAGER, f"{_NAME}=cainjector"): ports.cainjector,
        _port(cluster, CERT_MANAGER, f"{_NAME}=trust-manager"): ports.trust_manager,
        _port(cluster, EXTERNAL_SECRETS, f"{_NAME}=external-secrets"): ports.external_secrets,
    }
    if identity_port:
        made[_port(cluster, LINKERD, f"{_COMPONENT}=identity")] = identity_port
    return made


def _port(cluster: Cluster, namespace: str, selector: str) -> tuple[str, str]:
    """The first pod with a label, and the name of the port of its metrics."""
    found = cluster.get(f"{CORE}/{namespace}/pods?labelSelector={selector}")
    assert found
    pod = min(found["items"], key=lambda each: str(each["metadata"]["name"]))
    (named,) = {
        each["name"]
        for container in pod["spec"]["containers"]
        for each in container.get("ports", [])
        if each["name"].endswith(("metrics", "-admin")) and container["name"] != "linkerd-proxy"
    }
    return str(pod["metadata"]["name"]), str(named)
