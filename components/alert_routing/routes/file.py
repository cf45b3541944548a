"""The routing as the file of an Alertmanager, which reads each credential from a file beside it.

Follows https://prometheus.io/docs/alerting/latest/configuration/. `api_key_file` of VictorOps is
there since Alertmanager 0.25, `url_file` of a webhook since 0.26.
"""

from __future__ import annotations

from typing import Any

import yaml

from components.alert_routing.routes import wording
from components.alert_routing.routes.inhibition import inhibitions
from components.alert_routing.routes.model import (
    NOBODY,
    UNMATCHED,
    Node,
    RoutingArgs,
    groups,
    platform_route,
)

Plain = dict[str, Any]
_CREDENTIALS = {
    "slack": "api_url_file",
    "splunk-on-call": "api_key_file",
    "heartbeat": "url_file",
}


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as it is read."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def content(args: RoutingArgs, folder: str) -> Plain:
    """The whole file; `folder` is where the credentials are mounted."""

    def credential(of: str, key: str) -> Plain:
        return {_CREDENTIALS[of]: f"{folder}/{key}"}

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
        "route": wording.route(root, str),
        "inhibit_rules": [wording.inhibition(each, str) for each in inhibitions(args.signing)],
        "receivers": [wording.receiver(each, credential) for each in groups(args)],
    }


def as_text(made: Plain) -> str:
    """The text of the file; the same for the same routing."""
    return yaml.dump(made, Dumper=_Dumper, sort_keys=False, width=1000)
