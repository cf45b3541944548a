"""Conditions of rules about who hears of an alert: the routing, in either of its forms.

Semantics: https://prometheus.io/docs/alerting/latest/configuration/#route
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.changes.model import Change, Op
from bot.changes.objects import goes, items, last_key, mapping
from components.names import ALERT_ROUTING

SEVERITIES = ("critical", "warning", "info")
_OTHERS = "other environments"
_MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')
# Lists of a receiver, what is told in each, and by which key: of a file, and of an object.
_LISTS = (
    ("slack_configs", "channel", "Slack "),
    ("slackConfigs", "channel", "Slack "),
    ("victorops_configs", "routing_key", "Splunk On-Call "),
    ("victoropsConfigs", "routingKey", "Splunk On-Call "),
)
_HEARTBEAT = "heartbeat"
Answer = bool | str
Calls = Mapping[tuple[str, str], frozenset[str]]


def is_routing(change: Change) -> bool:
    """The routing of the platform's alerts."""
    kinds = ("AlertmanagerConfig", "ConfigMap")
    return change.kind in kinds and change.object_name == ALERT_ROUTING


def routing_goes(change: Change) -> Answer:
    """All of it goes."""
    return goes(change) and is_routing(change)


def calls_end(change: Change) -> Answer:
    """Somebody is no longer told of what they were told of."""
    if change.op is not Op.UPDATE or not is_routing(change):
        return False
    before, after = _content(change.before), _content(change.after)
    known = sorted({*_environments(before), *_environments(after)})
    told = [_calls(side, known) for side in (before, after)]
    lost: dict[tuple[str, str], list[str]] = {}
    for (severity, environment), receivers in told[0].items():
        for receiver in receivers - told[1][severity, environment]:
            lost.setdefault((severity, receiver), []).append(environment)
    ended = [
        f"{severity} to {receiver}" + ("" if len(where) > len(known) else f" in {', '.join(where)}")
        for (severity, receiver), where in sorted(lost.items())
    ]
    if _HEARTBEAT in _names(before) - _names(after):
        ended.append(_HEARTBEAT)
    return "; ".join(ended)


def routing_changes(change: Change) -> Answer:
    """Anything else about it."""
    return change.op is Op.UPDATE and is_routing(change) and change.touches("spec", "data")


_RULES = "linkerd-platform:observability:Alerts$"
_MONITORS = ("PodMonitor", "ServiceMonitor")
_SCRAPING = frozenset({"interval", "scrapeTimeout", "metadata"})


def is_rules(change: Change) -> bool:
    """Alert and recording rules, in either of their forms."""
    return change.kind == "PrometheusRule" or _RULES in change.urn


def alerts_end(change: Change) -> Answer:
    """Alerts that there were are in the rules no longer."""
    if change.op is not Op.UPDATE or not is_rules(change):
        return False
    before, after = _alerts(change.before), _alerts(change.after)
    return before is not None and ", ".join(sorted(before - (after or set())))


def rules_change(change: Change) -> Answer:
    """Thresholds, texts and labels of rules, and alerts that come."""
    if change.op is not Op.UPDATE or not is_rules(change):
        return False
    return None not in (_alerts(change.before), _alerts(change.after))


def monitor_changes(change: Change) -> Answer:
    """How often is scraped, and by which Prometheus; what is scraped stays."""
    return (
        change.op is Op.UPDATE
        and change.kind in _MONITORS
        and all(
            field.path.startswith("metadata.") or last_key(field.path) in _SCRAPING
            for field in change.fields
        )
        and bool(change.fields)
    )


def _alerts(side: Any) -> set[str] | None:
    """The names of the alerts; None where the rules cannot be read."""
    groups = _content(side).get("groups")
    if not isinstance(groups, list | tuple):
        return None
    rules = (rule for group in groups for rule in items(mapping(group).get("rules")))
    return {str(mapping(rule)["alert"]) for rule in rules if "alert" in mapping(rule)}


def _content(side: Any) -> Mapping[str, Any]:
    """The routing of one side; nothing where it cannot be read."""
    # Here: few changes have such a text, and every comment would wait for the reader.
    from bot.text import yaml_values

    found = mapping(side)
    if "spec" in found:
        return mapping(found["spec"])
    for text in mapping(found.get("data")).values():
        try:
            return mapping(yaml_values.load(str(text)))
        except yaml_values.NoValuesError:
            return {}
    return {}


def _calls(content: Mapping[str, Any], environments: list[str]) -> Calls:
    """Who is told, by severity and environment."""
    receivers = {
        str(each.get("name")): frozenset(_told(each))
        for each in map(mapping, items(content.get("receivers")))
    }
    made = {}
    for severity in SEVERITIES:
        for environment in (*environments, _OTHERS):
            labels = {"severity": severity, "environment": environment}
            name = next((n for n, matchers in _routes(content) if _takes(matchers, labels)), "")
            made[severity, environment] = receivers.get(name, frozenset())
    return made


def _names(content: Mapping[str, Any]) -> set[str]:
    return {str(each.get("name")) for each in map(mapping, items(content.get("receivers")))}


def _told(receiver: Mapping[str, Any]) -> Iterator[str]:
    for name, key, words in _LISTS:
        for each in map(mapping, items(receiver.get(name))):
            yield f"{words}{each.get(key)}"


def _routes(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, list[str]]]]:
    """The routes with a severity, in order: receiver, and values by label."""
    stack = [mapping(content.get("route"))]
    while stack:
        route = stack.pop(0)
        matchers = dict(_matchers(route.get("matchers")))
        if "severity" in matchers:
            yield str(route.get("receiver")), matchers
        stack = [*map(mapping, items(route.get("routes"))), *stack]


def _matchers(found: Any) -> Iterator[tuple[str, list[str]]]:
    for each in items(found):
        if isinstance(each, Mapping):
            yield str(each.get("name")), str(each.get("value")).split("|")
        elif match := _MATCHER.fullmatch(str(each)):
            yield match[1], match[3].split("|")


def _takes(matchers: Mapping[str, list[str]], labels: Mapping[str, str]) -> bool:
    return all(labels[name] in values for name, values in matchers.items() if name in labels)


def _environments(content: Mapping[str, Any]) -> Iterator[str]:
    for _, matchers in _routes(content):
        yield from matchers.get("environment", [])
