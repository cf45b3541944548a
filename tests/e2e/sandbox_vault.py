"""Vault as the operators of the embedded cluster use it: kubernetes auth, KV store, PKI."""

from __future__ import annotations

import base64

from sandbox import vault
from tests.e2e.sandbox_cluster import CORE, Cluster

# The first is what the Vault role binds; with the second the token may review itself.
AUDIENCES = ["vault", "https://kubernetes.default.svc.cluster.local"]


def enable_login(made: Cluster) -> None:
    """Kubernetes auth in Vault, a KV value, and service accounts that may log in."""
    settings = made.settings

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
        made.apply(f"{CORE}/{namespace}/serviceaccounts", account)
        subjects.append({"kind": "ServiceAccount", "name": "login", "namespace": namespace})
    made.apply(
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


def create_store(made: Cluster) -> None:
    """A ClusterSecretStore that logs in to Vault with kubernetes auth."""
    ca = (made.settings.pki_dir / "vault-ca.crt").read_bytes()
    made.apply(
        "/apis/external-secrets.io/v1/clustersecretstores",
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ClusterSecretStore",
            "metadata": {"name": "vault"},
            "spec": {
                "provider": {
                    "vault": {
                        "server": made.settings.vault_addr,
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
    made.wait_for("/apis/external-secrets.io/v1/clustersecretstores/vault", "Ready")
