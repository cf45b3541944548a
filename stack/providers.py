"""The explicit providers. No resource uses a default one (`pulumi:disable-default-providers`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pulumi
import pulumi_random as random
import pulumi_vault as vault

from components.cluster import ClusterSection
from components.vault import VaultSection
from schema.errors import InputError
from schema.values import shown

# What is there is updated, also where Helm has set another value: docs/adr/0014.
_ADOPTS = {"upsertExistingObjects": "true", "enablePatchForce": "true"}
VAULT_CA_FILE = "./.local/vault-ca.pem"


class KubernetesProvider(pulumi.ProviderResource):
    """The kubernetes provider; by its token, for the reason given in components/chart.py.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """

    def __init__(self, name: str, props: Mapping[str, str | None]) -> None:
        opts = pulumi.ResourceOptions(version=version("pulumi-kubernetes"))
        super().__init__("kubernetes", name, dict(props), opts)


def kubernetes_provider(cluster: ClusterSection) -> KubernetesProvider:
    """The provider of the stack's cluster.

    Paths are given as they stand in the stack file, relative to the project, so that the state is
    the same whoever runs the program; without a kubeconfig the provider looks for one itself.
    """
    return KubernetesProvider(
        "cluster",
        {
            "kubeconfig": cluster.kubeconfig,
            "context": cluster.context,
            # Without it another kubeconfig would replace the provider and all that it made.
            "clusterIdentifier": cluster.name,
            "enableServerSideApply": "true",
            # A ConfigMap or Secret whose data change is updated, not replaced.
            "enableConfigMapMutable": "true",
            "enableSecretMutable": "true",
            # The charts' hooks are known, and replaced by objects of our own.
            "suppressHelmHookWarnings": "true",
            **(_ADOPTS if cluster.adopted else {}),
        },
    )


def refuse_namespace(config: VaultSection, environment: Mapping[str, str] = os.environ) -> None:
    """Raise InputError where `VAULT_NAMESPACE` names one and the stack file means the root.

    The provider would work there, and nothing else would: not the operators, nor the bot.
    """
    named = environment.get("VAULT_NAMESPACE", "").strip("/")
    if named and config.login_namespace is None:
        raise InputError(
            f"VAULT_NAMESPACE is {shown(named)}, and the stack file means Vault's root namespace: "
            "set vault.namespace there, or unset the variable"
        )


def vault_provider(config: VaultSection, project_dir: Path) -> vault.Provider:
    """The provider of the stack's Vault; its token comes from the environment (`VAULT_TOKEN`)."""
    ca_file = config.ca_file
    if ca_file is None and config.ca_pem is not None:
        target = project_dir / VAULT_CA_FILE
        target.parent.mkdir(exist_ok=True)
        target.write_text(config.ca_pem, encoding="utf-8")
        ca_file = VAULT_CA_FILE
    return vault.Provider(
        "vault",
        address=config.address,
        ca_cert_file=ca_file,
        namespace=config.login_namespace,
        # A token of another namespace would decide where everything is made.
        set_namespace_from_token=False,
        skip_child_token=config.skip_child_token,
        # Set, because the SDK would take them from the environment of whoever runs the program.
        max_lease_ttl_seconds=1200,
        max_retries=2,
        skip_tls_verify=False,
    )


def random_provider() -> random.Provider:
    """The provider of values made once."""
    return random.Provider("random")


def options(*providers: pulumi.ProviderResource) -> pulumi.ResourceOptions:
    """Options that hand the providers to a component and to everything in it."""
    return pulumi.ResourceOptions(providers=list(providers))
