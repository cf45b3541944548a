"""The mounts that an anchor of one's own is brought into, where the owner has not been deployed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bot import engine
from bot.clients.https import Client
from bot.clients.target import Target
from bot.deploy import gate, tree
from bot.engine import report as engine_report
from bot.engine import target as engine_target
from bot.exit_codes import BadInputError, BotError, RefusedError
from components.trust import Generation
from schema.faults import PROJECT

_ANCHOR = f"{PROJECT}:trust:TrustAnchor"
_ABSENT = (400, 404)
_UPGRADE_SECONDS = 20.0


def absent(client: Client, target: Target, generation: Generation) -> dict[str, str]:
    """The mounts that the generation needs and Vault has not, by the name of their resource.

    Vault answers 400 for a mount that is not there. One that the token may not look at counts as
    there: what is wrong with it is found out by the import. Raises RefusedError for one that is
    somebody else's: an anchor among their certificates is theirs to use.
    """
    vault = target.config.vault
    needed = {"trust-anchor-kv": vault.kv_mount}
    if generation.custody == "vault":
        needed["trust-anchor-pki"] = vault.pki_mount
    found = {}
    for name, mount in needed.items():
        answer = client.request("GET", f"/v1/sys/mounts/{mount}")
        if answer.status in _ABSENT:
            found[name] = mount
        elif answer.ok and (name != "trust-anchor-kv" or vault.create_kv_mount):
            _refuse_others(mount, (answer.body or {}).get("data") or {})
    return found


def _refuse_others(mount: str, there: Mapping[str, Any]) -> None:
    if "linkerd-platform" not in str(there.get("description", "linkerd-platform")):
        key = "pkiMount" if there.get("type") == "pki" else "kvMount"
        raise RefusedError(
            f"{mount} is mounted already (type {there.get('type')}), and not by this program: set "
            f"vault.{key} to a mount of this fleet's own"
        )


def targets(stack: str, *names: str) -> list[str]:
    """URNs of these mounts and of the component that they are in.

    The engine makes no resource whose parent is neither there nor named.
    """
    start = f"urn:pulumi:{stack}::{PROJECT}"
    mount = f"{_ANCHOR}$vault:index/mount:Mount"
    return [f"{start}::{_ANCHOR}::trust-anchor", *(f"{start}::{mount}::{name}" for name in names)]


def ensure(client: Client, target: Target, generation: Generation) -> list[str]:
    """Have the engine make the mounts that are not there, and nothing else; what was made.

    They are the stack's own resources, so the first deployment finds them in its state. It could
    not make them itself: it stops for want of the anchor that is to be imported.
    Raises BadInputError where the mount is somebody else's to make, RefusedError where the stack
    may not be worked on without an approval, BotError when the engine fails,
    EngineMissing, and what `bot.engine.target.of` raises.
    """
    mounts = absent(client, target, generation)
    if not mounts:
        return []
    if "trust-anchor-kv" in mounts and not target.config.vault.create_kv_mount:
        raise BadInputError(
            f"Pulumi.{target.stack}.yaml: vault.createKvMount: is false, but nothing is mounted at "
            f"{target.config.vault.kv_mount}: create a KV version 2 engine there first"
        )
    urns = targets(target.stack, *mounts)
    whole = engine_target.of(target.stack, target.project_dir)
    rule = gate.requirement_of(target.stack, target.project_dir)
    gate.check(rule, target, tree.read(target.project_dir), approved=False)
    result = engine.run(engine.find(), whole, "up", target=urns)
    if not result.ok:
        raise BotError("\n".join(engine_report.failure(result)))
    _await_version_2(client, target, generation)
    return [f"created {' and '.join(mounts.values())}, as resources of the stack {target.stack}"]


def _await_version_2(client: Client, target: Target, generation: Generation) -> None:
    """A new KV mount turns into version 2 a moment after it was made, and refuses until then."""
    path = f"/v1/{target.config.vault.kv_mount}/data/anchors/{generation.name}"
    deadline = time.monotonic() + _UPGRADE_SECONDS
    while client.request("GET", path).status == 400 and time.monotonic() < deadline:
        time.sleep(0.2)
