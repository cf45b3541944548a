"""The routing as the file of an Alertmanager, which reads each credential from a file beside it.

Follows https://prometheus.io/docs/alerting/latest/configuration/. `api_key_file` of VictorOps is
there since Alertmanager 0.25, `url_file` of a webhook since 0.26.
"""

from __future__ import annotations

from typing import Any

import yaml

from components.alert_routes import messages
from components.alert_routes.inhibition import Inhibition, inhibitions
from components.alert_routes.model import (
    HEARTBEAT_KEY,
    NOBODY,
    UNMATCHED,
    Group,
    Node,
    ReceiverArgs,
    RoutingArgs,
    groups,
    platform_route,
)

Plain = dict[str, Any]


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as it is read."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def content(args: RoutingArgs, folder: str) -> Plain:
    """The whole file; `folder` is where the credentials are mounted."""
    root = Node(
        UNMATCHED if args.unmatched else NOBODY,
        (),
        args.group_by,
        args.group_wait,
        args.group_interval,
        args.repeat_interval,
        (platform_route(args),),
    )
    return {
        "route": _route(root),
        "inhibit_rules": [_inhibition(each) for each in inhibitions(args.signing)],
        "receivers": [_receiver(each, folder) for each in groups(args)],
    }


def as_text(made: Plain) -> str:
    """The text of the file; the same for the same routing."""
    return yaml.dump(made, Dumper=_Dumper, sort_keys=False, width=1000)


def _route(node: Node) -> Plain:
    given = {
        "receiver": node.receiver,
        "matchers": [str(matcher) for matcher in node.matchers],
        "group_by": list(node.group_by),
        "group_wait": node.group_wait,
        "group_interval": node.group_interval,
        "repeat_interval": node.repeat_interval,
        "routes": [_route(below) for below in node.routes],
    }
    return {key: value for key, value in given.items() if value}


def _inhibition(rule: Inhibition) -> Plain:
    return {
        "source_matchers": [str(matcher) for matcher in rule.source],
        "target_matchers": [str(matcher) for matcher in rule.target],
        "equal": list(rule.equal),
    }


def _receiver(group: Group, folder: str) -> Plain:
    made: Plain = {"name": group.name}
    if group.heartbeat:
        beat = {"send_resolved": False, "url_file": f"{folder}/{HEARTBEAT_KEY}"}
        made["webhook_configs"] = [beat]
    if slack := [_slack(each, folder) for each in group.members if each.type == "slack"]:
        made["slack_configs"] = slack
    if called := [_on_call(each, folder) for each in group.members if each.type != "slack"]:
        made["victorops_configs"] = called
    return made


def _slack(receiver: ReceiverArgs, folder: str) -> Plain:
    return {
        "send_resolved": True,
        "api_url_file": f"{folder}/{receiver.name}",
        "channel": receiver.channel,
        "color": messages.SLACK_COLOR,
        "title": messages.TITLE,
        "title_link": messages.RUNBOOK,
        "fallback": messages.TITLE,
        "text": messages.SLACK_TEXT,
    }


def _on_call(receiver: ReceiverArgs, folder: str) -> Plain:
    return {
        "send_resolved": True,
        "api_key_file": f"{folder}/{receiver.name}",
        **({"api_url": receiver.api_url} if receiver.api_url else {}),
        "routing_key": receiver.routing_key,
        "message_type": messages.MESSAGE_TYPE,
        "entity_display_name": messages.TITLE,
        "state_message": messages.STATE_MESSAGE,
        "monitoring_tool": messages.MONITORING_TOOL,
        "custom_fields": dict(messages.CUSTOM_FIELDS),
    }
