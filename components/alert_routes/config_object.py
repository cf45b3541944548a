"""The routing as the spec of an AlertmanagerConfig, which names the Secret of the credentials.

Follows https://prometheus-operator.dev/docs/api-reference/api/ AlertmanagerConfig v1alpha1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.alert_routes import messages
from components.alert_routes.inhibition import Inhibition, inhibitions
from components.alert_routes.model import (
    HEARTBEAT_KEY,
    Group,
    Matcher,
    Node,
    ReceiverArgs,
    RoutingArgs,
    groups,
    platform_route,
)

Plain = dict[str, Any]


def spec(args: RoutingArgs, secret: str) -> Plain:
    """The whole spec; `secret` is in the same namespace."""
    return {
        "route": _route(platform_route(args)),
        "inhibitRules": [_inhibition(each) for each in inhibitions(args.signing)],
        "receivers": [_receiver(each, secret) for each in groups(args)],
    }


def _route(node: Node) -> Plain:
    given = {
        "receiver": node.receiver,
        "matchers": _matchers(node.matchers),
        "groupBy": list(node.group_by),
        "groupWait": node.group_wait,
        "groupInterval": node.group_interval,
        "repeatInterval": node.repeat_interval,
        "routes": [_route(below) for below in node.routes],
    }
    return {key: value for key, value in given.items() if value}


def _matchers(matchers: Sequence[Matcher]) -> list[Plain]:
    return [{"name": m.name, "value": m.value, "matchType": m.operator} for m in matchers]


def _inhibition(rule: Inhibition) -> Plain:
    return {
        "sourceMatch": _matchers(rule.source),
        "targetMatch": _matchers(rule.target),
        "equal": list(rule.equal),
    }


def _receiver(group: Group, secret: str) -> Plain:
    made: Plain = {"name": group.name}
    if group.heartbeat:
        beat = {"sendResolved": False, "urlSecret": {"name": secret, "key": HEARTBEAT_KEY}}
        made["webhookConfigs"] = [beat]
    if slack := [_slack(each, secret) for each in group.members if each.type == "slack"]:
        made["slackConfigs"] = slack
    if called := [_on_call(each, secret) for each in group.members if each.type != "slack"]:
        made["victoropsConfigs"] = called
    return made


def _slack(receiver: ReceiverArgs, secret: str) -> Plain:
    return {
        "sendResolved": True,
        "apiURL": {"name": secret, "key": receiver.name},
        "channel": receiver.channel,
        "color": messages.SLACK_COLOR,
        "title": messages.TITLE,
        "titleLink": messages.RUNBOOK,
        "fallback": messages.TITLE,
        "text": messages.SLACK_TEXT,
    }


def _on_call(receiver: ReceiverArgs, secret: str) -> Plain:
    return {
        "sendResolved": True,
        "apiKey": {"name": secret, "key": receiver.name},
        **({"apiUrl": receiver.api_url} if receiver.api_url else {}),
        "routingKey": receiver.routing_key,
        "messageType": messages.MESSAGE_TYPE,
        "entityDisplayName": messages.TITLE,
        "stateMessage": messages.STATE_MESSAGE,
        "monitoringTool": messages.MONITORING_TOOL,
        "customFields": [{"key": k, "value": v} for k, v in messages.CUSTOM_FIELDS.items()],
    }
