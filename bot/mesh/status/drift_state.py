"""Drift, where it was asked for: the engine looks, which takes as long as a preview."""

from __future__ import annotations

from bot.mesh.status.facts import Facts, NoAnswerError
from bot.mesh.status.model import CheckResult, Subject, fail, ok, warn
from bot.mesh.status.objects import some

SUBJECT = Subject("drift")


@SUBJECT.check("state", cluster=False)
def state(facts: Facts) -> CheckResult:
    """What is there is as declared."""
    from bot.changes.rules import Level

    drift = facts.drift
    if drift.outcome == "undetermined":
        errors = [*drift.errors, *drift.tracked.errors, *drift.tracked.doubts]
        unlisted = [f"{what}: {why}" for what, why in drift.unlisted.items()]
        raise NoAnswerError(some([*errors, *unlisted]))
    if drift.outcome == "none":
        return ok(f"none, {drift.tracked.unchanged} resources looked at")
    next_ = f"python -m bot drift --stack {facts.target.stack}; docs/runbooks/drift.md"
    levels = [each.level for each in drift.added] + [each.level for each in drift.undeclared]
    told = (
        f"{len(drift.tracked.changes)} tracked, {len(drift.added)} added to, "
        f"{len(drift.undeclared)} undeclared"
    )
    return (fail if Level.CRITICAL in levels else warn)(told, next_)
