"""What prometheus-operator makes of our AlertmanagerConfig, for amtool to read.

Follows prometheus-operator 0.93 pkg/alertmanager/amcfg.go: `AddAlertmanagerConfigs`,
`convertRoute`, `convertReceiver` and the enforcers of a namespace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Strategy = Literal["None", "OnNamespace"]
Plain = dict[str, Any]
# The Alertmanager's own config, which takes what no AlertmanagerConfig does.
ROOT = "null"
_FIELDS = {
    "sendResolved": "send_resolved",
    "titleLink": "title_link",
    "routingKey": "routing_key",
    "messageType": "message_type",
    "entityDisplayName": "entity_display_name",
    "stateMessage": "state_message",
    "monitoringTool": "monitoring_tool",
    "apiUrl": "api_url",
}
_CREDENTIALS = {"apiURL": "api_url", "apiKey": "api_key", "urlSecret": "url"}
_KINDS = {
    "slackConfigs": "slack_configs",
    "victoropsConfigs": "victorops_configs",
    "webhookConfigs": "webhook_configs",
}


def generated(config: Mapping[str, Any], secret: Mapping[str, str], strategy: Strategy) -> Plain:
    """The Alertmanager's config with one AlertmanagerConfig; `secret` is what its Secret holds."""
    metadata, spec = config["metadata"], config["spec"]
    prefix = f"{metadata['namespace']}/{metadata['name']}/"
    enforced = [f'namespace="{metadata["namespace"]}"'] if strategy == "OnNamespace" else []
    top = _route(spec["route"], prefix)
    top["matchers"] = [*top["matchers"], *enforced]
    return {
        "route": {"receiver": ROOT, "routes": [{**top, "continue": True}]},
        "inhibit_rules": [
            {
                "source_matchers": [*_matchers(rule["sourceMatch"]), *enforced],
                "target_matchers": [*_matchers(rule["targetMatch"]), *enforced],
                "equal": rule["equal"],
            }
            for rule in spec["inhibitRules"]
        ],
        "receivers": [
            {"name": ROOT},
            *(_receiver(each, prefix, secret) for each in spec["receivers"]),
        ],
    }


def _route(route: Mapping[str, Any], prefix: str) -> Plain:
    names = {
        "groupBy": "group_by",
        "groupWait": "group_wait",
        "groupInterval": "group_interval",
        "repeatInterval": "repeat_interval",
    }
    below = route.get("routes", [])
    return {
        "receiver": prefix + route["receiver"],
        "matchers": _matchers(route["matchers"]),
        **{new: route[old] for old, new in names.items() if old in route},
        **({"routes": [_route(each, prefix) for each in below]} if below else {}),
    }


def _matchers(matchers: Sequence[Mapping[str, str]]) -> list[str]:
    return [f'{m["name"]}{m["matchType"]}"{m["value"]}"' for m in matchers]


def _receiver(receiver: Mapping[str, Any], prefix: str, secret: Mapping[str, str]) -> Plain:
    made: Plain = {"name": prefix + receiver["name"]}
    for old, new in _KINDS.items():
        if old in receiver:
            made[new] = [dict(_fields(each, secret)) for each in receiver[old]]
    return made


def _fields(config: Mapping[str, Any], secret: Mapping[str, str]) -> list[tuple[str, Any]]:
    made: list[tuple[str, Any]] = []
    for key, value in config.items():
        if key in _CREDENTIALS:
            made.append((_CREDENTIALS[key], secret[value["key"]]))
        elif key == "customFields":
            made.append(("custom_fields", {each["key"]: each["value"] for each in value}))
        else:
            made.append((_FIELDS.get(key, key), value))
    return made
