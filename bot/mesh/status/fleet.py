"""The status of every stack of the fleet, some at a time; one that is broken hides no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from bot.cli import parallel
from bot.clients.target import Target
from bot.exit_codes import DONE, FAILED, REFUSED, BotError
from bot.mesh.status import judge, sources
from bot.mesh.status.model import CheckResult, Line, StatusReport
from bot.mesh.status.sources import WantedSources
from bot.mesh.trust import fleet as trust_fleet
from schema.faults import ConfigError
from schema.masking import masked
from stack.charts import ChartError

UNREAD = "stack/read"


def look(stacks: Sequence[str], wanted: WantedSources, at_a_time: int) -> list[StatusReport]:
    """The report of each stack in the order given, `at_a_time` of them at a time."""
    return parallel.run_all(
        lambda stack, stop: report(stack, wanted, stop),
        stacks,
        at_a_time,
        lambda done: f"{done.stack}: {done.outcome}",
    )


def report(stack: str, wanted: WantedSources, stop: threading.Event | None = None) -> StatusReport:
    """One stack by its name; why it could not be looked at is a line, and no error."""
    started = time.monotonic()
    try:
        return of(trust_fleet.target_of(stack), wanted, stop)
    except Exception as error:
        # Whatever it is, the other stacks are told.
        command = f"python -m bot status --stack {stack}"
        line = Line(UNREAD, CheckResult("unknown", _told(error), command))
        return StatusReport(stack, "", [line], time.monotonic() - started)


def of(target: Target, wanted: WantedSources, stop: threading.Event | None = None) -> StatusReport:
    """One stack whose file is read."""
    started = time.monotonic()
    cluster = target.config.cluster
    lines = judge.judge(sources.read(target, wanted, stop))
    return StatusReport(
        target.stack, cluster.name if cluster else "", lines, time.monotonic() - started
    )


def _told(error: Exception) -> str:
    # A reason may hold an address with its password.
    first, *more = masked(str(error)).splitlines() or [""]
    if not isinstance(error, BotError | ConfigError | ChartError):
        first = f"{type(error).__name__}: {first}"
    return f"{first} (and {len(more)} more)" if more else first


def exit_code(reports: Sequence[StatusReport]) -> int:
    """As of one stack: 4 before 1, because one that is not healthy wants somebody now."""
    codes = {each.exit_code for each in reports}
    return next((code for code in (REFUSED, FAILED) if code in codes), DONE)
