"""The Buoyant Cloud agent, and its credentials as a Secret that no chart value holds."""

from __future__ import annotations

import pulumi

from components.base import Args, Component, KubernetesObject, Manifest
from components.chart import ChartRef, Release, helm_release
from components.external_secrets import external_secret
from components.names import LINKERD_BUOYANT

CREDENTIALS_SECRET = "buoyant-cloud-org-credentials"  # noqa: S105
# The agent's health check wants it on the Secret.
LABELS = {"app.kubernetes.io/part-of": "buoyant-cloud"}


class BuoyantCloudArgs(Args):
    """The agent's chart and name. `vault_path` is where its credentials are, below the KV mount."""

    chart: ChartRef
    agent_name: str
    vault_path: str | None
    refresh_interval: str


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
