"""The rollout section: in which order the namespaces of a cluster enter the mesh."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, model_validator

from schema.section import Section
from schema.values import Duration, Name, Text
from schema.words import Date, LabelKey, LabelValue, ProjectFile, Workload

State = Literal["off", "opt-in", "on"]
Percent = Annotated[int, Field(ge=1, le=100)]
Milliseconds = Annotated[int, Field(ge=1, le=600000)]
Tolerated = Annotated[int, Field(ge=0, le=1000)]


class OptedOutWorkloads(Section):
    """Workloads of a namespace that are treated in another way than it."""

    opt_out: tuple[Workload, ...] = Field(
        (),
        description="Workloads that stay outside, as `deploy/legacy`. Their own manifest says so, "
        "with `linkerd.io/inject: disabled` on the pod template; `bot rollout status` tells which "
        "do not.",
    )


class WaveNamespace(Section):
    """A namespace of a wave; a name alone stands for one without opt-outs."""

    name: Name = Field(description="Name of the namespace, which need not be ours.")
    opt_out: bool = Field(
        False, description="The whole namespace stays outside, whatever its wave is."
    )
    workloads: OptedOutWorkloads = Field(
        OptedOutWorkloads(), description="Workloads that are treated in another way."
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Wave(Section):
    """Namespaces that enter the mesh together."""

    name: Name = Field(description="Name of the wave, unique in the stack.")
    state: State = Field(
        "off",
        description="`off`: nothing is set. `opt-in`: a pod enters with `linkerd.io/inject: "
        "enabled` on its template. `on`: every new pod enters, unless it has `disabled` there. "
        "In quotes: YAML takes a bare `off` for something else.",
    )
    namespaces: tuple[WaveNamespace, ...] = Field(
        (), description="The namespaces: names, or sections with a name and opt-outs."
    )
    labels: dict[LabelKey, LabelValue] = Field(
        {},
        description="Labels by which `bot rollout next` finds further namespaces; it writes their "
        "names, and only names are applied.",
    )
    rest: bool = Field(
        False,
        description="`bot rollout next` finds every namespace that no other wave has, but for "
        "those that carry the cluster; one wave at most.",
    )
    date: Date | None = Field(
        None, description="Day before which `bot rollout check` refuses the wave, in UTC."
    )
    soak: Duration = Field(
        Duration(48 * 3600),
        description="Time for which the wave is watched before `bot rollout check` lets the next "
        "one follow, from its last change or restart on command.",
    )
    owner: Text | None = Field(None, description="Who is asked about it: a team or an address.")


class Gates(Section):
    """What must hold in the waves that are in before the next one follows."""

    success_rate: Percent = Field(
        99, description="Least success rate of meshed requests per namespace, in per cent."
    )
    latency_p95: Milliseconds = Field(
        1000,
        description="Greatest 95th percentile of the latency per namespace, in milliseconds.",
    )
    restarts: Tolerated = Field(
        3, description="Restarts of one pod's containers within `window` that are tolerated."
    )
    injector_failures: Tolerated = Field(
        0, description="Pods that the injector failed within `window` that are tolerated."
    )
    window: Duration = Field(Duration(3600), description="How far back the gates look.")


class RolloutSection(Section):
    """The plan by which namespaces enter the mesh."""

    file: ProjectFile | None = Field(
        None,
        description="A file that holds the plan instead, relative to the project, such as "
        "`rollout/staging.yaml`: the other keys of this section stand at its top, and none of them "
        "here. Several stacks may name the same one.",
    )
    waves: tuple[Wave, ...] = Field((), description="The waves, in the order of adoption.")
    never: tuple[Name, ...] = Field(
        (),
        description="Namespaces that are never meshed, on top of those built in: Kubernetes' own, "
        "those of networks, storage, nodes, managed clouds, admission and GitOps, cert-manager, "
        "External Secrets, Vault (that of `vault.address` too), Linkerd's, and that of "
        "`viz.prometheusUrl`. The injector's webhook does not look at these names, nor at Vault's "
        "namespace, so that what is in them starts while no injector runs.",
    )
    gates: Gates = Field(Gates(), description="What `bot rollout check` holds the waves to.")


class HasRollout(Protocol):
    """A config with the section `rollout`."""

    @property
    def rollout(self) -> RolloutSection: ...  # noqa: D102
