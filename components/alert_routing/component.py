"""Who hears of an alert: the routing for an Alertmanager, and the credentials it needs."""

from __future__ import annotations

from typing import Literal

import pulumi
from pydantic import Field

from components.alert_routing.routes import config_object, file
from components.alert_routing.routes.model import HEARTBEAT_KEY, RoutingArgs
from components.base import Args, Component, Manifest
from components.external_secrets import external_secret
from components.names import ALERT_ROUTING

CREDENTIALS = "linkerd-platform-alert-receivers"
FILE = "alertmanager.yaml"
# Where prometheus-operator mounts a Secret that an Alertmanager lists in its `secrets`:
# https://prometheus-operator.dev/docs/api-reference/api/ AlertmanagerSpec.
FOLDER = f"/etc/alertmanager/secrets/{CREDENTIALS}"


class AlertRoutingArgs(Args):
    """How the routing is delivered, and what it says.

    `credentials_folder` is where an Alertmanager that reads the file has the Secret mounted;
    `refresh_interval` is as Go writes a duration.
    """

    form: Literal["alertmanager-config", "file"] = "file"
    namespace: str = "monitoring"
    labels: dict[str, str] = Field({})
    credentials_folder: str = FOLDER
    refresh_interval: str = "10m0s"
    routing: RoutingArgs


class AlertRouting(Component, area="observability"):
    """An AlertmanagerConfig, or a ConfigMap with a file, and a Secret with all credentials.

    The credentials come from Vault through External Secrets, so neither form holds one.
    """

    def __init__(
        self, name: str, args: AlertRoutingArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        secret = self.apply(credentials(args), name="credentials", wait_for="condition=Ready")
        # prometheus-operator leaves a config out whose Secret is not there.
        self.apply(manifest(args), secret, name="routing")
        self.done(
            form=args.form,
            namespace=args.namespace,
            receivers=[receiver.name for receiver in args.routing.receivers],
        )


def credentials(args: AlertRoutingArgs) -> Manifest:
    """The ExternalSecret: a key per receiver, each from its own entry of Vault."""
    routing = args.routing
    entries = [(each.name, each.vault_path, each.vault_key) for each in routing.receivers]
    if beat := routing.heartbeat:
        entries.append((HEARTBEAT_KEY, beat.vault_path, beat.vault_key))
    made = external_secret(
        CREDENTIALS, args.namespace, "", {}, args.refresh_interval, args.labels or None
    )
    made["spec"]["data"] = [
        {"secretKey": key, "remoteRef": {"key": path, "property": remote}}
        for key, path, remote in entries
    ]
    return made


def manifest(args: AlertRoutingArgs) -> Manifest:
    """The object that carries the routing."""
    metadata: Manifest = {"name": ALERT_ROUTING, "namespace": args.namespace}
    if args.labels:
        metadata["labels"] = dict(args.labels)
    if args.form == "alertmanager-config":
        return {
            "apiVersion": "monitoring.coreos.com/v1alpha1",
            "kind": "AlertmanagerConfig",
            "metadata": metadata,
            "spec": config_object.spec(args.routing, CREDENTIALS),
        }
    text = file.as_text(file.content(args.routing, args.credentials_folder))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {FILE: text}}
