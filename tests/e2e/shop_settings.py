"""Settings of a stack file in force in the shop of process pods, for as long as a block runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from bot.engine import sandbox_stack
from sandbox.node import node as nodes
from sandbox.node.node import ProcessNode
from sandbox.node.pod import ProcessPod
from tests.e2e.mesh_objects import Manifest, Objects, planned
from tests.e2e.project import Copy

SHOP = "shop"
# The load generator of `bot latency`.
FORTIO = shutil.which("fortio")
_PATCH = "pulumi.com/patchFieldManager"
SETTLE_SECONDS = 30.0
Sections = dict[str, Any]


def traffic_of(**services: Sections) -> Sections:
    """A section `traffic` for services of the shop, each at port 8080."""
    named = {f"{SHOP}/{name}": {"port": 8080, **keys} for name, keys in services.items()}
    return {"traffic": {"services": named}}


def policy_of(*services: Sections, **policy: Any) -> Sections:
    """A section `policy` for the shop."""
    return {"policy": {"namespaces": {SHOP: {**policy, "services": list(services)}}}}


def guarded(name: str, *clients: str, **port: Any) -> Sections:
    """A service of `policy_of` that lets accounts of the shop in."""
    allow = [{"serviceAccounts": [f"{SHOP}/{each}" for each in clients]}]
    ports = [{"port": 8080, "protocol": "HTTP/1", "allow": allow, **port}]
    return {"name": name, "selector": {"app": name}, "ports": ports}


def rolled_out(*sections: Sections) -> Sections:
    """Sections of a stack file in which the shop is in the mesh."""
    waves = [{"name": "w", "state": "on", "namespaces": [SHOP]}]
    made: Sections = {"rollout": {"waves": waves}}
    for each in sections:
        made |= each
    return made


@contextmanager
def in_force(node: ProcessNode, *sections: Sections) -> Iterator[list[Manifest]]:
    """What the program makes of sections of a stack file is in the cluster; gone afterwards."""
    made = [each for each in planned(rolled_out(*sections)) if each["kind"] != "Namespace"]
    objects = Objects(node.api)
    objects.apply(*made)
    try:
        yield made
    finally:
        take_back(objects, made)


def take_back(objects: Objects, made: list[Manifest]) -> None:
    """Delete objects of ours; a patch of another's object gives its fields up."""
    for each in reversed(made):
        manager = each["metadata"].get("annotations", {}).get(_PATCH)
        if manager is None:
            objects.delete(each)
            continue
        kept = {key: each["metadata"][key] for key in ("name", "namespace")}
        metadata = {**kept, "annotations": {_PATCH: manager}}
        objects.apply({key: each[key] for key in ("apiVersion", "kind")} | {"metadata": metadata})


def settled(client: ProcessPod, url: str, **more: Any) -> bool:
    """Whether a short load, one request at a time, comes to have no failure; see `load`."""

    def good() -> bool:
        return client.load(url, rps=50, seconds=0.6, connections=1, **more).failed == 0

    return nodes.until(good, SETTLE_SECONDS)


@contextmanager
def written(copy: Copy, *sections: Sections) -> Iterator[None]:
    """Sections in the stack file of the sandbox, for a command that reads it."""
    file = copy.folder / sandbox_stack.TRACKED
    before = file.read_text(encoding="utf-8")
    document = yaml.safe_load(before)
    for name, section in rolled_out(*sections).items():
        document["config"][f"linkerd-platform:{name}"] = section
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")
