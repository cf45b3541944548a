"""The servers of the embedded cluster for real: Kubernetes, and what `up` promises."""

from __future__ import annotations

from pathlib import Path

import pytest

import sandbox
from sandbox import cluster, lifecycle
from sandbox.settings import Settings
from tests.e2e.sandbox_cluster import CORE, running_sandbox

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as made:
        yield made


def test_three_nodes_in_three_zones_are_ready(running):
    nodes = running.get("/api/v1/nodes")["items"]
    zones = {each["metadata"]["labels"]["topology.kubernetes.io/zone"] for each in nodes}
    assert zones == {"sandbox-a", "sandbox-b", "sandbox-c"}
    # By the host name the API server calls a kubelet, for logs.
    for each in nodes:
        hosts = {a["address"] for a in each["status"]["addresses"] if a["type"] == "Hostname"}
        assert hosts == {each["metadata"]["name"]}
    assert cluster.nodes_ready(running.settings)


def test_a_deployment_becomes_available_on_three_zones(running):
    labels = {"app": "web"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    # A native sidecar counts towards readiness; linkerd-proxy will be one.
    sidecar = {"name": "sidecar", "image": "example.invalid/proxy", "restartPolicy": "Always"}
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    running.apply(
        deployments,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "containers": [{"name": "web", "image": "example.invalid/web"}],
                        "initContainers": [sidecar],
                        "topologySpreadConstraints": [spread],
                    },
                },
            },
        },
    )
    found = running.wait_for(f"{deployments}/web", "Available")
    assert running.wait(f"{deployments}/web", lambda d: d["status"].get("availableReplicas") == 3)
    assert found
    pods = running.get(f"{CORE}/default/pods?labelSelector=app=web")["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == set(cluster.ZONES)


def test_a_job_with_a_sidecar_completes(running):
    jobs = "/apis/batch/v1/namespaces/default/jobs"
    sidecar = {"name": "sidecar", "image": "example.invalid/proxy", "restartPolicy": "Always"}
    running.apply(
        jobs,
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "once"},
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "once", "image": "example.invalid/once"}],
                        "initContainers": [sidecar],
                    }
                }
            },
        },
    )
    running.wait_for(f"{jobs}/once", "Complete")


def test_charts_see_the_kubernetes_version(running):
    version = running.get("/version")
    assert version["gitVersion"] == "v1.35.4"
    assert (version["major"], version["minor"]) == ("1", "35")


def test_strangers_get_no_further_than_health(running):
    stranger = running.api.__class__(
        running.settings.kube_host, running.settings.pki_dir / "ca.crt"
    )
    assert stranger.request("GET", "/readyz").ok
    assert stranger.request("GET", "/api/v1/nodes").status == 401
    assert stranger.request("GET", "/version").status == 401


def test_everything_listens_on_loopback_alone(running):
    """A developer's laptop is on a network."""
    pids = set()
    for record in lifecycle.Supervisor(
        running.settings.run_dir, running.settings.log_dir
    ).records():
        pids.add(record.pid)
    inodes = {}
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for row in table.read_text().splitlines()[1:]:
            columns = row.split()
            if columns[3] == "0A":
                inodes[f"socket:[{columns[9]}]"] = columns[1].rsplit(":", 1)[0]
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            address = inodes.get(str(link.readlink()))
            assert address in (None, "0100007F"), (pid, address)


def test_a_second_up_starts_nothing(running):
    """The status has the process of each server."""
    before = lifecycle.status(running.settings)
    # Another process would not know the ports: they come from the state folder.
    sandbox.cluster_up(Settings.ephemeral(running.settings.state_dir))
    assert lifecycle.status(running.settings) == before


def test_up_repairs_a_sandbox_that_lost_a_server(running):
    supervisor = lifecycle.Supervisor(running.settings.run_dir, running.settings.log_dir)
    supervisor.stop("kube-scheduler")
    sandbox.cluster_up(running.settings)
    assert lifecycle.running(running.settings)


def test_pods_of_a_sandbox_that_was_away_are_ready_again(running):
    """A laptop sleeps for an hour: the cluster has given the nodes up, and their pods with them."""
    deployment = "/apis/apps/v1/namespaces/default/deployments/web"

    def available(number):
        return lambda found: found["status"].get("availableReplicas", 0) == number

    assert running.wait(deployment, available(3))
    supervisor = lifecycle.Supervisor(running.settings.run_dir, running.settings.log_dir)
    supervisor.stop("kwok")
    assert running.wait(deployment, available(0), seconds=150)
    sandbox.cluster_up(running.settings)
    assert running.wait(deployment, available(3), seconds=60)
