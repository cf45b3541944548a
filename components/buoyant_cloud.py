"""The Buoyant Cloud agent, and its credentials as a Secret that no chart value holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, Protocol

import pulumi
from pydantic import Field, SecretStr

from components.base import Args, Component, KubernetesObject, Manifest
from components.chart import ChartRef, Release, Shape, helm_release
from components.cluster import ClusterSection
from components.external_secrets import HasExternalSecrets, external_secret
from components.names import LINKERD_BUOYANT
from components.vault import apart_from_anchors
from schema.faults import Fault
from schema.section import Section
from schema.values import Name, Text, VaultPath

CREDENTIALS_SECRET = "buoyant-cloud-org-credentials"  # noqa: S105
# The agent's health check wants it on the Secret.
LABELS = {"app.kubernetes.io/part-of": "buoyant-cloud"}


class BuoyantCredentials(Section):
    """Client credentials of the Buoyant Cloud agent."""

    source: Literal["vault", "config"] = Field(
        "vault", description="Vault through External Secrets, or encrypted stack config."
    )
    vault_path: VaultPath = Field(
        "buoyant-cloud",
        description="Path below the KV mount of the entry with `client_id` and `client_secret`.",
    )
    client_id: Text | None = Field(None, description="Client id, with source `config`.")
    client_secret: SecretStr | None = Field(
        None, description="Client secret, with source `config`: set it with `--secret`."
    )


class BuoyantCloudSection(Section):
    """The Buoyant Cloud agent."""

    # Its chart is not public: what it takes for scheduling and images is not known here.
    shapes: ClassVar[dict[str, Shape]] = {
        "linkerd-buoyant": Shape(
            pods=(),
            priority=(),
            pull_secrets=(),
            owned={"metadata.agentName": "buoyantCloud.agentName"},
        ),
    }

    enabled: bool = Field(False, description="Installs the agent chart `linkerd-buoyant`.")
    agent_name: Name | None = Field(
        None, description="Name of the cluster in Buoyant Cloud; default the cluster's name."
    )
    credentials: BuoyantCredentials = Field(
        BuoyantCredentials(), description="Credentials of the agent."
    )

    @property
    def vault_entries(self) -> dict[str, str]:
        """The entry with the credentials, and the namespace that reads it."""
        from_vault = self.enabled and self.credentials.source == "vault"
        return {self.credentials.vault_path: LINKERD_BUOYANT} if from_vault else {}

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return ("linkerd-buoyant",) if self.enabled else ()


class HasBuoyantCloud(Protocol):
    """A config with the section `buoyant_cloud`."""

    @property
    def buoyant_cloud(self) -> BuoyantCloudSection: ...  # noqa: D102


class BuoyantCloudArgs(Args):
    """The agent's chart and name. `vault_path` is where its credentials are, below the KV mount."""

    chart: ChartRef
    agent_name: str
    vault_path: str | None = "buoyant-cloud"
    refresh_interval: str = "10m0s"


class BuoyantCloud(Component, area="extensions"):
    """`linkerd-buoyant` in the namespace of that name.

    A Helm release, because the chart looks up objects of the cluster, which a rendering cannot.
    With no `vault_path` the credentials are `client_id` and `client_secret`.
    Follows https://docs.buoyant.io/buoyant-cloud/tasks/programmatic-agent-install/
    """

    release: Release

    def __init__(
        self,
        name: str,
        args: BuoyantCloudArgs,
        client_id: str | None = None,
        client_secret: pulumi.Output[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        self.release = helm_release(
            self,
            args.chart,
            LINKERD_BUOYANT,
            {"metadata": {"agentName": args.agent_name}},
            self._credentials(args, client_id, client_secret),
        )
        self.done(version=args.chart.version, agentName=args.agent_name)

    def _credentials(
        self,
        args: BuoyantCloudArgs,
        client_id: str | None,
        client_secret: pulumi.Output[str] | None,
    ) -> KubernetesObject:
        if args.vault_path is not None:
            keys = {"client_id": "client_id", "client_secret": "client_secret"}
            return self.apply(
                external_secret(
                    CREDENTIALS_SECRET,
                    LINKERD_BUOYANT,
                    args.vault_path,
                    keys,
                    args.refresh_interval,
                    LABELS,
                ),
                name="credentials",
                wait_for="condition=Ready",
            )
        return self.apply(credentials_secret(client_id, client_secret), name="credentials")


def credentials_secret(client_id: str | None, client_secret: pulumi.Output[str] | None) -> Manifest:
    """The Secret that the agent reads."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": CREDENTIALS_SECRET,
            "namespace": LINKERD_BUOYANT,
            "labels": LABELS,
        },
        "type": "Opaque",
        "stringData": {"client_id": client_id, "client_secret": client_secret},
    }


class _Config(HasBuoyantCloud, HasExternalSecrets, Protocol):
    """The sections that the agent is made from."""


def arguments(
    config: _Config, cluster: ClusterSection, charts: Mapping[str, ChartRef]
) -> BuoyantCloudArgs:
    """Arguments of `BuoyantCloud`."""
    section = config.buoyant_cloud
    return BuoyantCloudArgs(
        chart=charts["linkerd-buoyant"],
        agent_name=section.agent_name or cluster.name,
        vault_path=next(iter(section.vault_entries), None),
        refresh_interval=config.external_secrets.refresh_interval.go,
    )


def check(config: HasBuoyantCloud) -> Iterator[Fault]:
    """All faults of `buoyantCloud`.

    - `buoyantCloud.credentials`: `clientId` and `clientSecret` go with source `config`, and only
      with it; `vaultPath` does not lie below `anchors/` or `anchor-keys/`.
    """
    credentials = config.buoyant_cloud.credentials
    given = {"clientId": credentials.client_id, "clientSecret": credentials.client_secret}
    source = (("buoyantCloud", "credentials", "source"), ("buoyantCloud", "enabled"))
    for key, value in given.items():
        path = ("buoyantCloud", "credentials", key)
        if credentials.source == "vault" and value is not None:
            yield Fault(
                path,
                "is for source 'config': remove it, the credentials are in Vault",
                looks_at=source,
            )
        if credentials.source == "config" and value is None and config.buoyant_cloud.enabled:
            yield Fault(path, "missing: source 'config' needs it", looks_at=source)
    if credentials.source == "vault":
        path = ("buoyantCloud", "credentials", "vaultPath")
        yield from apart_from_anchors(path, credentials.vault_path)
