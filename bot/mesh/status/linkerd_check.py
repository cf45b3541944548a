"""What `linkerd check` finds, where the CLI is there: each failure is a line of the report."""

from __future__ import annotations

from collections.abc import Iterator

from bot.mesh.status.facts import Facts
from bot.mesh.status.linkerd_cli import CliCheck
from bot.mesh.status.model import SIMULATED, CheckResult, Subject, fail, ok, skipped, warn
from bot.mesh.status.upstream_extensions import CHECKS

SUBJECT = Subject("linkerd-check")
_LONGEST = 160


@SUBJECT.check("report")
def report(facts: Facts) -> Iterator[CheckResult]:
    """Every check of the CLI holds, but for what cannot hold, with the reason."""
    found = facts.cli
    good = 0
    for each in found.checks:
        if each.result == "success":
            good += 1
        else:
            yield judge(each, simulated=facts.config.sandbox.open_webhooks)
    yield ok(f"{good} of {len(found.checks)} checks of linkerd {found.version} hold")
    if found.cut:
        yield CheckResult("unknown", f"not every check was made: {found.cut}", "linkerd check")


def judge(found: CliCheck, *, simulated: bool) -> CheckResult:
    """A check that does not hold. simulated: no pod runs in the cluster."""
    told = f"{found.category}: {found.description}: {' '.join(found.error.split())}"
    told = told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"
    known = CHECKS.get((found.category, found.description))
    if known and known.design and found.result == "warning":
        return skipped(f"{found.description}: {known.design}")
    if known and known.running and simulated:
        return skipped(f"{found.description}: {SIMULATED}")
    make = fail if found.result == "error" else warn
    return make(told, found.hint or "linkerd check")
