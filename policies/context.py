"""What the policies know of a stack, from its files as they stand.

For the policy pack, which runs in a process of the engine's; the bot has the validated config.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policies.model import Context
from schema import safe_yaml
from schema.input_file import read_text

PROJECT = Path(__file__).resolve().parent.parent
_PREFIX = "linkerd-platform:"
# Defaults of stack/config.py; a test compares what both make of every stack file.
FAILURE_POLICY = "Fail"
# What is not held to what production needs. Anything else is: `prod`, a misspelt or a new name.
LENIENT = ("development", "staging")


def context_of(
    stack: str, *, role: str, protect: bool, failure_policy: str, environment: str | None
) -> Context:
    """The context from what the stack file and the fleet file say.

    A cluster that no environment is known for is held to what production needs, and so is one of
    an environment that nobody knows; one of its own anchor (`standalone`) that says so itself may
    be thrown away.
    """
    standalone = role == "standalone"
    production = environment not in LENIENT and not (environment is None and standalone)
    return Context(
        stack=stack,
        production=production,
        expendable=standalone and not production and not protect,
        failure_policy=failure_policy,
    )


def read(stack: str, project: Path = PROJECT) -> Context:
    """The context of a stack that has a file; without one, as strict as can be."""
    config = (_yaml(project / f"Pulumi.{stack}.yaml") or {}).get("config")
    values = config if isinstance(config, Mapping) else {}
    linkerd = _section(values, "linkerd")
    return context_of(
        stack,
        role=str(values.get(f"{_PREFIX}role", "")),
        protect=_section(values, "protection").get("protect", True) is not False,
        failure_policy=str(linkerd.get("webhookFailurePolicy", FAILURE_POLICY)),
        environment=strictest(environment(stack, project), values.get(f"{_PREFIX}environment")),
    )


def strictest(*environments: Any) -> str | None:
    """The one of several that asks for most; None where none is given."""
    given = [each for each in environments if each is not None]
    strict = [each for each in given if each not in LENIENT]
    return str((strict or given or [None])[0]) if given else None


def environment(stack: str, project: Path = PROJECT) -> str | None:
    """The environment that the fleet file gives a stack; None where it gives none.

    A file that is there and cannot be read may have given any.
    """
    file = project / "fleet.yaml"
    content = _yaml(file)
    if content is None:
        return str(file.name) if file.exists() else None
    clusters = (
        c for wave in _mappings(content.get("waves")) for c in _mappings(wave.get("clusters"))
    )
    return strictest(*(str(c.get("environment")) for c in clusters if c.get("stack") == stack))


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _yaml(file: Path) -> Mapping[str, Any] | None:
    """A file's content; None for one that cannot be read, whose faults the bot tells."""
    try:
        content = safe_yaml.load(read_text(file))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, Mapping) else None


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(f"{_PREFIX}{name}")
    return found if isinstance(found, Mapping) else {}
