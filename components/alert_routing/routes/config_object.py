"""The routing as the spec of an AlertmanagerConfig, which names the Secret of the credentials.

Follows https://prometheus-operator.dev/docs/api-reference/api/ AlertmanagerConfig v1alpha1, whose
names are those of Alertmanager's file in camel case, but for a few.
"""

from __future__ import annotations

from typing import Any

from components.alert_routing.routes import wording
from components.alert_routing.routes.inhibition import inhibitions
from components.alert_routing.routes.model import Matcher, RoutingArgs, groups, platform_route

Plain = dict[str, Any]
_CREDENTIALS = {"slack": "apiURL", "splunk-on-call": "apiKey", "heartbeat": "urlSecret"}
_OTHERWISE = {"source_matchers": "sourceMatch", "target_matchers": "targetMatch"}


def spec(args: RoutingArgs, secret: str) -> Plain:
    """The whole spec; `secret` is in the same namespace."""

    def credential(of: str, key: str) -> Plain:
        return {_CREDENTIALS[of]: {"name": secret, "key": key}}

    return {
        "route": _named(wording.route(platform_route(args), _matcher)),
        "inhibitRules": [
            _named(wording.inhibition(each, _matcher)) for each in inhibitions(args.signing)
        ],
        "receivers": [_named(wording.receiver(each, credential)) for each in groups(args)],
    }


def _matcher(matcher: Matcher) -> Plain:
    return {"name": matcher.name, "value": matcher.value, "matchType": matcher.operator}


def _named(value: Any) -> Any:
    """The same by the names that the object has for it."""
    if isinstance(value, list):
        return [_named(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        _OTHERWISE.get(key) or _camel_case(key): (
            [{"key": k, "value": v} for k, v in below.items()]
            if key == "custom_fields"
            else _named(below)
        )
        for key, below in value.items()
    }


def _camel_case(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(each.capitalize() for each in others)
