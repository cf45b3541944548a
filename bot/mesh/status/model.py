"""What a status is made of: subjects with their checks, and what each check saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bot.exit_codes import DONE, FAILED, REFUSED

if TYPE_CHECKING:
    from bot.mesh.status.facts import Facts

# The worst first. `skipped` is what nobody asked for, or what cannot hold here by the config.
State = Literal["fail", "unknown", "warn", "skipped", "ok"]
STATES: tuple[State, ...] = ("fail", "unknown", "warn", "skipped", "ok")
SIMULATED = "sandbox.openWebhooks: no pod runs and no webhook is asked, so it cannot hold"


@dataclass(frozen=True)
class CheckResult:
    """What a check saw. next: a command or a page, where something is to be done."""

    state: State
    seen: str
    next: str = ""


def ok(seen: str) -> CheckResult:
    """It holds."""
    return CheckResult("ok", seen)


def warn(seen: str, next_: str) -> CheckResult:
    """Somebody should look at it by day."""
    return CheckResult("warn", seen, next_)


def fail(seen: str, next_: str) -> CheckResult:
    """The mesh is not healthy."""
    return CheckResult("fail", seen, next_)


def skipped(why: str) -> CheckResult:
    """It was not looked at, and the config or the caller says so."""
    return CheckResult("skipped", why)


Judge = Callable[["Facts"], "CheckResult | Iterable[CheckResult]"]
Off = Callable[["Facts"], "str | None"]


@dataclass(frozen=True)
class Check:
    """One check. id: `<subject>/<name>`.

    running: it needs pods that really run, or webhooks that are asked. cluster: it needs one. off:
    why it is not looked at, by the config; None where it is.
    """

    id: str
    judge: Judge
    running: bool = False
    cluster: bool = True
    off: Off | None = None


@dataclass
class Subject:
    """Checks of one subject, in the order of the report."""

    name: str
    checks: list[Check] = field(default_factory=list)

    def check(
        self, name: str, *, running: bool = False, cluster: bool = True, off: Off | None = None
    ) -> Callable[[Judge], Judge]:
        """Add a function to the checks; the arguments are those of Check."""

        def add(judge: Judge) -> Judge:
            self.checks.append(Check(f"{self.name}/{name}", judge, running, cluster, off))
            return judge

        return add


@dataclass(frozen=True)
class Line:
    """One line of the report: what one check saw."""

    check: str
    result: CheckResult

    @property
    def subject(self) -> str:
        """The subject of its check."""
        return self.check.partition("/")[0]


@dataclass(frozen=True)
class StatusReport:
    """All lines of a stack, in order. seconds: how long it took."""

    stack: str
    cluster: str
    lines: Sequence[Line]
    seconds: float = 0.0

    def count(self, state: State) -> int:
        """Number of lines in a state."""
        return sum(line.result.state == state for line in self.lines)

    @property
    def outcome(self) -> Literal["healthy", "not healthy", "undetermined"]:
        """`undetermined` where nothing failed, and something that was asked did not tell."""
        if self.count("fail"):
            return "not healthy"
        return "undetermined" if self.count("unknown") else "healthy"

    @property
    def exit_code(self) -> int:
        """0 healthy, 4 not healthy, 1 undetermined."""
        return {"healthy": DONE, "not healthy": REFUSED, "undetermined": FAILED}[self.outcome]


def worst(states: Iterable[State]) -> State:
    """The worst of some states; `ok` of none."""
    return min(states, key=STATES.index, default="ok")
