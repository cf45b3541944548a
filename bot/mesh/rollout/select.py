"""Which namespaces a wave finds by its labels, or as the rest: in a cluster, never in a preview."""

from __future__ import annotations

from bot.mesh.rollout.model import Namespace, RolloutState
from components.rollout import plan as rollout
from components.rollout.section import Wave
from stack.config import StackConfig

# Kubernetes makes it, and it cannot be deleted; a plan has it by name or not at all.
_DEFAULT = "default"


def forbidden(config: StackConfig, name: str) -> str | None:
    """Why a namespace is never meshed; None where it may be."""
    return rollout.forbidden(config, name)


def found(config: StackConfig, seen: RolloutState, wave: Wave) -> list[str]:
    """The names that a wave finds and does not have yet, in alphabetical order.

    A namespace that any wave names is that wave's. Of several waves whose labels fit, the first
    takes it; the rest is what no other wave takes. What must never be meshed is not found, nor is
    what is being deleted, or carries the cluster by what is in it.
    """
    out = left_out(config, seen, wave)
    return [name for name in _fitting(config, seen, wave) if name not in out]


def left_out(config: StackConfig, seen: RolloutState, wave: Wave) -> dict[str, str]:
    """The names that a wave would find if they were not never meshed, each with the reason."""
    made = {}
    for name in _fitting(config, seen, wave):
        why = forbidden(config, name)
        if not why and name in seen.critical:
            why = f"{seen.critical[name]}: a wave that names it may have it"
        if why or seen.namespaces[name].ending:
            made[name] = why or "is being deleted"
    return made


def _fitting(config: StackConfig, seen: RolloutState, wave: Wave) -> list[str]:
    if not wave.labels and not wave.rest:
        return []
    named = rollout.waves_by_namespace(config)
    return sorted(
        each.name
        for each in seen.namespaces.values()
        if each.name not in named and _taker(config, each) is wave
    )


def _taker(config: StackConfig, namespace: Namespace) -> Wave | None:
    for wave in config.rollout.waves:
        if wave.labels and wave.labels.items() <= namespace.labels.items():
            return wave
    if namespace.name == _DEFAULT:
        return None
    return next((wave for wave in config.rollout.waves if wave.rest), None)
