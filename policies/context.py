"""What the policies know of a stack, from its files as they stand.

For the policy pack, which runs in a process of the engine's; the bot has the validated config.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policies.model import Context
from stack import safe_yaml
from stack.input_file import read_text

PROJECT = Path(__file__).resolve().parent.parent
_PREFIX = "linkerd-platform:"
# Defaults of stack/config.py; a test compares what both make of every stack file.
FAILURE_POLICY = "Fail"


def context_of(
    stack: str, *, role: str, protect: bool, failure_policy: str, environment: str | None
) -> Context:
    """The context from what the stack file and the fleet file say.

    A cluster that no environment is known for is held to what production needs; one of its own
    anchor (`standalone`) that says so itself may be thrown away.
    """
    standalone = role == "standalone"
    production = environment == "production" or (environment is None and not standalone)
    return Context(
        stack=stack,
        production=production,
        expendable=standalone and not production and not protect,
        failure_policy=failure_policy,
    )


def read(stack: str, project: Path = PROJECT) -> Context:
    """The context of a stack that has a file; without one, as strict as can be."""
    config = _yaml(project / f"Pulumi.{stack}.yaml").get("config")
    values = config if isinstance(config, Mapping) else {}
    linkerd = _section(values, "linkerd")
    return context_of(
        stack,
        role=str(values.get(f"{_PREFIX}role", "")),
        protect=_section(values, "protection").get("protect", True) is not False,
        failure_policy=str(linkerd.get("webhookFailurePolicy", FAILURE_POLICY)),
        environment=environment(stack, _yaml(project / "fleet.yaml")),
    )


def environment(stack: str, fleet: Mapping[str, Any]) -> str | None:
    """The environment that the fleet file gives a stack; None where it gives none."""
    for wave in _mappings(fleet.get("waves")):
        for cluster in _mappings(wave.get("clusters")):
            if cluster.get("stack") == stack:
                return str(cluster.get("environment"))
    return None


def _yaml(file: Path) -> Mapping[str, Any]:
    """A file's content; empty for one that cannot be read, whose faults the bot tells."""
    try:
        content = safe_yaml.load(read_text(file))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, Mapping) else {}


def _mappings(listed: Any) -> list[Mapping[str, Any]]:
    return (
        [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    )


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(f"{_PREFIX}{name}")
    return found if isinstance(found, Mapping) else {}
