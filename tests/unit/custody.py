"""Stack files for every custody and every step of a rotation, evaluated on mocks."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import yaml

from schema.faults import PROJECT
from tests.unit.stack_files import good
from tests.unit.whole_program import Evaluated, evaluated_file, project

Generations = list[dict[str, Any]]
A: dict[str, Any] = {"name": "a", "lifetime": "3650d"}
B: dict[str, Any] = {"name": "b", "lifetime": "1825d"}
IN_CLUSTER = {"custody": "cluster"}
IMPORTED = {"source": "imported"}
RETIRED = {"retired": True}

# What the stack file lists, and which of it signs.
SHAPES: Mapping[str, tuple[Generations, str]] = {
    "vault": ([A], "a"),
    "cluster": ([A | IN_CLUSTER], "a"),
    "imported-vault": ([A | IMPORTED], "a"),
    "imported-cluster": ([A | IMPORTED | IN_CLUSTER], "a"),
    # From Vault's custody to the cluster's, step by step.
    "added": ([A, B | IN_CLUSTER], "a"),
    "switched": ([A, B | IN_CLUSTER], "b"),
    "retired": ([A | RETIRED, B | IN_CLUSTER], "b"),
    # And the other way.
    "back-added": ([A | IN_CLUSTER, B], "a"),
    "back-switched": ([A | IN_CLUSTER, B], "b"),
    "back-retired": ([A | IN_CLUSTER | RETIRED, B], "b"),
    # To a corporate root, with Vault's custody.
    "imported-switched": ([A, B | IMPORTED], "b"),
}
# An owner without a cluster makes nothing in custody `cluster`.
_OWNED = ("vault", "imported-vault", "imported-cluster", "imported-switched")
VARIANTS: tuple[tuple[str, str], ...] = (
    *(("standalone", shape) for shape in SHAPES),
    *(("cluster", shape) for shape in SHAPES),
    *(("owner", shape) for shape in _OWNED),
)
WITH_CLUSTER = tuple(v for v in VARIANTS if v[0] != "owner")


def sections(role: str, shape: str) -> dict[str, Any]:
    """The stack file of a variant; viz is on, and the agent's credentials are in Vault."""
    generations, signing = SHAPES[shape]
    made = good(role)
    made["trust"] = {"generations": generations, "signing": signing}
    if role != "owner":
        made["buoyantCloud"] = {"enabled": True}
    return made


@functools.cache
def variant(role: str, shape: str, preview: bool = False) -> Evaluated:
    """A variant, evaluated once."""
    file = project() / f"Pulumi.{role}-{shape}.yaml"
    config = {f"{PROJECT}:{key}": value for key, value in sections(role, shape).items()}
    file.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    return evaluated_file(file, preview)


def owner_of(role: str, shape: str) -> Evaluated:
    """Who makes what a variant reads: a cluster reads what a standalone stack has made."""
    return variant("standalone" if role == "cluster" else role, shape)
