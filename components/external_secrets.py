"""External Secrets Operator, and the store through which it reads from Vault."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import pulumi
from pydantic import Field

from components.base import Component, KubernetesObject, Manifest
from components.cert_manager import HasCertManager
from components.chart import Chart, ChartRef, Shape, crd_release, helm_chart
from components.cluster import ClusterSection
from components.names import (
    CERT_MANAGER,
    EXTERNAL_SECRETS,
    SECRET_STORE,
    STORE_ACCOUNT,
    STORE_ROLE,
    Operators,
)
from components.vault import HasVault, VaultStoreArgs, store
from schema.faults import Fault
from schema.section import Section
from schema.values import Duration, Name, Replicas


class ExternalSecretsSection(Section):
    """External Secrets Operator, ours or somebody else's, and its store on Vault."""

    shapes: ClassVar[dict[str, Shape]] = {
        "external-secrets": Shape(
            pods=("", "webhook", "certController"),
            priority=("", "webhook", "certController"),
            pull_secrets=("", "webhook", "certController"),
            images={
                f"{pod}image.repository": "ghcr.io/external-secrets/external-secrets"
                for pod in ("", "webhook.", "certController.")
            },
            owned={
                "installCRDs": "the program, which installs CRDs by themselves",
                "replicaCount": "externalSecrets.replicas",
                "webhook.replicaCount": "externalSecrets.replicas",
                "leaderElect": "externalSecrets.replicas",
            },
        ),
    }

    install: bool = Field(
        True, description="False where somebody else owns the operator; see `namespace`."
    )
    namespace: Name = Field(
        EXTERNAL_SECRETS,
        description="Namespace of an existing operator; the account of our store goes there.",
    )
    replicas: Replicas = Field(2, description="Replicas of the operator and of its webhook.")
    refresh_interval: Duration = Field(
        Duration(600), description="Interval at which the secrets are read from Vault again."
    )

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return ("external-secrets", "external-secrets-crds") if self.install else ()


class HasExternalSecrets(Protocol):
    """A config with the section `external_secrets`."""

    @property
    def external_secrets(self) -> ExternalSecretsSection: ...  # noqa: D102


class ExternalSecretsArgs(VaultStoreArgs):
    """The operator, and its store's role and users.

    Without charts the operator is somebody else's. `namespaces` are the only ones whose
    ExternalSecrets may use the store; its account is in `namespace`.
    """

    chart: ChartRef | None
    crds: ChartRef | None
    replicas: int = 2
    role: str = STORE_ROLE
    namespaces: tuple[str, ...] = (CERT_MANAGER,)
    namespace: str = EXTERNAL_SECRETS


class ExternalSecrets(Component, area="secrets"):
    """The operator in `external-secrets` and the ClusterSecretStore `store`."""

    chart: Chart | None = None
    store: KubernetesObject

    def __init__(
        self,
        name: str,
        args: ExternalSecretsArgs,
        vault_login: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        operator: list[pulumi.Resource] = []
        if args.chart and args.crds:
            crds = crd_release(self, args.crds, values={"installCRDs": True})
            self.chart = helm_chart(self, args.chart, args.namespace, values(args.replicas), crds)
            operator.append(self.chart)
        self.store = self.apply(
            secret_store(args), *operator, *vault_login, wait_for="condition=Ready"
        )
        self.done(store=SECRET_STORE, version=args.chart.version if args.chart else "existing")


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
    account = {"name": STORE_ACCOUNT, "namespace": args.namespace}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": SECRET_STORE},
        "spec": {
            "conditions": [{"namespaces": list(args.namespaces)}],
            "provider": {"vault": vault_provider(args, args.role, account)},
        },
    }


def secret_store_in(
    namespace: str, name: str, vault: VaultStoreArgs, role: str, account: str
) -> Manifest:
    """A SecretStore that its own namespace alone can use, with a login of its own there.

    Follows https://external-secrets.io/latest/api/secretstore/
    """
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"provider": {"vault": vault_provider(vault, role, {"name": account})}},
    }


