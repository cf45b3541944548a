"""Whether a step of the plan is safe: everything that speaks against it, and what was not seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.clients.prometheus import PrometheusApi
from bot.mesh.rollout import gates
from bot.mesh.rollout.admission import Admission
from bot.mesh.rollout.model import RolloutState, Standing
from bot.mesh.rollout.standing import NO_WAVE, standings
from bot.mesh.rollout.step import RolloutStep, left_out, refusals
from components.policy import look_up as policy
from components.policy.section import AUTHENTICATED
from components.rollout.section import Wave
from stack.config import StackConfig


@dataclass(frozen=True)
class WaveVerdict:
    """against: why the step is not safe; empty where it is. remarks: what else one should know."""

    step: RolloutStep
    against: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def safe(self) -> bool:
        """True when nothing speaks against the step."""
        return not self.against


def judge(
    config: StackConfig,
    seen: RolloutState,
    step: RolloutStep,
    prometheus: PrometheusApi | None = None,
    admission: Admission | None = None,
) -> WaveVerdict:
    """The verdict on a step; raises PrometheusError.

    Going back asks nothing of the cluster: no pod changes by it, and each that restarts comes up
    without a proxy, as it was before the wave. Either way the stack file must be one that is taken.
    """
    refused = [f"the stack file would be refused: {why}" for why in refusals(config, step)]
    if not step.forward:
        return WaveVerdict(step, tuple(refused), tuple(_leaving(config, seen, step)))
    own = [each for each in standings(config, seen) if each.wave != NO_WAVE]
    against = [*refused, *_target(seen, step), *_earlier(config, step)]
    admitted = admission or Admission()
    against += map(str, admitted.refusals)
    remarks: list[str] = [*admitted.notes, *(f"never meshed: {out}" for out in left_out(step))]
    for wave in config.rollout.waves:
        # A wave that goes from opt-in to on is a wave that is in, too.
        if wave.state != "off":
            against += _wave(seen, wave, [each for each in own if each.wave == wave.name])
    meshed = {each.namespace for each in own if each.state in ("on", "opt-in") and each.meshed}
    for finding in gates.look(config.rollout.gates, seen, meshed, prometheus):
        text = f"{finding.namespace}: {finding.text}" if finding.namespace else finding.text
        (remarks if finding.holds else against).append(text)
    return WaveVerdict(step, tuple(against), tuple(remarks))


def _target(seen: RolloutState, step: RolloutStep) -> list[str]:
    wave, said = step.wave, []
    today = seen.now.astimezone(UTC).date().isoformat()
    if wave.date and today < wave.date:
        said.append(f"wave {wave.name} is for {wave.date}, and today is {today}")
    if not step.names:
        said.append(f"wave {wave.name} finds no namespace by its labels or as the rest")
    missing = [name for name in step.names if name not in seen.namespaces]
    said += [f"{name}: is not there: make it, or take it out of the wave" for name in missing]
    said += [
        f"{name}: is being deleted: take it out of the wave"
        for name in step.names
        if name in seen.namespaces and seen.namespaces[name].ending
    ]
    if not seen.version:
        said.append("no proxy of the control plane runs: look at it first (`linkerd check`)")
    return said


def _earlier(config: StackConfig, step: RolloutStep) -> list[str]:
    before = [wave for wave in config.rollout.waves[: step.index] if wave.state == "off"]
    return [f"wave {wave.name} comes before {step.wave.name} and is off" for wave in before]


def _wave(seen: RolloutState, wave: Wave, own: list[Standing]) -> list[str]:
    """What speaks against a wave that is in: not applied, not restarted, not watched for long."""
    said = []
    named = {each.name for each in wave.namespaces}
    applied: list[datetime] = []
    for each in own:
        if each.namespace not in named:
            continue
        there = seen.namespaces.get(each.namespace)
        if there is None or there.state != each.state:
            said.append(f"{each.namespace}: the plan ({each.state}) is not applied: `bot up`")
            continue
        if each.restarts:
            said.append(
                f"{each.namespace}: {len(each.restarts)} pods have to restart, such as "
                f"{each.restarts[0].pod.name} ({each.restarts[0].why})"
            )
        applied += [moment for moment in (there.since, each.entered) if moment]
    over = max(applied) + timedelta(seconds=wave.soak.seconds) if applied else None
    if over and seen.now < over:
        said.append(
            f"wave {wave.name} is watched for {wave.soak} since its last change or restart: until "
            f"{over.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        )
    return said


def _leaving(config: StackConfig, seen: RolloutState, step: RolloutStep) -> list[str]:
    names = set(step.names)
    count = sum(pod.proxy is not None for pod in seen.pods if pod.namespace in names)
    said = [f"{count} pods keep their proxy until they restart: `bot rollout restart`"]
    without = "what has left has no identity, and is denied where it calls"
    demanding = config.linkerd.default_inbound_policy
    if demanding in AUTHENTICATED:
        said.append(f"linkerd.defaultInboundPolicy is {demanding}: {without} meshed pods")
    asking = sorted(
        name
        for name in config.policy.namespaces
        if name not in names and policy.inbound_policy(config, name) in AUTHENTICATED
    )
    if asking:
        said.append(f"policy.namespaces asks for an identity in {', '.join(asking)}: {without}")
    return said
