"""Requests between services: whether routes act, and nothing stands in their way.

`bot traffic status` says the same service by service, with what proxies counted.
"""

from __future__ import annotations

from bot.mesh.status import cluster
from bot.mesh.status.facts import Facts
from bot.mesh.status.model import CheckResult, Subject, fail, ok, warn
from bot.mesh.status.objects import some
from bot.mesh.traffic import reader
from bot.mesh.traffic.judge import judge
from bot.mesh.traffic.model import TrafficState

SUBJECT = Subject("traffic")


def _none(facts: Facts) -> str | None:
    named = facts.config.traffic.services
    return None if named else "the stack file names no service (traffic.services)"


@SUBJECT.check("routes", off=_none)
def routes(facts: Facts) -> CheckResult:
    """Linkerd has accepted every route of the stack file, and nobody else has one there."""
    state = _state(facts)
    odd = {
        f"{each.key} ({route})"
        for each in state.services
        for route in each.routes
        if route.standing != "accepted"
    }
    if odd:
        return fail(f"do not act as written: {some(odd)}", _next(facts))
    return ok(f"{sum(len(each.routes) for each in state.services)} accepted")


@SUBJECT.check("services", off=_none)
def services(facts: Facts) -> CheckResult:
    """Every service is one that Linkerd reads requests of, and takes routes and a breaker for."""
    state = _state(facts)
    routes_ = {f"{route}: {route.why}" for each in state.services for route in each.routes}
    odd = {each.key for each in state.services if set(each.faults) - routes_}
    if odd:
        return fail(f"ignored in part or whole: {some(odd)}", _next(facts))
    return ok(f"{len(state.services)} services of the stack file")


@SUBJECT.check("budgets", off=_none)
def budgets(facts: Facts) -> CheckResult:
    """Where requests are retried, a time-out ends all tries together."""
    open_ = {f"{each.key}:{at}" for each in _state(facts).services for at in each.unbounded}
    if open_:
        return warn(
            f"retries without timeouts.request: {some(open_)}", "docs/components/traffic.md"
        )
    return ok("every retry ends with its request")


def _state(facts: Facts) -> TrafficState:
    found = {name: facts.objects(name) for name in (*reader.LISTS, "services")}
    return judge(facts.config, reader.objects(found, facts.source(cluster.FLAGGER)))


def _next(facts: Facts) -> str:
    return f"python -m bot traffic status --stack {facts.target.stack}"