def vault_provider(vault: VaultStoreArgs, role: str, account: dict[str, str]) -> dict[str, Any]:
    """How a store reaches Vault's KV version 2, logged in with the token of a service account.

    Follows https://external-secrets.io/latest/provider/hashicorp-vault/
    """
    made: dict[str, Any] = {
        "server": vault.vault_address,
        "path": vault.kv_mount,
        "version": "v2",
        "auth": {
            "kubernetes": {
                "mountPath": vault.auth_mount,
                "role": role,
                "serviceAccountRef": {**account, "audiences": list(vault.audiences)},
            }
        },
    }
    if vault.vault_ca_pem:
        made["caBundle"] = base64.b64encode(vault.vault_ca_pem.encode()).decode()
    if vault.vault_namespace:
        made["namespace"] = vault.vault_namespace
    return made


def external_secret(
    name: str,
    namespace: str,
    vault_path: str,
    properties: dict[str, str],
    refresh_interval: str,
    labels: dict[str, str] | None = None,
    secret_type: str | None = None,
    store: str | None = None,
) -> Manifest:
    """An ExternalSecret that keeps Secret `name` in step with an entry of the store.

    `store` is a SecretStore of that namespace, by default the ClusterSecretStore. `properties` maps
    keys of the Secret to properties of the entry. The Secret goes with the ExternalSecret, but
    stays when the entry in Vault is gone.
    """
    made: dict[str, Any] = {"metadata": {"labels": labels}} if labels else {}
    if secret_type:
        made |= {"type": secret_type}
    template = {"template": made} if made else {}
    kind = "SecretStore" if store else "ClusterSecretStore"
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "refreshInterval": refresh_interval,
            "secretStoreRef": {"kind": kind, "name": store or SECRET_STORE},
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


class HasOperators(HasCertManager, HasExternalSecrets, Protocol):
    """A config with the sections of all operators."""


def operators(config: HasOperators) -> Operators:
    """Where the operators are, as the stack file says."""
    certificates, secrets = config.cert_manager, config.external_secrets
    ours = {
        CERT_MANAGER: certificates.install,
        "trust-manager": certificates.install_trust_manager,
        EXTERNAL_SECRETS: secrets.install,
    }
    return Operators(
        cert_manager=certificates.namespace,
        trust_manager=certificates.trust_manager_runs,
        external_secrets=secrets.namespace,
        account=certificates.service_account,
        issuer_secrets=certificates.issuer_secrets,
        trust=certificates.bundle_sources,
        theirs=frozenset(name for name, installed in ours.items() if not installed),
    )


def check(config: HasExternalSecrets) -> Iterator[Fault]:
    """All faults of `externalSecrets`.

    - `namespace` is for `install: false`: ours is in `external-secrets`. `replicas` are for ours.
    """
    section, fields = config.external_secrets, ExternalSecretsSection.model_fields
    key = "namespace" if section.install else "replicas"
    if getattr(section, key) != fields[key].default:
        message = (
            "says where an existing one is: give install: false with it"
            if section.install
            else "is for ours, and install is false: leave it out"
        )
        looks_at = (("externalSecrets", "install"),)
        yield Fault(("externalSecrets", key), message, looks_at=looks_at)


class _Config(HasOperators, HasVault, Protocol):
    """The sections that the operator and its store are made from."""


def arguments(
    config: _Config,
    cluster: ClusterSection,
    charts: Mapping[str, ChartRef],
    users: Iterable[str],
) -> ExternalSecretsArgs:
    """Arguments of `ExternalSecrets`; `users` are namespaces that read from Vault."""
    return ExternalSecretsArgs(
        chart=charts.get("external-secrets"),
        crds=charts.get("external-secrets-crds"),
        replicas=config.external_secrets.replicas,
        role=config.vault.role(STORE_ROLE, cluster),
        namespaces=tuple(dict.fromkeys((config.cert_manager.bundle_sources, *users))),
        namespace=config.external_secrets.namespace,
        **dict(store(config, cluster)),
    )
