"""The ConfigMap `linkerd-config`: the chart values that the control plane was installed with."""

from __future__ import annotations

from typing import Any

from bot.mesh.status.facts import Facts, NoAnswerError
from components.names import LINKERD
from schema import safe_yaml

NAME = "linkerd-config"


def config_of(facts: Facts) -> dict[str, Any]:
    """The values; raises NoAnswerError where the ConfigMap is not there or cannot be read."""
    data = facts.one("config map", LINKERD, NAME)
    try:
        values = safe_yaml.load(str((data or {}).get("values", "")))
    except safe_yaml.YamlError:
        values = None
    if not isinstance(values, dict):
        raise NoAnswerError(f"ConfigMap {LINKERD}/{NAME} has no values")
    return values


def version_of(facts: Facts) -> str:
    """The version of the control plane, such as `edge-26.6.3`; raises NoAnswerError."""
    found = config_of(facts).get("linkerdVersion")
    if not isinstance(found, str) or not found:
        raise NoAnswerError(f"ConfigMap {LINKERD}/{NAME} names no version")
    return found
