"""Runs in the pack's own environment: what each policy of the pack says of a resource, as JSON.

Stdin: a list of resources with `type`, `name`, `props`, and optionally `protect` and `provider`.
`<unknown>` in them stands for what the engine would not know yet.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi_policy as api
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policies.pack import packed


def resource(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of both kinds of policy."""
    props = json.loads(json.dumps(given["props"]).replace("<unknown>", UNKNOWN_STRING_VALUE))
    urn = f"urn:pulumi:production::linkerd-platform::{given['type']}::{given['name']}"
    provider = given.get("provider")
    return {
        "resource_type": given["type"],
        "props": unknown_checking_proxy(props),
        "urn": urn,
        "name": given["name"],
        "opts": api.PolicyResourceOptions(
            protect=given.get("protect", False),
            ignore_changes=[],
            delete_before_replace=None,
            aliases=[],
            custom_timeouts=api.PolicyCustomTimeouts(0, 0, 0),
            additional_secret_outputs=[],
        ),
        "provider": provider
        and api.PolicyProviderResource("pulumi:providers:x", {}, provider, provider),
    }


def main() -> None:
    """Judge, and print policy, urn and message of each violation."""
    given = [resource(each) for each in json.load(sys.stdin)]
    found: list[tuple[str, str | None, str]] = []
    for policy in packed():

        def report(message: str, urn: str | None = None, name: str = policy.name) -> None:
            found.append((name, urn, message))

        if isinstance(policy, api.StackValidationPolicy):
            every = [api.PolicyResource(**each, parent=None, dependencies=[],
                                        property_dependencies={}) for each in given]  # fmt: skip
            policy.validate(api.StackValidationArgs(every), report)
        else:
            for each in given:
                policy.validate(api.ResourceValidationArgs(**each), report)
    print(json.dumps(found))


main()
