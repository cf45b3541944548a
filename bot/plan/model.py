"""A plan: one stack's resources, the objects of its charts, and both as one JSON document."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.changes.objects import RELEASE
from bot.exit_codes import BadInputError
from bot.plan.mock.engine import Evaluation, evaluate
from bot.plan.mock.monitor import Resource
from bot.plan.render import CHART, Manifest, archive, render, to_yaml
from schema.faults import ConfigError
from schema.masking import without_payload
from stack.arguments import chart_refs
from stack.charts import Charts

# Kinds that live in no namespace; a chart's object of another kind is in the chart's namespace.
CLUSTER_SCOPED = frozenset(
    {
        *("APIService", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding"),
        *("CustomResourceDefinition", "GatewayClass", "IngressClass", "Namespace"),
        *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "PersistentVolume"),
        *("PriorityClass", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy"),
        *("ValidatingAdmissionPolicyBinding", "ClusterIssuer", "Bundle", "ClusterSecretStore"),
        *("ClusterExternalSecret", "ClusterGenerator", "ClusterPushSecret"),
    }
)


@dataclass(frozen=True)
class Object:
    """A Kubernetes object that the stack applies; `namespace` is None where it has none.

    `urn`, `protect` and `retained` are those of its resource; an object of a Release has no URN of
    its own.
    """

    api_version: str
    kind: str
    namespace: str | None
    name: str
    urn: str | None
    protect: bool
    retained: bool
    manifest: Manifest

    @property
    def place(self) -> str:
        """`<namespace>/<name>`, or the name alone."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True)
class ChartPlan:
    """A Chart or Release of the stack, with its objects when it could be rendered."""

    resource: Resource
    name: str
    version: str
    namespace: str
    rendered: bool
    objects: tuple[Object, ...]

    @property
    def form(self) -> str:
        """`Chart` or `Release`."""
        return kind_of(self.resource)


@dataclass(frozen=True)
class Plan:
    """What one stack is made of; `objects` are those that no chart holds."""

    evaluation: Evaluation
    charts: tuple[ChartPlan, ...]
    objects: tuple[Object, ...]
    warnings: tuple[str, ...]

    @property
    def stack(self) -> str:
        """Name of the stack."""
        return self.evaluation.stack

    def kinds(self) -> Counter[str]:
        """How many of each kind, objects of charts included, components and providers not."""
        own = [r for r in self.evaluation.resources if r.custom and not is_provider(r)]
        counted = Counter(kind_of(r) for r in own)
        counted.update(kind_of(c.resource) for c in self.charts if c.form == "Chart")
        counted.update(o.kind for chart in self.charts for o in chart.objects)
        return counted


def kind_of(resource: Resource) -> str:
    """The last part of a type token, such as `Deployment`."""
    return resource.type.rpartition(":")[2]


def is_provider(resource: Resource) -> bool:
    """True for a provider."""
    return resource.type.startswith("pulumi:providers:")


def plans(files: Sequence[Path], project_dir: Path, *, confined: bool = False) -> list[Plan]:
    """A plan per stack file, charts rendered side by side; `confined` as for `evaluate`.

    Raises BadInputError with the faults of every stack file, BotError for a chart that Helm
    refuses. Without `helm` on PATH no chart is rendered.
    """
    evaluations = _evaluated(files, project_dir, confined)
    helm = shutil.which("helm")
    with ThreadPoolExecutor(max_workers=(os.cpu_count() or 1) + 1) as pool:
        waiting: dict[str, Future[list[Manifest] | None]] = {}
        for evaluation in evaluations:
            for resource in _charts(evaluation):
                # Stacks have charts in common, which are rendered once.
                if _same(resource) not in waiting:
                    future = pool.submit(_rendered, resource, project_dir, helm)
                    waiting[_same(resource)] = future
        return [
            _plan(e, [(r, waiting[_same(r)].result()) for r in _charts(e)], project_dir, helm)
            for e in evaluations
        ]


def _evaluated(files: Sequence[Path], project_dir: Path, confined: bool) -> list[Evaluation]:
    evaluations, faulty = [], []
    for file in files:
        try:
            evaluations.append(evaluate(file, project_dir, confined=confined))
        except ConfigError as error:
            faulty.append(str(error))
    if faulty:
        raise BadInputError("\n".join(faulty))
    return evaluations


def _charts(evaluation: Evaluation) -> list[Resource]:
    return [r for r in evaluation.resources if r.type in (CHART, RELEASE)]


def _same(resource: Resource) -> str:
    return json.dumps([resource.type, resource.inputs], sort_keys=True)


