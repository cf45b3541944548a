"""The change of the plan that the next wave needs, or going back one: text, never written."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from bot.exit_codes import BadInputError, RefusedError
from bot.mesh.rollout import select
from bot.mesh.rollout.model import RolloutState
from components.rollout.section import State, Wave, WaveNamespace
from stack import rollout_file, rules
from stack.config import StackConfig

Direction = Literal["next", "back"]


@dataclass(frozen=True)
class RolloutStep:
    """One wave gets another state. found: names that it did not have before.

    left_out: names that it would find, with the reason why they are never meshed.
    """

    index: int
    wave: Wave
    state: State
    found: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All namespaces of the wave after the step, those outside included."""
        return (*(each.name for each in self.wave.namespaces), *self.found)

    @property
    def forward(self) -> bool:
        """True where more pods enter by it than before."""
        order = ("off", "opt-in", "on")
        return order.index(self.state) >= order.index(self.wave.state)


def choose(
    config: StackConfig,
    seen: RolloutState,
    direction: Direction,
    name: str | None = None,
    state: State | None = None,
) -> RolloutStep:
    """The step that comes next, or the one that takes the last wave back.

    Next: the first wave that is `off`, else the first that is `opt-in`, to `on`. Back: the last
    wave that is in, to `off`. name and state say otherwise. Raises BadInputError for a wave that
    there is not, RefusedError where there is no such step.
    """
    waves = config.rollout.waves
    if not waves:
        where = f"{config.rollout.file}: waves" if config.rollout.file else "rollout.waves"
        raise BadInputError(f"{where}: the plan has no waves: list them first")
    index = _named(waves, name) if name else _chosen(waves, direction)
    if index is None:
        end = "every wave is on" if direction == "next" else "no wave is in"
        raise RefusedError(f"{end}: there is nothing to {'do' if direction == 'next' else 'undo'}")
    target: State = state or ("on" if direction == "next" else "off")
    found = tuple(select.found(config, seen, waves[index])) if target != "off" else ()
    out = select.left_out(config, seen, waves[index]) if target != "off" else {}
    step = RolloutStep(index, waves[index], target, found, out)
    if step.state == step.wave.state and not found:
        raise RefusedError(f"wave {step.wave.name} is {target} already, and finds nothing more")
    return step


def _named(waves: tuple[Wave, ...], name: str) -> int:
    names = [wave.name for wave in waves]
    if name in names:
        return names.index(name)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise BadInputError(f"wave {name!r}: is not in the plan; {hint}known: {', '.join(names)}")


def _chosen(waves: tuple[Wave, ...], direction: Direction) -> int | None:
    if direction == "back":
        return next((i for i in reversed(range(len(waves))) if waves[i].state != "off"), None)
    for state in ("off", "opt-in"):
        for index, wave in enumerate(waves):
            if wave.state == state:
                return index
    return None


def left_out(step: RolloutStep) -> list[str]:
    """What a wave leaves out, a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for name, why in step.left_out.items():
        by_reason.setdefault(why, []).append(name)
    return [f"{', '.join(names)}: {why}" for why, names in by_reason.items()]


def applied(config: StackConfig, step: RolloutStep) -> StackConfig:
    """The config with the step taken, not checked yet."""
    found = tuple(WaveNamespace(name=name) for name in step.found)
    update = {"state": step.state, "namespaces": (*step.wave.namespaces, *found)}
    waves = list(config.rollout.waves)
    waves[step.index] = step.wave.model_copy(update=update)
    rollout = config.rollout.model_copy(update={"waves": tuple(waves)})
    return config.model_copy(update={"rollout": rollout})


def refusals(config: StackConfig, step: RolloutStep) -> list[str]:
    """Why the stack file would be refused with this step alone: keys that still count on the wave.

    Such as a rule for service accounts of a namespace that leaves the mesh.
    """
    # A wave that finds nothing has nothing to be refused for but that, which `check` says better.
    faults = rules.introduced(config, applied(config, step)) if step.names else []
    return rollout_file.told(faults, config.rollout.file)


def document(step: RolloutStep) -> dict[str, Any]:
    """The wave as the stack file is to have it."""
    given = step.wave.model_dump(mode="json", by_alias=True, exclude_unset=True)
    namespaces = [
        each["name"] if set(each) == {"name"} else each for each in given.pop("namespaces", ())
    ]
    namespaces += step.found
    made: dict[str, Any] = {"name": given.pop("name"), "state": step.state}
    given.pop("state", None)
    return {**made, **({"namespaces": namespaces} if namespaces else {}), **given}


def edit(step: RolloutStep, plan: str | None = None) -> str:
    """The wave as YAML, indented as under `linkerd-platform:rollout:` and `waves:`.

    plan: the file that the plan is in, where `waves:` stands at the top.
    """
    text = yaml.safe_dump([document(step)], sort_keys=False, default_flow_style=False)
    indent = " " * (2 if plan else 6)
    return "".join(f"{indent}{line}\n" for line in text.splitlines())
