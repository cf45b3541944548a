"""What the real program hands to Helm, for every real stack file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.plan.mock import engine as mock_engine
from stack.load import from_file
from tests.unit.stack_files import certificate
from tests.unit.whole_program import project

PROJECT = Path(__file__).resolve().parents[2]
CHART, RELEASE = "kubernetes:helm.sh/v4:Chart", "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True)
class ChartUse:
    """One chart as a stack uses it; `path` is relative to the project."""

    release: str
    namespace: str
    path: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """What a stack registered: its charts by release name, and every Kubernetes object."""

    charts: dict[str, ChartUse]
    objects: list[Mapping[str, Any]]

    def of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        """The objects of one kind that are in no chart."""
        return [obj for obj in self.objects if obj.get("kind") == kind]


@functools.cache
def evaluate(stack: str) -> Evaluation:
    """Evaluate the program with the stack's own file, in a folder without a sandbox's files."""
    return evaluate_file(project() / f"Pulumi.{stack}.yaml")


def evaluate_file(file: Path) -> Evaluation:
    """Evaluate the program with any stack file; raises what `from_file` does."""
    resources = mock_engine.evaluate(file, PROJECT, preview=False).resources
    uses = [
        ChartUse(given["name"], given["namespace"], given["chart"], given.get("values", {}))
        for given in (each.inputs for each in resources if each.type in (CHART, RELEASE))
    ]
    objects = [each.inputs for each in resources if "apiVersion" in each.inputs]
    return Evaluation({use.release: use for use in uses}, objects)


STACKS = tuple(
    sorted(
        file.name.split(".")[1]
        for file in PROJECT.glob("Pulumi.*.yaml")
        if from_file(file, lambda _: certificate()).cluster is not None
    )
)
# A chart of ours stands for it: upstream's is not public.
NOT_PUBLIC = "linkerd-buoyant"
USES = [
    pytest.param(stack, name, id=f"{stack}-{name}")
    for stack in STACKS
    for name in evaluate(stack).charts
    if name != NOT_PUBLIC
]
