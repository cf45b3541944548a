"""External Secrets Operator, and the store through which it reads from Vault."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pulumi

from components.base import Args, Component, KubernetesObject, Manifest
from components.chart import Chart, ChartRef, crd_release, helm_chart
from components.names import EXTERNAL_SECRETS, SECRET_STORE, STORE_ACCOUNT


class ExternalSecretsArgs(Args):
    """The operator, and the Vault that its store reads.

    `auth_mount` and `role` are those of `VaultAuth`; `audiences` must hold that of the role.
    `namespaces` are the only ones whose ExternalSecrets may use the store.
    """

    chart: ChartRef
    crds: ChartRef
    replicas: int
    vault_address: str
    vault_ca_pem: str | None
    vault_namespace: str | None
    kv_mount: str
    auth_mount: str
    role: str
    audiences: tuple[str, ...]
    namespaces: tuple[str, ...]


class ExternalSecrets(Component, area="secrets"):
    """The operator in `external-secrets` and the ClusterSecretStore `store`."""

    chart: Chart
    store: KubernetesObject

    def __init__(
        self,
        name: str,
        args: ExternalSecretsArgs,
        vault_login: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        crds = crd_release(self, args.crds, values={"installCRDs": True})
        self.chart = helm_chart(self, args.chart, EXTERNAL_SECRETS, values(args.replicas), crds)
        self.store = self.apply(
            secret_store(args), self.chart, *vault_login, wait_for="condition=Ready"
        )
        self.done(store=SECRET_STORE, version=args.chart.version)


def values(replicas: int) -> dict[str, Any]:
    """Values of the chart `external-secrets`.

    Follows https://external-secrets.io/latest/guides/security-best-practices/: what is not used
    is switched off. Its cert-controller runs once, a second one would only wait.
    """
    budget = {"enabled": replicas > 1, "minAvailable": 1}
    return {
        "installCRDs": False,
        "replicaCount": replicas,
        "leaderElect": replicas > 1,
        "podDisruptionBudget": budget,
        "webhook": {"replicaCount": replicas, "podDisruptionBudget": budget},
        "processClusterExternalSecret": False,
        "processClusterPushSecret": False,
        "processClusterGenerator": False,
    }


def secret_store(args: ExternalSecretsArgs) -> Manifest:
    """The ClusterSecretStore on Vault's KV version 2, logged in by a service account's token.

    Follows https://external-secrets.io/latest/provider/hashicorp-vault/
    """
    vault: dict[str, Any] = {
        "server": args.vault_address,
        "path": args.kv_mount,
        "version": "v2",
        "auth": {
            "kubernetes": {
                "mountPath": args.auth_mount,
                "role": args.role,
                "serviceAccountRef": {
                    "name": STORE_ACCOUNT,
                    "namespace": EXTERNAL_SECRETS,
                    "audiences": list(args.audiences),
                },
            }
        },
    }
    if args.vault_ca_pem:
        vault["caBundle"] = base64.b64encode(args.vault_ca_pem.encode()).decode()
    if args.vault_namespace:
        vault["namespace"] = args.vault_namespace
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": SECRET_STORE},
        "spec": {
            "conditions": [{"namespaces": list(args.namespaces)}],
            "provider": {"vault": vault},
        },
    }


def external_secret(
    name: str,
    namespace: str,
    vault_path: str,
    properties: dict[str, str],
    refresh_interval: str,
    labels: dict[str, str] | None = None,
) -> Manifest:
    """An ExternalSecret that keeps Secret `name` in step with an entry of the store.

    `properties` maps keys of the Secret to properties of the entry. The Secret goes with the
    ExternalSecret, but stays when the entry in Vault is gone.
    """
    template = {"template": {"metadata": {"labels": labels}}} if labels else {}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "refreshInterval": refresh_interval,
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": SECRET_STORE},
            "target": {
                "name": name,
                "creationPolicy": "Owner",
                "deletionPolicy": "Retain",
                **template,
            },
            "data": [
                {"secretKey": key, "remoteRef": {"key": vault_path, "property": remote}}
                for key, remote in properties.items()
            ],
        },
    }
