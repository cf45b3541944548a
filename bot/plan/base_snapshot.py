"""What a revision's program makes of its stacks, as a closed document that crosses a process.

Written by bot/plan/base_child.py, beside a program that nobody has reviewed yet: whoever reads it
takes it for data from outside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bot.changes.model import Violation
from bot.plan.mock.monitor import Resource
from bot.plan.model import ChartPlan, Object, Plan
from schema import safe_yaml
from schema.input_file import read_text
from schema.masking import without_payload


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Planned(_Model):
    """One resource, or one object of a chart. component: True for what only groups others."""

    urn: str
    type: str
    name: str
    parent: str | None
    inputs: Mapping[str, Any]
    protected: bool
    retained: bool
    provider: str | None
    dependencies: tuple[str, ...] = ()
    component: bool = False
    aliases: tuple[str, ...] = ()


class PlannedChart(_Model):
    """A Chart or Release. objects: its own, none where it is not `rendered`."""

    urn: str
    form: str
    name: str
    version: str
    rendered: bool
    objects: tuple[Planned, ...]


class PlanSnapshot(_Model):
    """One stack. ciphertexts: a digest per encrypted value of the stack file, by its key.

    violations: of the policies, where they were asked.
    """

    stack: str
    resources: tuple[Planned, ...]
    charts: tuple[PlannedChart, ...]
    warnings: tuple[str, ...]
    ciphertexts: Mapping[str, str]
    violations: tuple[Violation, ...] = ()


class Failure(_Model):
    """A stack that could not be planned. cause: the stack file (`config`) or the program."""

    stack: str
    cause: Literal["config", "program"]
    reason: str


class RevisionPlans(_Model):
    """All stacks of a revision. refused: why the plan's folder could not be written."""

    snapshots: tuple[PlanSnapshot, ...] = ()
    failures: tuple[Failure, ...] = ()
    refused: str | None = None


def snapshot(plan: Plan, stack_file: Path, broken: tuple[Violation, ...] = ()) -> PlanSnapshot:
    """The plan of one stack, secrets masked."""
    evaluation = plan.evaluation
    return PlanSnapshot(
        stack=plan.stack,
        resources=tuple(map(_planned, evaluation.resources)),
        charts=tuple(map(_chart, plan.charts)),
        warnings=plan.warnings,
        ciphertexts=dict(_ciphertexts(safe_yaml.load(read_text(stack_file)), "")),
        violations=broken,
    )


def _planned(resource: Resource) -> Planned:
    return Planned(
        urn=resource.urn,
        type=resource.type,
        name=resource.name,
        parent=resource.parent,
        inputs=without_payload(dict(resource.inputs)),
        protected=resource.protect,
        retained=resource.retain_on_delete,
        provider=resource.provider,
        dependencies=resource.dependencies,
        component=not resource.custom,
        aliases=resource.aliases,
    )


def _chart(chart: ChartPlan) -> PlannedChart:
    return PlannedChart(
        urn=chart.resource.urn,
        form=chart.form,
        name=chart.name,
        version=chart.version,
        rendered=chart.rendered,
        objects=tuple(_object(chart.resource, item) for item in chart.objects),
    )


def _object(chart: Resource, item: Object) -> Planned:
    # The objects of a Release are no resources; they are told apart by what they are, and compared
    # by a digest, because CRDs are large and nobody is shown them.
    inputs = without_payload(dict(item.manifest.content))
    if item.urn is None:
        digest = hashlib.sha256(item.manifest.text.encode()).hexdigest()
        inputs = {"kind": item.kind, "digest": digest}
    urn = item.urn or f"{chart.urn}/{item.api_version}/{item.kind}/{item.place}"
    return Planned(
        urn=urn,
        type=urn.split("::")[2].rpartition("$")[2] if item.urn else item.kind,
        name=urn.split("::", 3)[3] if item.urn else item.place,
        parent=chart.urn,
        inputs=inputs,
        protected=item.protect,
        retained=item.retained,
        provider=chart.provider,
    )


def _ciphertexts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            yield path, hashlib.sha256(value["secure"].encode()).hexdigest()
            return
        for key, item in value.items():
            yield from _ciphertexts(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _ciphertexts(item, f"{path}[{index}]")
