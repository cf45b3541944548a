"""The section about who hears of an alert: receivers, routes, grouping, the heartbeat."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from schema.section import Section
from schema.values import (
    Duration,
    Name,
    StackName,
    ValueKind,
    VaultPath,
    described,
    http_url,
    shown,
)
from schema.words import Folder, LabelKey, LabelValue

Severity = Literal["critical", "warning", "info"]
_CHANNEL = re.compile(r"[#@][^\s#@<>&]{1,79}|[CGD][A-Z0-9]{8,12}")


def channel(text: str) -> str:
    """A channel of Slack by its name or id; raises ValueError otherwise."""
    if _CHANNEL.fullmatch(text) and text.isprintable():
        return text
    raise ValueError(
        f"{shown(text)} is no channel: write it in quotes like '#mesh-alerts', or its id"
    )


def routing_key(text: str) -> str:
    """A routing key of Splunk On-Call; raises ValueError otherwise."""
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", text):
        return text
    raise ValueError(f"{shown(text)} is no routing key: write it like mesh-production")


def vault_key(text: str) -> str:
    """A key of an entry in Vault; raises ValueError otherwise."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,100}", text):
        return text
    raise ValueError(f"{shown(text)} is no key of an entry in Vault: write it like api_key")


def label_name(text: str) -> str:
    """A label of an alert, as Prometheus names them; raises ValueError otherwise."""
    if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}", text):
        return text
    raise ValueError(f"{shown(text)} is no label of an alert: write it like cluster")


def relay_url(text: str) -> str:
    """An address up to `/alert`, without the key behind it; raises ValueError otherwise."""
    path = urlsplit(http_url(text)).path
    if not _KEY_IN_PATH.search(path) and not urlsplit(text).query:
        return text
    raise ValueError(
        f"{described(text)} carries a key: write it up to /alert, and put the key into the entry "
        "in Vault that vaultPath names"
    )


# Behind `/alert/` Splunk On-Call has the key and the routing key.
_KEY_IN_PATH = re.compile(r"/alert/+[^/]|/(?=[^/]*[0-9])[^/]{16,}(?:/|\Z)")
RelayUrl = Annotated[
    str, AfterValidator(relay_url), ValueKind("http address", "https://host.example.com/alert")
]
Channel = Annotated[str, AfterValidator(channel), ValueKind("channel", "#a")]
RoutingKey = Annotated[str, AfterValidator(routing_key), ValueKind("routing key")]
VaultKey = Annotated[str, AfterValidator(vault_key), ValueKind("key in Vault")]
LabelName = Annotated[str, AfterValidator(label_name), ValueKind("label")]


class Receiver(Section):
    """Who hears of alerts. Its credential is in Vault, and nowhere else."""

    name: Name = Field(description="Its name, by which routes call it.")
    type: Literal["slack", "splunk-on-call"] = Field(
        description="`slack`: an incoming webhook. `splunk-on-call`: the REST endpoint of Splunk "
        "On-Call, which was VictorOps."
    )
    vault_path: VaultPath = Field(
        description="Path below the KV mount of the entry with its credential."
    )
    vault_key: VaultKey | None = Field(
        None,
        description="Key of the credential in that entry; default `url` for Slack, the whole "
        "address of the webhook, and `api_key` for Splunk On-Call.",
    )
    channel: Channel | None = Field(None, description="Channel, for type `slack`.")
    routing_key: RoutingKey | None = Field(
        None, description="Routing key, for type `splunk-on-call`: which team is called."
    )
    api_url: RelayUrl | None = Field(
        None,
        description="Address of a relay for type `splunk-on-call`, up to `/alert`; default Splunk "
        "On-Call's own.",
    )


class Route(Section):
    """Which receivers get the alerts of a severity; the first route that matches takes them."""

    severity: Severity = Field(description="Severity of the alerts.")
    environments: tuple[StackName, ...] = Field(
        (), description="Environments, which are stacks, that it is for; default all."
    )
    to: tuple[Name, ...] = Field(description="Names of the receivers; each is told.")
    repeat_interval: Duration | None = Field(
        None, description="Interval at which what goes on is told again; default as above."
    )


class Heartbeat(Section):
    """A dead man's switch: an alert that always fires, sent to a service that misses it."""

    vault_path: VaultPath = Field(
        description="Path below the KV mount of the entry with the address that is posted to."
    )
    vault_key: VaultKey = Field("url", description="Key of the address in that entry.")
    interval: Duration = Field(Duration(300), description="Interval of the posts, from 1m to 24h.")


class RoutingSection(Section):
    """Who hears of the alerts of the platform."""

    form: Literal["off", "alertmanager-config", "file"] = Field(
        "off",
        description="`alertmanager-config`: an object for prometheus-operator, whose CRDs must be "
        "there. `file`: a ConfigMap with the file of an Alertmanager. In quotes: YAML takes a bare "
        "`off` for something else.",
    )
    namespace: Name = Field(
        "monitoring",
        description="Namespace of these objects and of the Secret with the credentials, which must "
        "be there.",
    )
    labels: dict[LabelKey, LabelValue] = Field(
        {}, description="Labels of these objects, by which an Alertmanager selects them."
    )
    credentials_folder: Folder | None = Field(
        None,
        description="Folder at which that Alertmanager has the Secret mounted, for form `file`; "
        "default where prometheus-operator mounts it.",
    )
    receivers: tuple[Receiver, ...] = Field((), description="Who hears of alerts.")
    routes: tuple[Route, ...] = Field(
        (),
        description="Who hears of what; without any, `critical` goes to all receivers, `warning` "
        "to those of type `slack`, and `info` to nobody.",
    )
    unmatched: tuple[Name, ...] = Field(
        (),
        description="Receivers of alerts that are not the platform's, for form `file`; default "
        "nobody.",
    )
    group_by: tuple[LabelName, ...] = Field(
        ("cluster", "alertname", "namespace"),
        description="Labels that the alerts of one message share.",
    )
    group_wait: Duration = Field(
        Duration(30), description="Time that a first message waits for more alerts, 1s to 10m."
    )
    group_interval: Duration = Field(
        Duration(300), description="Time between messages about one group, 5s to 1h."
    )
    repeat_interval: Duration = Field(
        Duration(4 * 3600),
        description="Interval at which what goes on is told again, up to 120h.",
    )
    heartbeat: Heartbeat | None = Field(
        None, description="Tells a service outside that alerts still arrive."
    )

    @property
    def has_heartbeat(self) -> bool:
        """Whether an alert must fire all the time, for a service to miss it."""
        return self.form != "off" and self.heartbeat is not None

    @property
    def vault_entries(self) -> dict[str, str]:
        """The entries with credentials, and the namespace that reads them."""
        if self.form == "off":
            return {}
        paths = {each.vault_path for each in self.receivers}
        paths |= {self.heartbeat.vault_path} if self.heartbeat else set()
        return dict.fromkeys(sorted(paths), self.namespace)
