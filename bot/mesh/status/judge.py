"""Every check on what was read: one list of lines, in the order of the report."""

from __future__ import annotations

from collections.abc import Iterator

from bot.exit_codes import BotError
from bot.mesh.status import (
    alerts,
    buoyant_cloud,
    certificates,
    control_plane,
    data_plane,
    drift_state,
    egress_gateway,
    extensions,
    ingress,
    kubernetes,
    linkerd_check,
    networks,
    operators,
    served,
    traffic,
    versions,
    workloads,
)
from bot.mesh.status.facts import Facts, NoAnswerError
from bot.mesh.status.model import SIMULATED, Check, CheckResult, Line, Subject, skipped

SUBJECTS: tuple[Subject, ...] = (
    kubernetes.SUBJECT,
    versions.SUBJECT,
    control_plane.SUBJECT,
    certificates.SUBJECT,
    operators.SUBJECT,
    extensions.SUBJECT,
    data_plane.SUBJECT,
    workloads.ROLLOUT,
    workloads.POLICY,
    traffic.SUBJECT,
    ingress.SUBJECT,
    egress_gateway.SUBJECT,
    buoyant_cloud.SUBJECT,
    alerts.SUBJECT,
    linkerd_check.SUBJECT,
    drift_state.SUBJECT,
)
# Their checks are in the subjects above.
MORE = (networks, served)
# What odd data in an answer leads to.
_ODD = (KeyError, TypeError, ValueError, AttributeError, IndexError, BotError)


def checks() -> list[Check]:
    """Every check, in the order of the report."""
    return [check for subject in SUBJECTS for check in subject.checks]


def judge(facts: Facts) -> list[Line]:
    """The lines of a report; a check that cannot tell is a line, and no error."""
    return [
        Line(check.id, result)
        for check in checks()
        if facts.config.cluster is not None or not check.cluster
        for result in _results(check, facts)
    ]


def _results(check: Check, facts: Facts) -> Iterator[CheckResult]:
    if check.running and facts.config.sandbox.open_webhooks:
        yield skipped(SIMULATED)
        return
    if check.off and (why := check.off(facts)):
        yield skipped(why)
        return
    try:
        found = check.judge(facts)
        yield from [found] if isinstance(found, CheckResult) else found
    except NoAnswerError as error:
        yield CheckResult("unknown" if error.asked else "skipped", str(error))
    except _ODD as error:
        yield CheckResult("unknown", f"could not be judged: {type(error).__name__}: {error}")
