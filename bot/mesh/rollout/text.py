"""The words and documents of the rollout commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.mesh.rollout import step as steps
from bot.mesh.rollout.check import WaveVerdict
from bot.mesh.rollout.model import RolloutState, Standing
from bot.mesh.rollout.step import RolloutStep

_SHOWN = 5  # restarts of a namespace; --json has all


def status_lines(found: Sequence[Standing], seen: RolloutState) -> list[str]:
    """A table, and below it what has to restart and what a human has to do."""
    if not found:
        return ["no namespace of workloads, and no plan"]
    rows = [
        (
            *("NAMESPACE", "WAVE", "OWNER", "STATE", "PODS", "MESH"),
            *("PROXY", "DEFAULT POLICY", "SIDECAR"),
        )
    ]
    for each in found:
        sidecar = "" if not each.meshed else "native" if each.native else "container"
        pods = f"{each.meshed}/{each.pods}"
        versions, policies = ",".join(each.versions), ",".join(each.policies)
        place = (each.namespace, each.wave, each.owner, each.state)
        rows.append((*place, pods, each.mesh, versions, policies, sidecar))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for each in found:
        lines += [f"{each.namespace}: {note}" for note in each.notes]
        for restart in each.restarts[:_SHOWN]:
            lines.append(f"{each.namespace}: {restart.pod.name} has to restart: {restart.why}")
        if len(each.restarts) > _SHOWN:
            lines.append(f"{each.namespace}: and {len(each.restarts) - _SHOWN} more")
    failed = {name: count for name, count in sorted(seen.failures.items()) if count}
    lines += [f"{name}: the injector failed {count} times lately" for name, count in failed.items()]
    return lines


def status_document(found: Sequence[Standing], seen: RolloutState) -> dict[str, Any]:
    """The same for programs; every pod that has to restart is in it."""
    return {
        "controlPlane": seen.version,
        "namespaces": [
            {
                "name": each.namespace,
                "wave": each.wave,
                "owner": each.owner or None,
                "state": each.state,
                "mesh": each.mesh,
                "meshedPods": each.meshed,
                "pods": each.pods,
                "proxyVersions": list(each.versions),
                "defaultPolicies": list(each.policies),
                "nativeSidecar": each.native,
                "restarts": [
                    {"pod": r.pod.name, "workload": str(r.pod.owner), "why": r.why}
                    for r in each.restarts
                ],
                "notes": list(each.notes),
            }
            for each in found
        ],
        "injectorFailures": dict(sorted(seen.failures.items())),
    }


@dataclass(frozen=True)
class WaveInFile:
    """Where the plan of a stack is written. others: further stacks that name the same file."""

    stack: str
    plan: str | None = None
    others: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The file to change, relative to the project."""
        return self.plan or f"Pulumi.{self.stack}.yaml"

    @property
    def key(self) -> str:
        """The waves in that file."""
        return "waves" if self.plan else "linkerd-platform:rollout.waves"

    @property
    def shared(self) -> str:
        """What else a change of the file changes; empty where nothing."""
        told = ", ".join(self.others)
        return f"{self.file} is the plan of {told} too: it changes there as well" if told else ""


def step_lines(step: RolloutStep, place: WaveInFile, refused: Sequence[str] = ()) -> list[str]:
    """The change of the plan, and what to type then. refused: what must change with it."""
    stack = place.stack
    section = "waves" if place.plan else "linkerd-platform:rollout, waves"
    restart = f"#   python -m bot rollout restart --stack {stack} --namespace"
    return [
        f"# {place.file}: in {section}, item {step.index + 1} ({step.wave.name}) becomes",
        *steps.edit(step, place.plan).splitlines(),
        *([f"# {place.shared}"] if place.shared else []),
        *(f"# never meshed, so left out: {line}" for line in steps.left_out(step)),
        *(f"# refused without another change: {why}" for why in refused),
        "# then",
        f"#   python -m bot rollout check --stack {stack}{_options(step)}",
        f"#   python -m bot preview --stack {stack}",
        f"#   python -m bot up --stack {stack}",
        *(f"{restart} {name} --yes" for name in step.names),
    ]


def _options(step: RolloutStep) -> str:
    back = "" if step.forward else " --back"
    return f"{back} --wave {step.wave.name} --state {step.state}"


def step_document(
    step: RolloutStep, place: WaveInFile, refused: Sequence[str] = ()
) -> dict[str, Any]:
    """The same for programs."""
    return {
        "file": place.file,
        "key": f"{place.key}[{step.index}]",
        "sharedWith": list(place.others),
        "wave": steps.document(step),
        "found": list(step.found),
        "leftOut": dict(step.left_out),
        "refused": list(refused),
    }


def verdict_lines(verdict: WaveVerdict) -> list[str]:
    """The verdict first, then why."""
    step = verdict.step
    owner = f" ({step.wave.owner})" if step.wave.owner else ""
    what = f"wave {step.wave.name}{owner}: {step.wave.state} to {step.state}"
    head = f"{what}: {'safe' if verdict.safe else 'not safe'}"
    return [
        head,
        *(f"against: {text}" for text in verdict.against),
        *(f"note: {text}" for text in verdict.remarks),
    ]


def verdict_document(verdict: WaveVerdict) -> dict[str, Any]:
    """The same for programs."""
    return {
        "wave": verdict.step.wave.name,
        "owner": verdict.step.wave.owner,
        "from": verdict.step.wave.state,
        "to": verdict.step.state,
        "safe": verdict.safe,
        "against": list(verdict.against),
        "remarks": list(verdict.remarks),
    }
