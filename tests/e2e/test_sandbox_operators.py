"""The operators of the embedded cluster for real, against its API server and its Vault."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

import pytest
import yaml

from sandbox import controllers, lifecycle, vault
from tests.e2e.sandbox_cluster import CORE, running_sandbox
from tests.e2e.sandbox_vault import AUDIENCES, create_store, enable_login

pytestmark = pytest.mark.e2e

CRDS = Path(os.environ.get("CRDS_DIR", Path(__file__).resolve().parents[3] / "shared" / "crds"))


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as made:
        yield made


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
    enable_login(with_crds)
    return with_crds


@pytest.fixture(scope="module")
def store(vault_login):
    create_store(vault_login)
    return vault_login


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


def test_an_aggregated_api_answers_only_with_the_right_authority(with_crds):
    """viz registers one; while it is unavailable, no namespace of the cluster can be deleted."""
    path = "/apis/cert-manager.io/v1/namespaces/mesh"
    with_crds.apply(
        f"{path}/issuers",
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Issuer",
            "metadata": {"name": "webhooks"},
            "spec": {"selfSigned": {}},
        },
    )
    with_crds.apply(
        f"{path}/certificates",
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": "tap"},
            "spec": {
                "secretName": "tap-k8s-tls",
                "dnsNames": ["tap.mesh.svc"],
                "privateKey": {"algorithm": "ECDSA"},
                "issuerRef": {"name": "webhooks"},
            },
        },
    )
    labels = {"app": "tap"}
    with_crds.apply(
        f"{CORE}/mesh/services",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "tap"},
            "spec": {"selector": labels, "ports": [{"port": 443, "targetPort": 8089}]},
        },
    )
    pod = {"name": "tap", "image": "example.invalid/tap", "ports": [{"containerPort": 8089}]}
    with_crds.apply(
        f"{CORE}/mesh/pods",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "tap", "labels": labels},
            "spec": {"containers": [pod]},
        },
    )
    apis = "/apis/apiregistration.k8s.io/v1/apiservices"
    name = "v1alpha1.tap.linkerd.io"
    service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": {
            "group": "tap.linkerd.io",
            "version": "v1alpha1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 100,
            "service": {"name": "tap", "namespace": "mesh"},
        },
    }
    wrong = (with_crds.settings.pki_dir / "vault-ca.crt").read_bytes()
    service["spec"]["caBundle"] = base64.b64encode(wrong).decode()
    with_crds.apply(apis, service)
    with_crds.wait_for(f"{path}/certificates/tap", "Ready")
    with_crds.wait_for(f"{apis}/{name}", "Available")
    assert with_crds.api.request("GET", "/apis/tap.linkerd.io/v1alpha1").status == 503
    del service["spec"]["caBundle"]
    service["metadata"]["annotations"] = {"cert-manager.io/inject-ca-from": "mesh/tap"}
    with_crds.apply(apis, service)
    with_crds.wait("/apis/tap.linkerd.io/v1alpha1", lambda each: each["kind"] == "APIResourceList")
    with_crds.apply(CORE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gone"}})
    with_crds.api.request("DELETE", f"{CORE}/gone")
    with_crds.wait_gone(f"{CORE}/gone")
    with_crds.api.request("DELETE", f"{apis}/{name}")


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
