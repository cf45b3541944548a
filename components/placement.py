"""What all charts are told alike: where pods run, how images are pulled, and values of one chart.

A chart says by its `Shape` where it takes them (components/chart.py); they are laid over the values
that its component gives it. The objects of ours, collector and Jaeger, take them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, Field

from components.chart import Shape, merged
from schema.faults import Fault
from schema.masking import looks_secret
from schema.section import Section
from schema.values import Name, ValueKind, shown
from schema.words import LabelKey, LabelValue, label_value
from schema.yaml_file import Path_

Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
Seconds = Annotated[int, Field(ge=0, le=86400)]


_NAME = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
# https://pkg.go.dev/github.com/distribution/reference; a first part without a dot or a port would
# be a folder of docker.io.
_REGISTRY = re.compile(
    rf"(?P<host>(?:{_NAME}\.)+{_NAME}|localhost|{_NAME}(?=:)|\[[0-9a-f:]+\])(?::(?P<port>\d+))?"
    r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)


def registry(text: str) -> str:
    """A registry, with a path or not, without an image; raises ValueError otherwise."""
    found = _REGISTRY.fullmatch(text)
    if found and 0 < int(found["port"] or 1) < 1 << 16:
        return text
    raise ValueError(
        f"{shown(text)} is not a registry: write it like registry.example.com/mirror or "
        "registry:5000/mirror, in lower case, without scheme, login, tag or a slash at its end"
    )


Registry = Annotated[str, AfterValidator(registry), ValueKind("registry", "registry.example.com")]


def node_label(text: str) -> str:
    """The value of a node's label, which is empty for roles; raises ValueError otherwise."""
    return label_value(text) if text else text


NodeLabel = Annotated[str, AfterValidator(node_label), ValueKind("label value")]


class Toleration(Section):
    """A taint that pods of the platform tolerate.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """

    key: LabelKey | None = Field(None, description="Key of the taint; without it every taint.")
    operator: Literal["Equal", "Exists"] = Field(
        "Equal", description="`Exists` tolerates every value of the key."
    )
    value: LabelValue | None = Field(None, description="Value of the taint, with `Equal`.")
    effect: Effect | None = Field(None, description="Effect of the taint; without it every one.")
    toleration_seconds: Seconds | None = Field(
        None, description="Seconds that a pod stays, with effect `NoExecute`; without it for good."
    )


class PlacementSection(Section):
    """Where the pods of every chart run, and who may pull their images.

    It holds for what the platform installs, not for the workloads that are meshed.
    """

    node_selector: dict[LabelKey, NodeLabel] = Field(
        {}, description="Labels of the nodes, on top of `kubernetes.io/os: linux`."
    )
    tolerations: tuple[Toleration, ...] = Field((), description="Taints that the pods tolerate.")
    priority_class: Name | None = Field(
        None,
        description="Priority class of the pods, such as `system-cluster-critical`; linkerd-viz "
        "and linkerd2-cni have no value for it (`cniPlugin.priorityClass`).",
    )
    pull_secrets: tuple[Name, ...] = Field(
        (),
        description="Secrets with the login of the registry, which must be in each namespace.",
    )


class ImagesSection(Section):
    """Registries that images come from, for every chart and for the objects of ours.

    The path of an image stays: with `registry: mirror.example.com/all`,
    `quay.io/jetstack/cert-manager-controller` becomes
    `mirror.example.com/all/jetstack/cert-manager-controller`.
    """

    registry: Registry | None = Field(
        None, description="Stands for every registry that `registries` does not name."
    )
    registries: dict[Registry, Registry] = Field(
        {}, description="What stands for one registry, such as `quay.io: mirror.example.com/quay`."
    )

    def of(self, image: str) -> str:
        """Where an image, or a folder of images, of upstream is pulled from."""
        host, _, path = image.partition("/")
        mirror = self.registries.get(host, self.registry)
        if mirror is None:
            return image
        return f"{mirror}/{path}" if path else mirror


class ChartSection(Section):
    """What one chart is told besides."""

    values: dict[str, Any] = Field(
        {},
        description="Values of the chart, laid over those that the program gives it. A value that "
        "the chart does not have is refused, and so is one that a key of the stack file decides.",
    )


