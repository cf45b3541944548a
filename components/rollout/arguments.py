"""From a stack's config to the arguments of what is done to workloads' namespaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from components.rollout import workload_defaults
from components.admission_guard import AdmissionGuardArgs
from components.rollout.component import OPT_OUT, MeshedNamespace, RolloutArgs, merged
from components.rollout.workload_defaults import WorkloadDefaults
from components.policy import arguments as arguments_policy
from components.rollout import plan as rollout
from stack.config import StackConfig
from components.rollout.workloads import ProxyDefaults

Wish = Callable[[StackConfig, str], Mapping[str, str]]


def defaults(config: StackConfig, namespace: str) -> dict[str, str]:
    """The annotations of the workload defaults of a namespace."""
    found = config.workloads.namespaces.get(namespace)
    return proxy_annotations(found) if found else {}


def proxy_annotations(section: ProxyDefaults) -> dict[str, str]:
    """The annotations of one section of defaults."""
    return workload_defaults.as_annotations(
        WorkloadDefaults(
            access_log=section.access_log,
            opaque_ports=section.opaque_ports,
            skip_inbound_ports=section.skip_inbound_ports,
            skip_outbound_ports=section.skip_outbound_ports,
            proxy_await=section.proxy_await,
            **section.proxy_resources.model_dump(),
        )
    )


# What each part wants on a namespace; one patch carries them all.
WISHES: tuple[Wish, ...] = (defaults, arguments_policy.wish)


def rollout_args(config: StackConfig) -> RolloutArgs:
    """Arguments of `Rollout`: the namespaces of every wave that is not `off`, by name."""
    made = [
        MeshedNamespace(
            name=namespace.name,
            state=OPT_OUT if namespace.opt_out else wave.state,
            may_opt_out=tuple(sorted(namespace.workloads.opt_out)),
            annotations={}
            if namespace.opt_out
            else merged(*(wish(config, namespace.name) for wish in WISHES)),
        )
        for wave, namespace in rollout.named(config)
        if wave.state != "off"
    ]
    return RolloutArgs(namespaces=tuple(sorted(made, key=lambda each: each.name)))


def admission_guard(config: StackConfig) -> AdmissionGuardArgs:
    """Arguments of `AdmissionGuard`."""
    return AdmissionGuardArgs(
        opt_out=config.guards.opt_out, own_service_account=config.guards.own_service_account
    )
