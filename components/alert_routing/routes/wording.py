"""What both forms of the routing say, in the words of Alertmanager's own file.

Follows https://prometheus.io/docs/alerting/latest/configuration/. The forms differ in how a matcher
is written and in where a credential is, which the callers say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from components.alert_routing.routes import messages
from components.alert_routing.routes.inhibition import Inhibition
from components.alert_routing.routes.model import (
    HEARTBEAT_KEY,
    Matcher,
    MessageGroup,
    Node,
    ReceiverArgs,
)

Plain = dict[str, Any]
Matching = Callable[[Matcher], Any]
# Where a receiver of this type finds the credential of this name: a key and its value.
Credential = Callable[[Literal["slack", "splunk-on-call", "heartbeat"], str], Plain]


def route(node: Node, matching: Matching) -> Plain:
    """A route with those below it; what is empty is left out."""
    given = {
        "receiver": node.receiver,
        "matchers": [matching(matcher) for matcher in node.matchers],
        "group_by": list(node.group_by),
        "group_wait": node.group_wait,
        "group_interval": node.group_interval,
        "repeat_interval": node.repeat_interval,
        "routes": [route(below, matching) for below in node.routes],
    }
    return {key: value for key, value in given.items() if value}


def inhibition(rule: Inhibition, matching: Matching) -> Plain:
    """Which alerts mute which."""
    return {
        "source_matchers": [matching(matcher) for matcher in rule.source],
        "target_matchers": [matching(matcher) for matcher in rule.target],
        "equal": list(rule.equal),
    }


def receiver(group: MessageGroup, credential: Credential) -> Plain:
    """Everybody that one route tells."""
    made: Plain = {"name": group.name}
    if group.heartbeat:
        beat = {"send_resolved": False, **credential("heartbeat", HEARTBEAT_KEY)}
        made["webhook_configs"] = [beat]
    if slack := [_slack(each, credential) for each in group.members if each.type == "slack"]:
        made["slack_configs"] = slack
    if called := [_on_call(each, credential) for each in group.members if each.type != "slack"]:
        made["victorops_configs"] = called
    return made


def _slack(args: ReceiverArgs, credential: Credential) -> Plain:
    return {
        "send_resolved": True,
        **credential(args.type, args.name),
        "channel": args.channel,
        "color": messages.SLACK_COLOR,
        "title": messages.TITLE,
        "title_link": messages.RUNBOOK,
        "fallback": messages.TITLE,
        "text": messages.SLACK_TEXT,
    }


def _on_call(args: ReceiverArgs, credential: Credential) -> Plain:
    return {
        "send_resolved": True,
        **credential(args.type, args.name),
        **({"api_url": args.api_url} if args.api_url else {}),
        "routing_key": args.routing_key,
        "message_type": messages.MESSAGE_TYPE,
        "entity_display_name": messages.TITLE,
        "state_message": messages.STATE_MESSAGE,
        "monitoring_tool": messages.MONITORING_TOOL,
        "custom_fields": dict(messages.CUSTOM_FIELDS),
    }
