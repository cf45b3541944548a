"""From a stack's config to the arguments of `Rollout`."""

from __future__ import annotations

from typing import Protocol

from components.policy import arguments as policy
from components.policy.look_up import HasPolicies
from components.rollout import plan
from components.rollout.component import OPT_OUT, MeshedNamespace, RolloutArgs, merged
from components.rollout.workloads import HasWorkloads, as_annotations


class _Config(HasPolicies, HasWorkloads, Protocol):
    """The sections that namespaces are annotated by."""


def wishes(config: _Config, namespace: str) -> dict[str, str]:
    """What each part wants on a namespace; one patch carries them all."""
    defaults = config.workloads.namespaces.get(namespace)
    return merged(as_annotations(defaults) if defaults else {}, policy.wish(config, namespace))


def arguments(config: _Config) -> RolloutArgs:
    """Arguments of `Rollout`: the namespaces of every wave that is not `off`, by name."""
    made = [
        MeshedNamespace(
            name=namespace.name,
            state=OPT_OUT if namespace.opt_out else wave.state,
            may_opt_out=tuple(sorted(namespace.workloads.opt_out)),
            annotations={} if namespace.opt_out else wishes(config, namespace.name),
        )
        for wave, namespace in plan.named(config)
        if wave.state != "off"
    ]
    return RolloutArgs(namespaces=tuple(sorted(made, key=lambda each: each.name)))
