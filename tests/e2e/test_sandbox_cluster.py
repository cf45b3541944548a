"""The embedded cluster for real: servers, operators, Vault, and what is left after a stop."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import sandbox
from sandbox import cluster, controllers, lifecycle, toolchain, vault
from sandbox.settings import Settings

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).resolve().parents[2]
CRDS = Path(os.environ.get("CRDS_DIR", PROJECT.parent / "shared" / "crds"))
AUDIENCES = ["vault", "https://kubernetes.default.svc.cluster.local"]
CORE = "/api/v1/namespaces"


def logging_to(folder: Path) -> list[str]:
    """Command names of the processes whose output goes to `folder`."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if str(link.readlink()).startswith(f"{folder}/"):
                found.append((link.parents[1] / "comm").read_text().strip())
        except OSError:
            continue
    return found


class Cluster:
    """What the tests do with a running sandbox."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.api = cluster.client(settings)

    def apply(self, path: str, document: dict) -> dict:
        name = document["metadata"]["name"]
        answer = self.api.request(
            "PATCH",
            f"{path}/{name}?fieldManager=test&force=true",
            document,
            content_type="application/apply-patch+yaml",
            seconds=30,
        )
        assert answer.ok, answer
        return answer.body

    def get(self, path: str) -> dict | None:
        answer = self.api.request("GET", path)
        return answer.body if answer.ok else None

    def wait(self, path: str, condition, seconds: float = 30.0) -> dict:
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(path)
            if found and condition(found):
                return found
            assert time.monotonic() < deadline, f"{path} after {seconds} s: {found}"
            time.sleep(0.1)

    def wait_for(self, path: str, kind: str, status: str = "True", seconds: float = 30.0) -> dict:
        return self.wait(
            path,
            lambda found: any(
                each["type"] == kind and each["status"] == status
                for each in found.get("status", {}).get("conditions", [])
            ),
            seconds,
        )

    def secret(self, namespace: str, name: str, key: str, seconds: float = 30.0) -> bytes:
        path = f"{CORE}/{namespace}/secrets/{name}"
        found = self.wait(path, lambda each: key in each.get("data", {}), seconds)
        return base64.b64decode(found["data"][key])


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    reason = toolchain.missing_reason()
    if reason:
        pytest.skip(reason)
    settings = Settings.ephemeral(tmp_path_factory.mktemp("sandbox") / "state")
    sandbox.cluster_up(settings)
    try:
        yield Cluster(settings)
    finally:
        sandbox.cluster_down(settings)
    assert not settings.state_dir.exists()
    assert logging_to(settings.log_dir) == []


@pytest.fixture(scope="module")
def with_crds(running):
    if not CRDS.is_dir():
        pytest.skip(f"no CRDs in {CRDS}: set CRDS_DIR")
    for name in ("cert-manager", "trust-manager", "external-secrets"):
        for document in yaml.safe_load_all((CRDS / f"{name}.yaml").read_text()):
            if document:
                path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
                running.apply(path, document)
    for namespace in ("cert-manager", "mesh"):
        running.apply(
            CORE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        )
    return running


@pytest.fixture(scope="module")
def vault_login(with_crds):
    """Kubernetes auth in Vault, a KV value, and service accounts that may log in."""
    settings = with_crds.settings

    def write(path: str, body: dict) -> None:
        vault.request(settings, "POST", f"/v1/{path}", body)

    write("sys/mounts/platform", {"type": "kv", "options": {"version": "2"}})
    write("platform/data/greeting", {"data": {"word": "hello"}})
    write("sys/mounts/pki", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
    root = {"common_name": "root.linkerd.cluster.local", "key_type": "ec", "ttl": "8760h"}
    write("pki/root/generate/internal", {**root, "issuer_name": "g1"})
    write("sys/auth/kubernetes", {"type": "kubernetes"})
    write(
        "auth/kubernetes/config",
        {
            "kubernetes_host": settings.kube_host,
            "kubernetes_ca_cert": (settings.pki_dir / "ca.crt").read_text(),
            "disable_local_ca_jwt": True,
        },
    )
    policy = (
        'path "platform/*" { capabilities = ["create", "read", "update", "list"] }\n'
        'path "pki/issuer/g1/sign-intermediate" { capabilities = ["create", "update"] }\n'
    )
    write("sys/policies/acl/mesh", {"policy": policy})
    write(
        "auth/kubernetes/role/mesh",
        {
            "bound_service_account_names": "login",
            "bound_service_account_namespaces": "cert-manager,mesh",
            "audience": "vault",
            "token_policies": "mesh",
            "token_ttl": "5m",
        },
    )
    subjects = []
    for namespace in ("cert-manager", "mesh"):
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "login"}}
        with_crds.apply(f"{CORE}/{namespace}/serviceaccounts", account)
        subjects.append({"kind": "ServiceAccount", "name": "login", "namespace": namespace})
    with_crds.apply(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "login-reviews-its-own-token"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:auth-delegator",
            },
            "subjects": subjects,
        },
    )
    return with_crds


@pytest.fixture(scope="module")
def store(vault_login):
    ca = (vault_login.settings.pki_dir / "vault-ca.crt").read_bytes()
    vault_login.apply(
        "/apis/external-secrets.io/v1/clustersecretstores",
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ClusterSecretStore",
            "metadata": {"name": "vault"},
            "spec": {
                "provider": {
                    "vault": {
                        "server": vault_login.settings.vault_addr,
                        "path": "platform",
                        "version": "v2",
                        "caBundle": base64.b64encode(ca).decode(),
                        "auth": {
                            "kubernetes": {
                                "mountPath": "kubernetes",
                                "role": "mesh",
                                "serviceAccountRef": {
                                    "name": "login",
                                    "namespace": "mesh",
                                    "audiences": AUDIENCES,
                                },
                            }
                        },
                    }
                }
            },
        },
    )
    vault_login.wait_for("/apis/external-secrets.io/v1/clustersecretstores/vault", "Ready")
    return vault_login


def test_three_nodes_in_three_zones_are_ready(running):
    nodes = running.get("/api/v1/nodes")["items"]
    zones = {each["metadata"]["labels"]["topology.kubernetes.io/zone"] for each in nodes}
    assert zones == {"sandbox-a", "sandbox-b", "sandbox-c"}
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


def test_a_self_signed_certificate_becomes_a_bundle(with_crds):
    path = "/apis/cert-manager.io/v1/namespaces/cert-manager"
    with_crds.apply(
        f"{path}/issuers",
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Issuer",
            "metadata": {"name": "self"},
            "spec": {"selfSigned": {}},
        },
    )
    with_crds.apply(
        f"{path}/certificates",
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": "root"},
            "spec": {
                "isCA": True,
                "commonName": "root.linkerd.cluster.local",
                "secretName": "root",
                "privateKey": {"algorithm": "ECDSA"},
                "issuerRef": {"name": "self"},
            },
        },
    )
    with_crds.wait_for(f"{path}/certificates/root", "Ready")
    with_crds.apply(
        "/apis/trust.cert-manager.io/v1alpha1/bundles",
        {
            "apiVersion": "trust.cert-manager.io/v1alpha1",
            "kind": "Bundle",
            "metadata": {"name": "roots"},
            "spec": {
                "sources": [{"secret": {"name": "root", "key": "tls.crt"}}],
                "target": {
                    "configMap": {"key": "ca-bundle.crt"},
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "mesh"}},
                },
            },
        },
    )
    found = with_crds.wait(f"{CORE}/mesh/configmaps/roots", lambda each: "data" in each)
    certificate = with_crds.secret("cert-manager", "root", "tls.crt").decode()
    assert found["data"]["ca-bundle.crt"].strip() == certificate.strip()


def test_vault_signs_an_issuer_for_a_kubernetes_login(vault_login):
    ca = (vault_login.settings.pki_dir / "vault-ca.crt").read_bytes()
    vault_login.apply(
        "/apis/cert-manager.io/v1/clusterissuers",
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "ClusterIssuer",
            "metadata": {"name": "anchor"},
            "spec": {
                "vault": {
                    "server": vault_login.settings.vault_addr,
                    "path": "pki/issuer/g1/sign-intermediate",
                    "caBundle": base64.b64encode(ca).decode(),
                    "auth": {
                        "kubernetes": {
                            "role": "mesh",
                            "mountPath": "/v1/auth/kubernetes",
                            "serviceAccountRef": {"name": "login", "audiences": AUDIENCES},
                        }
                    },
                }
            },
        },
    )
    vault_login.wait_for("/apis/cert-manager.io/v1/clusterissuers/anchor", "Ready")
    path = "/apis/cert-manager.io/v1/namespaces/mesh/certificates"
    vault_login.apply(
        path,
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": "linkerd-identity-issuer"},
            "spec": {
                "isCA": True,
                "commonName": "identity.linkerd.cluster.local",
                "secretName": "linkerd-identity-issuer",
                "duration": "48h",
                "renewBefore": "25h",
                "privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always"},
                "issuerRef": {"name": "anchor", "kind": "ClusterIssuer"},
            },
        },
    )
    vault_login.wait_for(f"{path}/linkerd-identity-issuer", "Ready")


def test_a_value_of_vault_becomes_a_secret_and_back(store):
    """ExternalSecret reads, PushSecret writes, both through kubernetes auth."""
    reference = {"name": "vault", "kind": "ClusterSecretStore"}
    store.apply(
        "/apis/external-secrets.io/v1/namespaces/mesh/externalsecrets",
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": "greeting"},
            "spec": {
                "secretStoreRef": reference,
                "refreshInterval": "1h",
                "data": [
                    {"secretKey": "word", "remoteRef": {"key": "greeting", "property": "word"}}
                ],
            },
        },
    )
    assert store.secret("mesh", "greeting", "word") == b"hello"
    store.apply(
        "/apis/external-secrets.io/v1alpha1/namespaces/mesh/pushsecrets",
        {
            "apiVersion": "external-secrets.io/v1alpha1",
            "kind": "PushSecret",
            "metadata": {"name": "greeting"},
            "spec": {
                "secretStoreRefs": [reference],
                "updatePolicy": "IfNotExists",
                "selector": {"secret": {"name": "greeting"}},
                "data": [
                    {
                        "match": {
                            "secretKey": "word",
                            "remoteRef": {"remoteKey": "copy", "property": "word"},
                        }
                    }
                ],
            },
        },
    )
    path = "/apis/external-secrets.io/v1alpha1/namespaces/mesh/pushsecrets/greeting"
    store.wait_for(path, "Ready")
    copied = vault.request(store.settings, "GET", "/v1/platform/data/copy")
    assert copied["data"]["data"] == {"word": "hello"}


def test_a_sealed_vault_is_an_outage_that_ends(store):
    path = "/apis/external-secrets.io/v1/clustersecretstores/vault"
    vault.seal(store.settings)
    try:
        assert not vault.is_open(store.settings)
        store.wait_for(path, "Ready", "False", seconds=40)
    finally:
        vault.unseal(store.settings)
    store.wait_for(path, "Ready", seconds=40)


def test_one_operator_can_be_stopped_and_started(with_crds):
    settings = with_crds.settings
    path = "/apis/cert-manager.io/v1/namespaces/mesh"
    controllers.stop(settings, "cert-manager")
    issuer = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Issuer",
        "metadata": {"name": "late"},
        "spec": {"selfSigned": {}},
    }
    with_crds.apply(f"{path}/issuers", issuer)
    time.sleep(2)
    assert "status" not in with_crds.get(f"{path}/issuers/late")
    assert lifecycle.status(settings)["cert-manager"] == "stopped"
    controllers.start(settings, "cert-manager")
    with_crds.wait_for(f"{path}/issuers/late", "Ready")


def test_a_second_up_changes_nothing_and_is_instant(running):
    before = lifecycle.status(running.settings)
    started = time.monotonic()
    # Another process would not know the ports: they come from the state folder.
    sandbox.cluster_up(Settings.ephemeral(running.settings.state_dir))
    assert time.monotonic() - started < 2
    assert lifecycle.status(running.settings) == before


def test_up_repairs_a_sandbox_that_lost_a_server(running):
    supervisor = lifecycle.Supervisor(running.settings.run_dir, running.settings.log_dir)
    supervisor.stop("kube-scheduler")
    sandbox.cluster_up(running.settings)
    assert lifecycle.running(running.settings)


@pytest.mark.parametrize("attempt", range(4))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_no_process(tmp_path, attempt, number):  # noqa: ARG001
    """Whatever it is doing when Ctrl-C comes."""
    if toolchain.missing_reason():
        pytest.skip(toolchain.missing_reason())
    state = tmp_path / "state"
    command = [sys.executable, "-m", "sandbox", "cluster", "up", "--ephemeral"]
    up = subprocess.Popen(
        [*command, "--state-dir", str(state)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # Another moment each time it runs; the failure names it.
    delay = random.uniform(0.1, 4.0)  # noqa: S311
    time.sleep(delay)
    up.send_signal(number)
    output, _ = up.communicate(timeout=60)
    if up.returncode == 0:  # It was done before the signal came.
        sandbox.cluster_down(Settings(state))
    else:
        assert "interrupted" in output, (delay, output)
    assert logging_to(state / "log") == [], delay


def test_down_finds_what_a_killed_up_left_behind(tmp_path):
    """Nothing runs its clean-up after SIGKILL; the records are enough."""
    if toolchain.missing_reason():
        pytest.skip(toolchain.missing_reason())
    state = tmp_path / "state"
    command = [sys.executable, "-m", "sandbox", "cluster", "up", "--ephemeral"]
    up = subprocess.Popen(
        [*command, "--state-dir", str(state)], cwd=PROJECT, stdout=subprocess.DEVNULL
    )
    time.sleep(1.5)
    up.kill()
    up.wait()
    assert logging_to(state / "log") != []
    sandbox.cluster_down(Settings(state))
    assert logging_to(state / "log") == []
    assert not state.exists()
