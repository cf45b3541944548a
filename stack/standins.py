"""Stand-ins for values that are faulty, so that the rules can look at the rest of a stack file.

A config with a fault in it is never used: all that is taken from it is its other faults.
"""

from __future__ import annotations

from typing import Any

from schema.yaml_file import Path_
from stack.meant import model_at

# Stand for a key that must be there, or an item of a list, when its value is faulty.
STANDINS: dict[str, Any] = {
    "role": "standalone",
    "cluster": None,
    "vault": {"address": "https://vault"},
    "trust": {"generations": ({"name": "a"},), "signing": "a"},
    "generations": ({"name": "a"},),
    "generations[]": {"name": "a"},
    "signing": "a",
    "networks[]": "10.0.0.0/8",
    "name": "a",
    "apiServer": "https://cluster",
    "address": "https://vault",
    "cidr": "10.0.0.0/8",
    "path": "/",
    "port": "1",
    "ports": ({"port": "1"},),
    "ports[]": {"port": "1"},
    "selector": {"a": "a"},
    "host": "host.example.com",
    "hosts[]": {"host": "host.example.com"},
    "namespace": "a",
    "vaultPath": "a",
    "headers": {"a": "a"},
    "workload": "a",
    "workloads[]": {"namespace": "a", "workload": "a"},
    "type": "slack",
    "severity": "critical",
    "to": ("a",),
    "to[]": "a",
    "environments[]": "a",
    "unmatched[]": "a",
    "groupBy[]": "a",
    "receivers[]": {"name": "a", "type": "slack", "vaultPath": "a"},
    "routes[]": {"severity": "critical", "to": ("a",)},
}


def mended(value: Any, path: Path_) -> Any:
    """`value` with a stand-in at `path`, or without that key where it may be left out."""
    return _mended(value, path, path)


def _mended(value: Any, path: Path_, whole: Path_) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        if rest:
            return {**value, head: _mended(value[head], rest, whole)} if head in value else value
        model = model_at(whole[:-1])
        required = (
            {f.alias for f in model.model_fields.values() if f.is_required()} if model else ()
        )
        if head in required:
            return {**value, head: STANDINS[str(head)]}
        return {key: item for key, item in value.items() if key != head}
    if isinstance(value, tuple) and isinstance(head, int) and head < len(value):
        item = _mended(value[head], rest, whole) if rest else STANDINS.get(f"{whole[-2]}[]")
        return (*value[:head], item, *value[head + 1 :])
    return value
