"""Stack files with one fault each in the section `observability.routing`, as `one_fault` has it."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.stack_files import KeyPath

ROUTING = "observability.routing"
RECEIVERS = f"{ROUTING}.receivers"
ROUTES = f"{ROUTING}.routes"
ALERTS = {"form": "prometheus-rule", "runbooks": "https://runbooks.example.com"}
SLACK = {
    "name": "mesh-slack",
    "type": "slack",
    "vaultPath": "alerting/slack",
    "channel": "#mesh-alerts",
}
ON_CALL = {
    "name": "on-call",
    "type": "splunk-on-call",
    "vaultPath": "alerting/splunk-on-call",
    "routingKey": "mesh",
}
BEAT = {"vaultPath": "alerting/heartbeat"}


def on(**section: Any) -> dict[KeyPath, Any]:
    """A routing that is on, with these keys."""
    # Each part anew: YAML would write a second mention of the same as an alias.
    given = json.loads(json.dumps({"form": "file", "receivers": [SLACK, ON_CALL]} | section))
    return {("observability",): {"alerts": ALERTS, "routing": given}}


def receiver(base: dict[str, str], **changes: Any) -> dict[KeyPath, Any]:
    """One receiver alone, changed; a key that becomes None is left out."""
    made = {key: value for key, value in {**base, **changes}.items() if value is not None}
    return on(receivers=[made])


def routes(*given: tuple[str, list[str], list[str]]) -> dict[KeyPath, Any]:
    """Routes by severity, receivers and environments."""
    return on(
        routes=[
            {"severity": severity, "to": names, "environments": environments}
            for severity, names, environments in given
        ]
    )


BOTH = ["mesh-slack", "on-call"]

FAULTS: dict[str, tuple[dict[KeyPath, Any], str, str]] = {
    "routing-form": (on(form="alertmanagerconfig"), f"{ROUTING}.form", "alertmanager-config"),
    "routing-alerts": (
        {("observability",): {"routing": {"form": "file", "receivers": [SLACK]}}},
        f"{ROUTING}.form",
        "there are no alerts to route: set observability.alerts.form",
    ),
    "routing-receivers": (on(receivers=[]), RECEIVERS, "missing: name at least one receiver"),
    "routing-namespace": (on(namespace="Monitoring"), f"{ROUTING}.namespace", "write 'monitoring'"),
    "routing-label": (on(labels={"a": "b c"}), f"{ROUTING}.labels.a", "not a label value"),
    "credentials-relative": (
        on(credentialsFolder="secrets"),
        f"{ROUTING}.credentialsFolder",
        "is no folder: write it like /etc/alertmanager/secrets/mesh",
    ),
    "credentials-operator": (
        on(form="alertmanager-config", credentialsFolder="/secrets"),
        f"{ROUTING}.credentialsFolder",
        "is for form 'file': remove it",
    ),
    "receiver-type": (receiver(SLACK, type="victorops"), f"{RECEIVERS}[0].type", "splunk-on-call"),
    "receiver-name": (
        receiver(SLACK, name="Mesh"),
        f"{RECEIVERS}[0].name",
        "a text of 4 characters is not a Kubernetes name (lower-case letters, digits",
    ),
    "receiver-twice": (on(receivers=[SLACK, SLACK]), f"{RECEIVERS}[1].name", "listed twice"),
    "receiver-path": (
        receiver(SLACK, vaultPath=None),
        f"{RECEIVERS}[0].vaultPath",
        "missing: Path below the KV mount of the entry with its credential",
    ),
    "receiver-path-slash": (
        receiver(SLACK, vaultPath="/alerting"),
        f"{RECEIVERS}[0].vaultPath",
        "not a Vault path",
    ),
    "receiver-path-anchors": (
        receiver(SLACK, vaultPath="anchors/slack"),
        f"{RECEIVERS}[0].vaultPath",
        "every cluster may read what is below anchors/: take another path",
    ),
    "receiver-path-keys": (
        receiver(ON_CALL, vaultPath="anchor-keys"),
        f"{RECEIVERS}[0].vaultPath",
        "a signing cluster may read what is below anchor-keys/",
    ),
    "receiver-key": (
        receiver(SLACK, vaultKey="a.b"),
        f"{RECEIVERS}[0].vaultKey",
        "is no key of an entry in Vault: write it like api_key",
    ),
    "slack-channel": (
        receiver(SLACK, channel=None),
        f"{RECEIVERS}[0].channel",
        "missing: type 'slack' needs it, such as '#mesh-alerts'",
    ),
    "slack-channel-bare": (
        receiver(SLACK, channel="mesh-alerts"),
        f"{RECEIVERS}[0].channel",
        "is no channel: write it in quotes like '#mesh-alerts'",
    ),
    "slack-routing-key": (
        receiver(SLACK, routingKey="mesh"),
        f"{RECEIVERS}[0].routingKey",
        "is for type 'splunk-on-call': remove it",
    ),
    "slack-api-url": (
        receiver(SLACK, apiUrl="https://relay.example.com"),
        f"{RECEIVERS}[0].apiUrl",
        "is for type 'splunk-on-call': remove it",
    ),
    "on-call-routing-key": (
        receiver(ON_CALL, routingKey=None),
        f"{RECEIVERS}[0].routingKey",
        "missing: type 'splunk-on-call' needs it, such as mesh-production",
    ),
    "on-call-routing-key-path": (
        receiver(ON_CALL, routingKey="mesh/production"),
        f"{RECEIVERS}[0].routingKey",
        "is no routing key: write it like mesh-production",
    ),
    "on-call-channel": (
        receiver(ON_CALL, channel="#a"),
        f"{RECEIVERS}[0].channel",
        "is for type 'slack': remove it",
    ),
    "on-call-api-url": (
        receiver(ON_CALL, apiUrl="https://me:word@relay.example.com"),
        f"{RECEIVERS}[0].apiUrl",
        "not an address without credentials",
    ),
    "route-severity": (routes(("page", BOTH, [])), f"{ROUTES}[0].severity", "'critical'"),
    "route-receiver": (
        routes(("critical", ["mesh-slak", "on-call"], []), ("warning", ["mesh-slack"], [])),
        f"{ROUTES}[0].to[0]",
        "'mesh-slak' is no receiver; did you mean 'mesh-slack'?",
    ),
    "route-receiver-unlike": (
        routes(("critical", [*BOTH, "x"], [])),
        f"{ROUTES}[0].to[2]",
        "'x' is no receiver; known: mesh-slack, on-call",
    ),
    "route-receiver-twice": (
        routes(("critical", [*BOTH, "on-call"], [])),
        f"{ROUTES}[0].to[2]",
        "'on-call' is listed twice: keep one",
    ),
    "route-nobody": (
        routes(("critical", BOTH, []), ("info", [], [])),
        f"{ROUTES}[1].to",
        "names none: without a route info reaches nobody",
    ),
    "route-unreached": (
        routes(("critical", BOTH, []), ("critical", BOTH, ["staging"])),
        f"{ROUTES}[1].severity",
        "is never reached: routes[0] takes every critical alert that it is for",
    ),
    "route-unreached-part": (
        routes(
            ("critical", BOTH, ["staging", "sandbox"]),
            ("critical", BOTH, ["staging"]),
            ("critical", BOTH, []),
        ),
        f"{ROUTES}[1].severity",
        "is never reached: routes[0]",
    ),
    "route-critical": (
        routes(("critical", BOTH, ["production"])),
        ROUTES,
        "no route takes critical in every environment, so it may reach nobody",
    ),
    "route-environment": (
        routes(("critical", BOTH, ["-staging"]), ("critical", BOTH, [])),
        f"{ROUTES}[0].environments[0]",
        "begins and ends with a letter or digit",
    ),
    "route-unused": (
        routes(("critical", ["on-call"], [])),
        f"{RECEIVERS}[0].name",
        "'mesh-slack' is in no route, so it hears of nothing",
    ),
    "route-repeat": (
        on(routes=[{"severity": "critical", "to": BOTH, "repeatInterval": "1m"}]),
        f"{ROUTES}[0].repeatInterval",
        "1m is out of range: write 5m (groupInterval) to 120h",
    ),
    "unmatched-receiver": (
        on(unmatched=["others"]),
        f"{ROUTING}.unmatched[0]",
        "'others' is no receiver; known: mesh-slack, on-call",
    ),
    "unmatched-operator": (
        on(form="alertmanager-config", unmatched=["mesh-slack"]),
        f"{ROUTING}.unmatched",
        "is for form 'file': remove it",
    ),
    "group-by-label": (
        on(groupBy=["cluster", "alertname", "a-b"]),
        f"{ROUTING}.groupBy[2]",
        "is no label of an alert: write it like cluster",
    ),
    "group-by-lacks": (
        on(groupBy=["namespace"]),
        f"{ROUTING}.groupBy",
        "lacks cluster and alertname",
    ),
    "group-by-twice": (
        on(groupBy=["cluster", "alertname", "cluster"]),
        f"{ROUTING}.groupBy[2]",
        "'cluster' is listed twice",
    ),
    "group-wait": (on(groupWait="11m"), f"{ROUTING}.groupWait", "out of range: write 1s to 10m"),
    "group-interval": (
        on(groupInterval="1s"),
        f"{ROUTING}.groupInterval",
        "out of range: write 5s to 1h",
    ),
    "repeat-interval": (
        on(repeatInterval="200h"),
        f"{ROUTING}.repeatInterval",
        "200h is out of range: write 5m (groupInterval) to 120h",
    ),
    "heartbeat-path": (
        on(heartbeat={}),
        f"{ROUTING}.heartbeat.vaultPath",
        "missing: Path below the KV mount",
    ),
    "heartbeat-anchors": (
        on(heartbeat={"vaultPath": "anchors"}),
        f"{ROUTING}.heartbeat.vaultPath",
        "every cluster may read",
    ),
    "heartbeat-interval": (
        on(heartbeat={**BEAT, "interval": "30s"}),
        f"{ROUTING}.heartbeat.interval",
        "30s is out of range: write 1m to 24h",
    ),
    "heartbeat-disabled": (
        {
            ("observability",): {
                "alerts": {**ALERTS, "disabled": ["LinkerdWatchdog"]},
                "routing": {"form": "file", "receivers": [SLACK], "heartbeat": BEAT},
            }
        },
        "observability.alerts.disabled[0]",
        "'LinkerdWatchdog' is what the heartbeat sends",
    ),
    "watchdog-unknown": (
        {("observability",): {"alerts": {**ALERTS, "disabled": ["LinkerdWatchdog"]}}},
        "observability.alerts.disabled[0]",
        "is no alert",
    ),
}