class HasPlacement(Protocol):
    """A config that says what all charts are told."""

    @property
    def placement(self) -> PlacementSection: ...  # noqa: D102

    @property
    def images(self) -> ImagesSection: ...  # noqa: D102

    @property
    def charts(self) -> Mapping[str, ChartSection]: ...  # noqa: D102


def overlay(config: HasPlacement, chart: str, shape: Shape) -> dict[str, Any]:
    """What is laid over the values of a chart."""
    own = config.charts.get(chart, ChartSection())
    return merged(_told(config, shape), _plain(own.values))


def _told(config: HasPlacement, shape: Shape) -> dict[str, Any]:
    told, made = scheduled(config.placement), dict[str, Any]()
    takes = {
        "nodeSelector": shape.pods,
        "tolerations": shape.pods,
        "priorityClassName": shape.priority,
        "imagePullSecrets": shape.pull_secrets,
    }
    for key, paths in takes.items():
        for path in paths if key in told else ():
            made = merged(made, _at(path, {key: told[key]}))
    for path, image in shape.images.items():
        if (mirrored := config.images.of(image)) != image:
            made = merged(made, _at(path, mirrored))
    return made


def scheduled(placement: PlacementSection) -> dict[str, Any]:
    """What a pod of ours is told of where it runs."""
    told: dict[str, Any] = {}
    if placement.node_selector:
        # Not every chart keeps its pods off Windows nodes itself.
        told["nodeSelector"] = {"kubernetes.io/os": "linux", **placement.node_selector}
    if placement.tolerations:
        told["tolerations"] = tolerations(placement)
    if placement.priority_class:
        told["priorityClassName"] = placement.priority_class
    if placement.pull_secrets:
        told["imagePullSecrets"] = [{"name": name} for name in placement.pull_secrets]
    return told


def tolerations(placement: PlacementSection) -> list[dict[str, Any]]:
    """The tolerations as a pod has them."""
    return [each.model_dump(by_alias=True, exclude_none=True) for each in placement.tolerations]


def _at(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".") if path else []):
        value = {key: value}
    return dict(value)


def _plain(value: Any) -> Any:
    """Lists for the tuples that a section holds."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


_RUNS_ON = {"kubernetes.io/os": ("linux",), "kubernetes.io/arch": ("amd64", "arm64")}


def check(config: HasPlacement) -> Iterator[Fault]:
    """All faults of `placement` and `images`.

    - `placement.nodeSelector` chooses Linux, and a processor that Linkerd has images for.
    - `placement.tolerations`: `value` goes with `Equal`, a toleration without a key is `Exists`,
      and `tolerationSeconds` goes with effect `NoExecute`.
    """
    for label, known in _RUNS_ON.items():
        value = config.placement.node_selector.get(label)
        if value is not None and value not in known:
            message = (
                f"{shown(value)}: nothing of the platform runs there: write {' or '.join(known)}"
            )
            yield Fault(("placement", "nodeSelector", label), message)
    for index, each in enumerate(config.placement.tolerations):
        path = ("placement", "tolerations", index)
        operator = ((*path, "operator"),)
        if each.operator == "Exists" and each.value is not None:
            message = "goes with operator Equal: remove it, Exists tolerates every value"
            yield Fault((*path, "value"), message, looks_at=operator)
        if each.operator == "Equal" and each.key is None:
            message = "missing: write the key of the taint, or operator: Exists for every taint"
            yield Fault((*path, "key"), message, looks_at=operator)
        if each.toleration_seconds is not None and each.effect not in (None, "NoExecute"):
            message = f"goes with effect NoExecute: remove it, {each.effect} evicts no pod"
            yield Fault((*path, "tolerationSeconds"), message, looks_at=((*path, "effect"),))


def faults_of_values(
    path: Path_, values: Mapping[str, Any], owned: Mapping[str, str]
) -> Iterator[Fault]:
    """Faults of the values of one chart that need no archive: what a key decides, what is secret.

    owned: what decides a value, by its path in the chart.
    """
    for place, value in _leaves(values, ()):
        dotted = ".".join(place)
        for name, instead in owned.items():
            if f"{dotted}.".startswith(f"{name}.") or f"{name}.".startswith(f"{dotted}."):
                yield Fault((*path, *place), f"{name} is decided by {instead}: set it there")
        if isinstance(value, str) and looks_secret(value):
            yield Fault(
                (*path, *place),
                "looks like a credential, and a chart's values are in clear in the state: put it "
                "into a Secret, and name that",
            )


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    else:
        yield path, value
