"""What the proofs are made of: data as the servers gave it, and one row of the table."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Proof:
    """One row: what is proven, what is expected, what is seen."""

    what: str
    expected: str
    seen: str
    ok: bool


@dataclass(frozen=True)
class Attempt:
    """A request to Vault that is made to be judged: its status, and its data."""

    status: int
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """Everything that was read. Objects are Kubernetes manifests; `secrets` by namespace/name.

    anchors: PEM per generation, from Vault's PKI. files: content of the state, by name.
    attempts: requests to Vault, by what they try.
    """

    deployments: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()
    nodes: Sequence[Manifest] = ()
    config_maps: Mapping[str, Manifest] = field(default_factory=dict)
    secrets: Mapping[str, Manifest] = field(default_factory=dict)
    certificates: Sequence[Manifest] = ()
    external_secrets: Sequence[Manifest] = ()
    webhooks: Sequence[Manifest] = ()
    api_services: Sequence[Manifest] = ()
    anchors: Mapping[str, str] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    tokens: Sequence[str] = ()


def secret_data(secret: Manifest | None, key: str) -> bytes:
    """A decoded value of a Secret; empty when there is no such Secret or key."""
    return base64.b64decode((secret or {}).get("data", {}).get(key, ""))


def name_of(manifest: Manifest) -> str:
    """`namespace/name` of an object."""
    metadata = manifest["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def ready(manifest: Manifest, condition: str = "Ready") -> tuple[bool, str]:
    """Whether a condition of an object is true, and its message."""
    for each in manifest.get("status", {}).get("conditions", []):
        if each["type"] == condition:
            return each["status"] == "True", each.get("message", each["status"])
    return False, f"no condition {condition}"
