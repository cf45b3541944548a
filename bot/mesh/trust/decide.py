"""The verdicts of every cluster that a step concerns, with what the fleet's files say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from bot.exit_codes import BotError
from bot.mesh.trust import carries
from bot.mesh.trust import check as trust_check
from bot.mesh.trust import stage as trust_stage
from bot.mesh.trust.fleet import Gathered
from bot.mesh.trust.model import Stage, Step, StepVerdict, TrustState
from bot.mesh.trust.stage import derive
from components.trust import TrustSection


def decide(gathered: Gathered, stack: str, step: Step | None = None) -> list[StepVerdict]:
    """A verdict per cluster of the fleet: a pod talks to pods of the other clusters too.

    step: the stack's next one by default. What could not be read speaks against any step. Raises
    BadInputError when the step cannot be taken from here at all, BotError when nothing was read.
    """
    trust = gathered.configs[stack].trust
    stages = {name: stage_of(gathered, name) for name in gathered.seen}
    first = stages.get(stack) or next(iter(stages.values()), None)
    if first is None:
        raise BotError("\n".join(f"{place}: {why}" for place, why in gathered.unread.items()))
    step = step or trust_stage.next_step(first, trust)
    verdicts = [
        judge(seen, stages[name], first, trust, step) for name, seen in gathered.seen.items()
    ]
    common = (*gathered.mismatches, *(d.message for d in gathered.differences if d.unsafe))
    unread = [StepVerdict(name, step, (), (why,)) for name, why in gathered.unread.items()]
    return [*(_and(each, common) for each in verdicts), *unread]


def stage_of(gathered: Gathered, stack: str) -> Stage:
    """The stage of a cluster that was read."""
    return stage(gathered.seen[stack], gathered.configs[stack].trust, gathered.kept_names)


def stage(seen: TrustState, trust: TrustSection, kept: Collection[str] = ()) -> Stage:
    """The stage of a cluster, in the order of its stack file."""
    trusted = [generation.name for generation in trust.trusted]
    return derive(seen, trusted, kept, [generation.name for generation in trust.generations])


def judge(
    seen: TrustState, stage: Stage, first: Stage, trust: TrustSection, step: Step | None
) -> StepVerdict:
    """One cluster's verdict on the step that `first`, the stage of the cluster in question, takes.

    A cluster that has taken it already is judged alike: its pods count for the others.
    """
    if step == "switch":
        generation = trust_stage.switch_to(first, trust)
        verdict = trust_check.switch(seen, stage, generation)
        anchor = seen.anchors.get(generation)
        if anchor and (unfit := carries.fault(anchor, trust.domain)):
            verdict = _and(verdict, (f"anchor {generation} {unfit}",))
        trusted = [generation.name for generation in trust.trusted]
        return _and(verdict, tuple(_both(name) for name in stage.bundle if name not in trusted))
    if step == "retire":
        return trust_check.retire(seen, stage, trust_stage.staying(first, trust))
    return trust_check.between(seen, stage)


def _both(name: str) -> str:
    return (
        f"the stack file stops trusting {name} in the same change, while leaves below it may be in "
        "use: switch first, retire in a change of its own"
    )


def _and(verdict: StepVerdict, reasons: tuple[str, ...]) -> StepVerdict:
    return replace(verdict, reasons=(*verdict.reasons, *reasons))