def _rendered(resource: Resource, project_dir: Path, helm: str | None) -> list[Manifest] | None:
    file = archive(resource, project_dir)
    return render(resource, file, helm) if file and helm else None


def _plan(
    evaluation: Evaluation,
    charts: list[tuple[Resource, list[Manifest] | None]],
    project_dir: Path,
    helm: str | None,
) -> Plan:
    refs = {ref.path: ref for ref in chart_refs(evaluation.config, Charts(project_dir)).values()}
    made = []
    for resource, manifests in charts:
        path = str(resource.inputs["chart"])
        ref = refs.get(path)
        made.append(
            ChartPlan(
                resource=resource,
                name=ref.name if ref else path,
                version=ref.version if ref else str(resource.inputs.get("version", "")),
                namespace=str(resource.inputs["namespace"]),
                rendered=manifests is not None,
                objects=tuple(_chart_object(evaluation, resource, m) for m in manifests or ()),
            )
        )
    warnings = list(evaluation.warnings)
    if charts and helm is None:
        warnings.append("helm is not on PATH: no chart is rendered (https://helm.sh/docs/intro)")
    own = [r for r in evaluation.resources if "apiVersion" in r.inputs and "kind" in r.inputs]
    return Plan(
        evaluation=evaluation,
        charts=tuple(sorted(made, key=lambda c: (c.form, c.name))),
        objects=tuple(_own_object(resource) for resource in own),
        warnings=tuple(warnings),
    )


def _own_object(resource: Resource) -> Object:
    content = without_payload(dict(resource.inputs))
    return _object(content, None, resource, Manifest(content, to_yaml(content)))


def _chart_object(evaluation: Evaluation, chart: Resource, manifest: Manifest) -> Object:
    """The object as the engine would have it: a child of a Chart, or part of a Release."""
    namespace = str(chart.inputs["namespace"])
    if chart.type == RELEASE:
        return _object(manifest.content, namespace, None, manifest)
    bare = _object(manifest.content, namespace, None, manifest)
    group_version = bare.api_version if "/" in bare.api_version else f"core/{bare.api_version}"
    type_ = f"kubernetes:{group_version}:{bare.kind}"
    name = f"{chart.inputs.get('resourcePrefix', chart.name)}:{bare.place}"
    parents, _ = chart.urn.rsplit("::", 1)
    child = evaluation.transformed(
        Resource(
            urn=f"{parents}${type_}::{name}",
            type=type_,
            name=name,
            parent=chart.urn,
            inputs=manifest.content,
            protect=chart.protect,
            retain_on_delete=chart.retain_on_delete,
            dependencies=(),
            provider=chart.provider,
            custom=True,
        )
    )
    if child.inputs != manifest.content:
        manifest = Manifest(child.inputs, to_yaml(child.inputs))
    return replace(
        bare,
        urn=child.urn,
        protect=child.protect,
        retained=child.retain_on_delete,
        manifest=manifest,
    )


def _object(
    content: Mapping[str, Any], namespace: str | None, resource: Resource | None, manifest: Manifest
) -> Object:
    kind, metadata = str(content["kind"]), content.get("metadata") or {}
    place = metadata.get("namespace") or namespace
    return Object(
        api_version=str(content["apiVersion"]),
        kind=kind,
        namespace=None if kind in CLUSTER_SCOPED else place,
        name=str(metadata.get("name", "")),
        urn=resource.urn if resource else None,
        protect=resource.protect if resource else False,
        retained=resource.retain_on_delete if resource else False,
        manifest=manifest,
    )


def document(plan: Plan) -> dict[str, Any]:
    """The plan as one JSON document; tests/unit/test_bot_plan_document.py has its schema."""
    return {
        "stack": plan.stack,
        "resources": [
            {
                "urn": resource.urn,
                "type": resource.type,
                "name": resource.name,
                "parent": resource.parent,
                "inputs": without_payload(resource.inputs),
                "protect": resource.protect,
                "retainOnDelete": resource.retain_on_delete,
                "provider": resource.provider,
                "dependencies": list(resource.dependencies),
            }
            for resource in plan.evaluation.resources
        ],
        "charts": [
            {
                "urn": chart.resource.urn,
                "form": chart.form,
                "name": chart.name,
                "version": chart.version,
                "namespace": chart.namespace,
                "rendered": chart.rendered,
                "objects": [
                    {
                        "apiVersion": item.api_version,
                        "kind": item.kind,
                        "namespace": item.namespace,
                        "name": item.name,
                        "urn": item.urn,
                        "protect": item.protect,
                    }
                    for item in chart.objects
                ],
            }
            for chart in plan.charts
        ],
        "exports": dict(plan.evaluation.exports),
        "warnings": list(plan.warnings),
    }
