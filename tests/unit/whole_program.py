"""The whole program, once per real stack file and mode, on mocks: shared by the tests of it."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.plan.mock.engine import Evaluation, evaluate
from bot.plan.mock.monitor import Resource
from tests.recorder import Recorder, Recording
from tests.unit.stack_files import REPO, STACKS

CLUSTERS = [stack for stack in STACKS if stack != "trust"]
MODES = [True, False]
# The token of a component of ours, and of what the engine renders.
OURS = "linkerd-platform:"
CHART = "kubernetes:helm.sh/v4:Chart"
RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True)
class Evaluated(Recording):
    """A whole stack."""

    evaluation: Evaluation

    @property
    def objects(self) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
        """Every Kubernetes object of our own, with its manifest."""
        for resource in self.resources:
            if "apiVersion" in resource.inputs and "kind" in resource.inputs:
                yield resource, resource.inputs

    def of(self, kind: str) -> list[Resource]:
        """Our own objects of one kind."""
        return [r for r, m in self.objects if m["kind"] == kind]

    def object(self, kind: str, name: str) -> Resource:
        """The one object of this kind and name."""
        (found,) = [
            r for r, m in self.objects if m["kind"] == kind and m["metadata"]["name"] == name
        ]
        return found

    def component(self, class_name: str) -> Resource:
        """The one component of this class."""
        (found,) = [
            r
            for r in self.resources
            if r.type.startswith(OURS) and r.type.endswith(f":{class_name}")
        ]
        return found

    def below(self, component: Resource) -> list[Resource]:
        """The children of a component."""
        return [r for r in self.resources if r.parent == component.urn]


# Removed when the interpreter ends.
_FOLDER = tempfile.TemporaryDirectory(prefix="linkerd-platform-unit-")


@functools.cache
def project() -> Path:
    """A copy of the project's files, so that nothing is written into the real one."""
    folder = Path(_FOLDER.name)
    for file in (*REPO.glob("Pulumi*.yaml"), REPO / "charts.yaml"):
        shutil.copy(file, folder)
    return folder


@functools.cache
def evaluated(stack: str, preview: bool) -> Evaluated:
    """A real stack file, evaluated once."""
    return evaluated_file(project() / f"Pulumi.{stack}.yaml", preview)


def evaluated_file(file: Path, preview: bool) -> Evaluated:
    """Any stack file, evaluated; with no chart archive, which no test here needs."""
    monitor = Recorder(preview)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARTS_DIR", str(project() / "no-charts"))
        evaluation = evaluate(file, project(), preview, monitor=monitor)
    return Evaluated(evaluation.resources, monitor.outputs, monitor.clear, evaluation)
